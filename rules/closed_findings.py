"""What is left of the findings of a day that is over: one for each promise, day and school, and no device. Pure.

While a day is open a finding is of one device. When the key of the day is destroyed nobody can add to it any more, and
all that a case still asks is how many devices there were, which reasons, and sums. So findings of one promise and
school become one for each way in which devices broke it, and cases count the same as before, waivers and reasons told
apart.

Where fewer than k devices are behind it, octets and flows go in steps of 1, 2 and 5, times to the day, and a group is
named only where k of its devices are among them: what is left of one device then says hardly more than that it was
there. What a case says to the last digit, as its contract wants, is kept with the case (`rules.last_digits`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from rules.small_numbers import OFFICER_K, floor_step, quarter_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from rules.findings import Finding, Verdict

MARK: Final = "closed/"
"""Stands before what is in place of a token where devices cannot be told apart any more; no token has a slash."""
NOON_H: Final = 12
"""Times that are told to the day alone stand at noon UTC, which is on that day nearly everywhere."""
MORNING: Final = timedelta(hours=6)
"""So long before noon UTC lessons begin where the day begins first; it is night where it begins last."""
ID_BYTES: Final = 16


class Manner(NamedTuple):
    """In which way a device broke a promise: what checks and waivers tell apart."""

    verdict: Verdict
    detail: str
    waived: bool
    edition: int
    has_flows: bool
    """False: nothing but later parts of flows of the day before, which are no use."""


@dataclass(slots=True, kw_only=True)
class _Sums:
    flows: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    first_seen: list[datetime] = field(default_factory=list)
    last_seen: list[datetime] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Pool:
    """Devices of one school that broke a promise in the same ways."""

    devices: int = 0
    groups: Counter[str] = field(default_factory=Counter)
    sums: dict[Manner, _Sums] = field(default_factory=lambda: defaultdict(_Sums))


def is_closed(finding: Finding) -> bool:
    """Return whether a finding is of a day that is over, and of no device."""
    return finding.device.startswith(MARK)


def is_past(finding: Finding, *, until: datetime) -> bool:
    """Return whether a finding was seen up to *until*; of a day that is over only its date is sure."""
    if is_closed(finding):
        return finding.day < until.date()
    return is_seen(finding.first_seen, last=finding.last_seen, until=until)


def is_seen(first: datetime, *, last: datetime, until: datetime) -> bool:
    """Return whether what was first seen at *first* was seen up to *until*.

    Counted contacts of a day that is over may have no time: noon stands for it. Whoever forgot a case that morning
    forgot what was seen by then, and it must not come again.
    """
    is_untimed = first == last == first.astimezone(UTC).replace(hour=NOON_H, minute=0, second=0, microsecond=0)
    return (first - MORNING if is_untimed else first) <= until


def closed(findings: Iterable[Finding], *, edition: Callable[[datetime], int]) -> list[Finding]:
    """Return what is left of *findings*; of what is closed already nothing changes by itself.

    Args:
        findings: all of one promise and one day, those among them that are closed already included.
        edition: moment -> number of the agreements' edition then; findings of two are told apart.
    """
    devices: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        devices[finding.device].append(finding)
    pools: defaultdict[tuple[str, tuple[Manner, ...]], _Pool] = defaultdict(_Pool)
    for name in sorted(devices):
        held = devices[name]
        manners = tuple(sorted({_manner(each, edition=edition) for each in held}))
        # A device that changed its segment counts once, in the school that comes first.
        school = min(each.school for each in held)
        pool = pools[school, manners]
        number = max(each.devices for each in held)
        pool.devices += number
        for group in {each.group for each in held if each.school == school and each.group}:
            # What is closed names a group only where enough of its devices were among them.
            pool.groups[group] += OFFICER_K if is_closed(held[0]) else 1
        for each in held:
            _add(pool.sums[_manner(each, edition=edition)], each)
    made = (_left(pool, sample=devices[min(devices)][0], school=school) for (school, _), pool in pools.items())
    return sorted((each for part in made for each in part), key=lambda each: each.id)


def _manner(finding: Finding, *, edition: Callable[[datetime], int]) -> Manner:
    number = edition(finding.first_seen)
    return Manner(finding.verdict, finding.detail, finding.waived, number, finding.flows > 0)


def _add(sums: _Sums, finding: Finding) -> None:
    sums.flows += finding.flows
    sums.bytes_up += finding.bytes_up
    sums.bytes_down += finding.bytes_down
    sums.first_seen.append(finding.first_seen)
    sums.last_seen.append(finding.last_seen)


def _left(pool: _Pool, *, sample: Finding, school: str) -> Iterable[Finding]:
    """Yield one finding for each manner of a pool, and one with no sums for each further group that may be named."""
    groups = sorted(group for group, devices in pool.groups.items() if devices >= OFFICER_K) or [""]
    told = repr(sorted(pool.sums)).encode()
    device = f"{MARK}{school}/{blake2b(told, digest_size=4).hexdigest()}"
    is_few = pool.devices < OFFICER_K
    for manner, sums in sorted(pool.sums.items()):
        first, last = _times(sums, day=sample.day, is_few=is_few)
        whole = replace(
            sample,
            verdict=manner.verdict,
            detail=manner.detail,
            waived=manner.waived,
            device=device,
            school=school,
            flows=_coarse(sums.flows, is_few=is_few),
            bytes_up=_coarse(sums.bytes_up, is_few=is_few),
            bytes_down=_coarse(sums.bytes_down, is_few=is_few),
            first_seen=first,
            last_seen=last,
            devices=pool.devices,
        )
        for number, group in enumerate(groups):
            each = replace(whole, group=group, id=_id(whole, edition=manner.edition, group=group))
            yield each if number == 0 else replace(each, flows=0, bytes_up=0, bytes_down=0)


def _times(sums: _Sums, *, day: date, is_few: bool) -> tuple[datetime, datetime]:
    if is_few:
        noon = datetime(day.year, day.month, day.day, NOON_H, tzinfo=UTC)
        return noon, noon
    return quarter_start(min(sums.first_seen)), quarter_start(max(sums.last_seen))


def _coarse(number: int, *, is_few: bool) -> int:
    return floor_step(number) if is_few else number


def _id(finding: Finding, *, edition: int, group: str) -> str:
    parts = (
        finding.rule, finding.agreement, finding.clause, finding.subject, finding.verdict, finding.detail,
        str(finding.waived), str(edition), str(finding.flows > 0), finding.device, finding.day.isoformat(),
        finding.school, group,
    )  # fmt: skip
    return blake2b("\x1f".join(parts).encode(), digest_size=ID_BYTES).hexdigest()
