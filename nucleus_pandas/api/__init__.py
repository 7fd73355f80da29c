"""Everything that talks to the service: who asks, for which window, and what the answer becomes."""
