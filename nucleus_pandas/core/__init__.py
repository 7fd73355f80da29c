"""What every layer needs and what knows nothing about HTTP."""
