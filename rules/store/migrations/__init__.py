"""Alembic migrations of the case store, one module each; the number in its name is the version of the store."""
