"""From tables to answers: event logs, funnels, and the intervals that go with every rate."""
