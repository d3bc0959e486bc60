"""Of which local day an entry of the two state topics tells, where it tells of devices. Pure.

What tells of none stays as it is: shares, watermarks, the last records of each collector, versions of cases, edges, and
what is left of days that are over.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from rules import counted_contacts, partition_contacts
from rules.contact_records import place_in
from rules.days import DAY_KEYS, SEEN_KEYS
from rules.kept_sums import FINDING_KEYS

_DATED: Final = (DAY_KEYS, SEEN_KEYS, partition_contacts.CONTACT_KEYS)
"""State keys of stage one in which the local date follows at once."""
_DATE: Final = len("2026-10-14")


class _Envelope(msgspec.Struct, gc=False):
    """What a finding says in the clear."""

    day: date
    closed: bool = False


_envelopes = msgspec.json.Decoder(_Envelope)


def engine_day(key: bytes, value: bytes) -> date | None:
    """Return the day of whose devices an entry of the state of stage one tells, None: of none.

    Raises:
        msgspec.DecodeError: it is none of ours.
        ValueError: likewise.
    """
    if key.startswith(FINDING_KEYS):
        return _envelopes.decode(value).day
    for prefix in _DATED:
        if key.startswith(prefix):
            return date.fromisoformat(key[len(prefix) : len(prefix) + _DATE].decode())
    if key.startswith(partition_contacts.TOLD_KEYS):
        return place_in(key.removeprefix(partition_contacts.TOLD_KEYS)).day
    return None


def case_day(key: bytes, value: bytes) -> date | None:
    """Return the day of whose devices an entry of the state of stage two tells, None: of none.

    Raises:
        msgspec.DecodeError: it is none of ours.
        ValueError: likewise.
    """
    if key.startswith(FINDING_KEYS):
        found = _envelopes.decode(value)
        return None if found.closed else found.day
    if key.startswith(counted_contacts.COUNTED_KEYS):
        return place_in(key.removeprefix(counted_contacts.COUNTED_KEYS)).day
    return None
