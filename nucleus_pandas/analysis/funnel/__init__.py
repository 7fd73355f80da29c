"""How many users reach each step."""
