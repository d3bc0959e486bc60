"""What is sealed with the keys of cases, opened: so that who searches for something searches in there as well."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING, get_args

from rules.case_keys import Kind
from rules.sealed_days import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rules.case_keys import CaseKey

# Form 1 and a key's number below 2^18, in Base64.
_TEXT = re.compile(rb"AQAA[A-Za-z0-9+/]{40,}={0,2}")
_OCTETS = b"\x01\x00\x00"
_OF_A_DAY = re.compile(rb"\A" + MARK + rb"[0-9-]{10}/")


class SealedPieces:
    """Opens what any of *keys* opens."""

    def __init__(self, keys: Sequence[CaseKey]) -> None:
        self._keys = keys
        self._known: dict[bytes, bytes | None] = {}

    def inside(self, octets: bytes) -> Iterator[bytes]:
        """Yield what is sealed in *octets*, be it all of them or pieces as Base64."""
        whole = _OF_A_DAY.sub(b"", octets, count=1)
        found = [whole] if whole.startswith(_OCTETS) else map(b64decode, _whole(_TEXT.findall(octets)))
        for sealed in found:
            if sealed not in self._known:
                self._known[sealed] = self._opened(sealed)
            text = self._known[sealed]
            if text is not None:
                yield text
                if len(whole) < len(octets):
                    # A finding is sealed with the key of its case, and that with the key of task and day.
                    yield from self.inside(text)

    def _opened(self, sealed: bytes) -> bytes | None:
        tries = (key.open(sealed, kind=kind) for key in self._keys for kind in get_args(Kind))
        return next((text for text in tries if text is not None), None)


def _whole(texts: Sequence[bytes]) -> Iterator[bytes]:
    return (text for text in texts if len(text) % 4 == 0)
