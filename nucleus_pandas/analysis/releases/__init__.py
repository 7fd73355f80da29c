"""Versions of the app: adoption, and each release beside the one before."""
