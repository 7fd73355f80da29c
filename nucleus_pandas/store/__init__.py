"""The store: everything that was ever fetched about an app's users, in one DuckDB file."""
