"""Findings as the state topic keeps them: sealed octets that are opened only when something is added to them.

A million sums wait in a task for an event that mostly never comes; as objects they would take three times the memory
and seconds to restore.
"""

from __future__ import annotations

from datetime import date  # noqa: TC003 -- whoever decodes resolves the annotations
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from rules.days import Days

FINDING_KEYS: Final = b"finding/"
MOST_DROPPED: Final = 100_000
"""Of one portion: its transaction has to end in time."""


class _Dated(msgspec.Struct, gc=False):
    """The one field of a sealed finding that says whether it can still grow."""

    day: date


_dated = msgspec.json.Decoder(_Dated)


def live(state: Mapping[bytes, bytes], *, days: Days) -> Iterable[tuple[str, bytes]]:
    """Yield id and octets of the findings in *state* that can still grow: those whose day has its key."""
    start = len(FINDING_KEYS)
    return (
        (key[start:].decode(), body)
        for key, body in state.items()
        if key.startswith(FINDING_KEYS) and day_of(body) in days
    )


def dropped(findings: Mapping[str, bytes], *, days: Collection[date]) -> dict[bytes, None]:
    """Return the state keys of findings (by id) of these days, which are to go; beyond a bound retention takes them."""
    gone = (FINDING_KEYS + key.encode() for key, body in findings.items() if day_of(body) in days)
    return dict.fromkeys(islice(gone, MOST_DROPPED))


def day_of(octets: bytes) -> date:
    """Return the local day of a finding."""
    return _dated.decode(octets).day
