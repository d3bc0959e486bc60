"""What can fail outside the rules: errors that the front door must know without loading what raises them."""

from __future__ import annotations


class StoreError(Exception):
    """The store cannot be used; the message says what to do."""


class StepRefusedError(StoreError):
    """What a person wants to do about a case is not possible as the case stands; the message says why."""
