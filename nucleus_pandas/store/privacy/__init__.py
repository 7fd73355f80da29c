"""Erasing people, and giving them their data."""
