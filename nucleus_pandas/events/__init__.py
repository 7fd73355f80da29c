"""The one way to read events."""
