"""Looks at what the rules side stands on: agreements, lists, case store, and those who tell people. Changes nothing."""
