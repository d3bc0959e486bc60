"""What every error about something that a user gave has in common, so that the front door knows them all by one name.

It loads nothing: what raises these errors takes longer to load than a small capture takes to read.
"""

from __future__ import annotations


class WrongInputError(ValueError):
    """Something that a user gave cannot be used; the message says what to do, one line a problem."""
