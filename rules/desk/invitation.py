"""A sign-in address that works once: the way into a desk that has no file of users."""

from __future__ import annotations

import hmac
import secrets
import threading


class Invitation:
    """One number, good for one sign-in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._word: str | None = secrets.token_urlsafe(32)

    @property
    def word(self) -> str:
        """What the address ends with; empty when it was used."""
        return self._word or ""

    def take(self, word: str) -> bool:
        """Tell whether *word* opens the desk; it does so once."""
        with self._lock:
            fits = self._word is not None and hmac.compare_digest(word.encode(), self._word.encode())
            if fits:
                self._word = None
            return fits
