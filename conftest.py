"""Registers the parts that tests stand on."""

pytest_plugins = ["tests.parts.fixtures", "tests.parts.store_fixtures"]
