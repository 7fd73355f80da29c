"""Which users come back, and how long they stay."""
