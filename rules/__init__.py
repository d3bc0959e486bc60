"""Compares what was observed with what each vendor declared."""
