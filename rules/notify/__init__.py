"""Tells people and programs of cases: at least once, never lost, by one process at a time."""
