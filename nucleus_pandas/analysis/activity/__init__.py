"""How many users are active, and how often."""
