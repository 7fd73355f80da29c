"""One function for each endpoint."""
