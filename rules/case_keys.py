"""One random key for each case, and what is sealed with it: with the key gone, no copy anywhere can be read any more.

AES-256-GCM with a random nonce for each sealing. The additional data says what the octets are, of which case and under
which of its keys, so that nothing sealed can be put in the place of another. Nothing here knows where keys lie.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rules.findings import Promise

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from rules.findings import Finding

KEY_OCTETS: Final = 32
NONCE_OCTETS: Final = 12
"""NIST SP 800-38D section 8.2.2: random, 96 bits; no case is sealed anew 2^32 times."""
SALT_OCTETS: Final = 16
_NUMBER_OCTETS: Final = 4
_FORM: Final = b"\x01"
_HEAD: Final = len(_FORM) + _NUMBER_OCTETS
_LEAST: Final = _HEAD + NONCE_OCTETS + 16

Kind = Literal["finding", "case", "evidence", "ending", "entry", "version", "edge", "row", "state"]
"""What the sealed octets are."""

ID_BYTES: Final = 12
MATTER: Final = "about-"
"""How the ids of matters begin; no case id does."""
DAY: Final = "day-"
"""How the ids of local days begin, whose keys seal what is kept of a day and belongs to no case."""
OPEN_DAY: Final = "open-day-"
"""How the ids of local days begin whose keys seal what is held of devices until the day is over."""
TASK_DAY: Final = "task-day-"
"""How the ids of local days of one task behind Kafka begin; its state topic, partition and the day follow."""
OF_DAYS: Final = (DAY, OPEN_DAY, TASK_DAY)
"""How the ids of local days begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseKey:
    """One key of one case."""

    case_id: str
    """The case, a matter (`matter_id`), or a local day (`day_id`, `open_day_id`, `task_day_id`)."""
    number: int
    """1, 2, ...: a case that is forgotten and seen again has a new key under the next number."""
    octets: bytes = field(repr=False)
    """The key itself. Never logged, never shown."""
    draw: Callable[[int], bytes] = field(repr=False, default=os.urandom)
    """Returns so many random octets."""
    _box: AESGCM = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Prepare the cipher once: it costs as much as sealing."""
        object.__setattr__(self, "_box", AESGCM(self.octets))

    def seal(self, octets: bytes, *, kind: Kind) -> bytes:
        """Return *octets* sealed."""
        nonce = self.draw(NONCE_OCTETS)
        number = self.number.to_bytes(_NUMBER_OCTETS, "big")
        return b"%b%b%b%b" % (_FORM, number, nonce, self._box.encrypt(nonce, octets, self._about(kind)))

    def open(self, sealed: bytes, *, kind: Kind) -> bytes | None:
        """Return what `seal` was given, None: it was sealed with another key, as something else, or was changed."""
        if len(sealed) < _LEAST or number_in(sealed) != self.number:
            return None
        nonce, body = sealed[_HEAD : _HEAD + NONCE_OCTETS], sealed[_HEAD + NONCE_OCTETS :]
        try:
            return self._box.decrypt(nonce, body, self._about(kind))
        except InvalidTag:
            return None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key: says later which key it was, and does not give it away."""
        return sha256(self.octets).hexdigest()

    def _about(self, kind: Kind) -> bytes:
        return f"schoolgate/1\n{kind}\n{self.case_id}\n{self.number}".encode()


def number_in(sealed: bytes) -> int | None:
    """Return the number of the key that *sealed* was made with, None: it was not made by `CaseKey.seal`."""
    if not sealed.startswith(_FORM):
        return None
    return int.from_bytes(sealed[len(_FORM) : _HEAD], "big")


def case_id(promise: Promise) -> str:
    """Return the stable id of the case about *promise*."""
    return blake2b("|".join(promise).encode(), digest_size=ID_BYTES).hexdigest()


def case_of(finding: Finding) -> str:
    """Return the id of the case that a finding belongs to."""
    return case_id(Promise(finding.agreement, finding.rule, finding.clause, finding.subject))


def matter_id(agreement: str, *, subject: str) -> str:
    """Return the id under which evidence is kept that several cases share: one product and one party, whatever rule.

    Its key lives as long as the last case about the two.
    """
    told = blake2b(json.dumps([agreement, subject]).encode(), digest_size=ID_BYTES).hexdigest()
    return f"{MATTER}{told}"


def day_id(day: date) -> str:
    """Return the id of the key of a local day: of what is kept of it and belongs to no case."""
    return f"{DAY}{day.isoformat()}"


def open_day_id(day: date) -> str:
    """Return the id of the key of a local day that is not over: of what is held of its devices."""
    return f"{OPEN_DAY}{day.isoformat()}"


def task_day_id(task: str, day: date) -> str:
    """Return the id of the key of a local day in the state of one task behind Kafka (`rules.sealed_days`).

    Args:
        task: its state topic and partition, as `schoolgate.engine-state/3`.
        day: the local day.
    """
    return f"{TASK_DAY}{task}/{day.isoformat()}"
