"""Errors and crashes."""
