"""A state topic as a judge leaves it: sums of device-vendor-days, the key of their day, and the ids of its events."""

from __future__ import annotations

from array import array
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from rules.case_keys import case_of
from rules.days import DAY_KEYS, SEEN_KEYS, KeptDay
from rules.duplicates import PIECE
from rules.findings import Finding
from rules.kept_sums import FINDING_KEYS
from rules.key_ring import KeyRing
from rules.sealed_days import SealedDays
from rules.sealed_records import seal_finding
from rules.state_days import engine_day
from tests.parts.case_keys import DerivedKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = date(2026, 10, 6)
BEGAN = datetime(2026, 10, 6, 14, tzinfo=UTC)


def partitions(sums: int, *, ids_each: int, number: int, run: str) -> list[list[tuple[bytes, bytes]]]:
    """Return keys and values of *number* partitions that hold *sums* sums together, as they lie in their topic.

    Args:
        sums: how many.
        ids_each: ids of events remembered for each sum.
        number: of partitions.
        run: name of the run that is to read them.
    """
    share = sums // number
    return [list(_sealed(each, sums=share, ids=share * ids_each, run=run)) for each in range(number)]


def _sealed(number: int, *, sums: int, ids: int, run: str) -> Iterator[tuple[bytes, bytes]]:
    days = days_of(run, partition=number)
    days.need([DAY])
    for key, value in _partition(number, sums=sums, ids=ids):
        (sealed,) = days.sealed({key: value}, days={key: DAY}).values()
        yield key, sealed or b""


def days_of(run: str, *, partition: int) -> SealedDays:
    """Return what seals the state of a partition."""
    return SealedDays(f"{run}/{partition}", keys=DerivedKeys([DAY]), day_of=engine_day)


def _partition(number: int, *, sums: int, ids: int) -> Iterator[tuple[bytes, bytes]]:
    day = DAY.isoformat().encode()
    yield DAY_KEYS + day, msgspec.json.encode(KeptDay(key=b"k" * 32, since=datetime.now(UTC)))
    keys = KeyRing(DerivedKeys())
    for at in range(sums):
        finding = _finding(number, at=at)
        yield FINDING_KEYS + finding.id.encode(), seal_finding(finding, case_id=case_of(finding), keys=keys)
    numbers = (int.from_bytes(blake2b(b"%d/%d" % (number, at), digest_size=8).digest(), "big") for at in range(ids))
    piece = 0
    while found := array("Q", islice(numbers, PIECE)):
        yield b"%s%s/%d" % (SEEN_KEYS, day, piece), found.tobytes()
        piece += 1


def _finding(partition: int, *, at: int) -> Finding:
    name = blake2b(b"%d.%d" % (partition, at), digest_size=16).hexdigest()
    token = blake2b(b"%d:%d" % (partition, at // 5), digest_size=16).hexdigest()
    began = BEGAN + timedelta(seconds=at % 20_000)
    return Finding(
        id=name,
        rule="undeclared-third-party",
        agreement=f"vendor-{at % 60}",
        clause="6d",
        subject=f"host-{at % 60}.example",
        verdict="undeclared",
        detail="",
        waived=False,
        device=token,
        day=DAY,
        school=f"school-{at % 40}",
        group="6-8",
        flows=1 + at % 9,
        bytes_up=2_000 + at % 5_000,
        bytes_down=60_000 + at % 50_000,
        first_seen=began,
        last_seen=began + timedelta(minutes=40),
    )
