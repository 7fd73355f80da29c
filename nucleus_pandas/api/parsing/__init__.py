"""Pure functions from an answer to a table."""
