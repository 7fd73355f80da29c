"""Statistics: pure functions on arrays that know nothing of events, users or tables."""
