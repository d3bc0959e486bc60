"""A small invented school day, for the demonstration and the tests."""
