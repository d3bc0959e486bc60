"""What can fail outside the rules: errors that the front door must know without loading what raises them."""

from __future__ import annotations


class StoreError(Exception):
    """The store cannot be used; the message says what to do."""
