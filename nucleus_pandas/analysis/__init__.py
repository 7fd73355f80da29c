"""Analyses: from an event log or a standard frame to a tidy table, never to a plot."""
