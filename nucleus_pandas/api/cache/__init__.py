"""A cache of answers, on requests-cache."""
