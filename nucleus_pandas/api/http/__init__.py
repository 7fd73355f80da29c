"""HTTP: complete bodies only, retries, a deadline, size limits and a rate limit."""
