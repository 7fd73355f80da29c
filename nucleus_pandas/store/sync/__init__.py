"""Bringing a store up to date with the service."""
