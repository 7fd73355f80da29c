"""Counts by value as shares of the whole."""
