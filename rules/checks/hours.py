"""6c, not outside the declared hours: background traffic before or after school, or on a day without school.

A late reader is no broken promise, and neither are ten of them at a parents' evening. So the check looks for what a
machine does and a person does not, in four steps, each of which can only take evidence away:

1. Only flows that *start* outside the hours, by more than an hour, count; a tab left open since noon does not. (The
   later parts of a long flow are skipped for that reason: when it began is not in them.)
2. Each contact must be small. A beacon reports; a page, a video, a file that somebody opens is larger.
3. A device must come back to the same host after a pause. Single visits, and one visit with many requests, do not
   count. Or it is the middle of the night, when nobody sits in a school.
4. At least three devices must do so on one and the same date (pseudonyms change daily: one reader on five evenings is
   five device-days), and their pauses must be alike, as a timer makes them.

What else the device did at that hour is deliberately not weighed. Two products with beacons on one device would excuse
each other, and the findings of two agreements must not be joined by device.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from math import comb
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from rules.checks.base import Conclusion, Example, Observation
from rules.checks.example import SCHOOL_DAY, at
from rules.checks.wording import NOT_CONTENT, extent, product_of, says
from rules.closed_findings import is_closed
from rules.matching import own_subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from rules.checks.base import Evidence, Maturity, Need, Scope, Sighting
    from rules.findings import Finding, RuleId

SIX_C = "6c"

# CONTRACTS.md section 6: "before or after the school day by more than an hour".
GRACE = timedelta(hours=1)

# "Several devices": as for use, and never one or two people.
SEVERAL_DEVICES = 3

# Both directions, one contact, IP octets. A TLS handshake with its certificates takes 5 to 8 KiB, a report a few more.
LARGEST_BEACON_BYTES = 65_536

# Flows closer together than this are one contact: requests of one page, retries, a connection per host.
SHORTEST_PAUSE_MIN = 5

# Local hours in which nobody sits in a school: late events are over and the first caretaker has not come.
NIGHT_FROM_MIN = 22 * 60
NIGHT_TO_MIN = 5 * 60

ALIKE = 0.2
"""A pause is like the others when it differs from their median by at most this share."""
SHARE_ALIKE = 0.5
"""Share of the pauses that must be alike. Timers are jittered on purpose, and devices sleep through beats."""

# People's pauses scatter. Were they exponential, one in seven would lie that close to the median; we allow for one in
# four, as an evening has an end. Few pauses say little, so the case waits until chance makes it on at most 2 evenings
# of 100: four pauses that are all alike, five of six, half of many.
CHANCE_OF_ONE = 0.25
CHANCE_OF_ALL = 0.02


NIGHT: Final = "night"
RETURNING: Final = "returning"
"""What a finding of a day that is over says of its devices, in place of the minute."""


class Contact(NamedTuple):
    """One minute in which a device spoke with a host."""

    minute: int
    """Minute of the local day."""
    octets: int
    """Both directions."""
    finding: Finding
    """Where that is written."""


class OutsideHours:
    """Several devices speak with the product by themselves outside the declared hours."""

    id: RuleId = "outside-hours"
    clauses = (SIX_C,)
    maturity: Maturity = "stable"
    scope: Scope = "own"
    signal = (
        "Small flows to a host of the product that several devices repeat as by a timer, more than an hour before or "
        "after school, or on a day without school."
    )
    fields = ("expected.hours",)
    needs: tuple[Need, ...] = ("calendar",)
    blind_to = "What was sent; that no person was at the device is inferred from the pattern."
    examples = (
        Example(
            title="three devices report every fifteen minutes before dawn",
            events=tuple(
                {"device": f"d{device}", "server_name": "api.mathlab.example", **at(f"10:{minute:02}")}
                for device in range(3)
                for minute in (10 + device, 25 + device, 40 + device)
            ),
            opens=True,
        ),
        Example(
            title="the same on a holiday at noon",
            events=tuple(
                {"device": f"d{device}", **at(f"17:{minute:02}", day="2026-10-12")}
                for device in range(3)
                for minute in (10, 25, 40)
            ),
            opens=True,
        ),
        Example(
            title="one late reader who opens page after page",
            events=tuple({**at(f"23:{minute:02}")} for minute in range(0, 60, 6)),
            opens=False,
        ),
        Example(
            title="a parents' evening: people look when they like",
            events=tuple(
                {"device": f"d{device}", "group": "staff", **at(clock, day=SCHOOL_DAY)}
                for device, clocks in enumerate(
                    (
                        ("23:02", "23:31"),
                        ("22:20", "23:15", "23:21"),
                        ("23:10", "23:17"),
                        ("22:40", "23:55"),
                        ("23:33",),
                    )
                )
                for clock in clocks
            ),
            opens=False,
        ),
        Example(
            title="the agreement allows any hour",
            agreement={"expected": {"hours": "any"}},
            events=tuple(
                {"device": f"d{device}", **at(f"10:{minute}")} for device in range(3) for minute in (10, 25, 40)
            ),
            opens=False,
        ),
    )

    def observe(self, sighting: Sighting) -> Iterable[Observation]:
        """Return one observation per flow to the product that begins outside the hours, marked with its minute."""
        agreement = sighting.product
        if agreement is None or agreement.expected is None or agreement.expected.hours != "school_day":
            return ()
        if sighting.event.part > 0 or not outside(sighting):
            return ()
        return (
            Observation(
                agreement=agreement.id,
                clause=SIX_C,
                subject=own_subject(agreement),
                verdict="contradicted",
                detail=f"{sighting.host} {sighting.started:%H:%M}",
            ),
        )

    def conclude(self, evidence: Evidence) -> Conclusion | None:
        """Return a case when at least one host of the product was contacted as by a timer."""
        agreement = evidence.agreement
        if agreement is None:
            return None
        hosts = _hosts(evidence.findings)
        background = tuple(finding for host in sorted(hosts) for finding in _background(hosts[host]))
        if not background:
            return None
        return Conclusion(
            verdict="contradicted",
            severity="warning",
            findings=background,
            summary=f"Devices appear to contact {product_of(agreement)} by themselves outside the school day, "
            f"{extent(background)}.",
            agreement_says=says(agreement, "expected", text="the product sends data on school days, in school hours"),
            cannot_see=f"{NOT_CONTENT}; that no person was at the device is inferred from small, repeated contacts of "
            "several devices.",
        )

    def settle(self, evidence: Evidence, *, others: Sequence[Finding]) -> Iterable[Finding]:  # noqa: ARG002 -- the interface
        """Return the findings of hosts that several devices met so, with all pauses of the day and of no device.

        What fewer did on one date opens no case on any day, so nothing is kept of it.
        """
        hosts = _hosts(evidence.findings)
        return [finding for host in sorted(hosts) for finding in _settled(hosts[host])]


def _hosts(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    hosts: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        hosts[_host(finding)].append(finding)
    return hosts


def outside(sighting: Sighting) -> bool:
    """Return whether the flow starts more than an hour before or after school, or on a day without school."""
    if sighting.hours is None:
        return True
    begin, end = sighting.hours
    return sighting.started < begin - GRACE or sighting.started > end + GRACE


class _Days(NamedTuple):
    """What several devices did to one host, by date and device."""

    by_night: dict[tuple[date, str], list[Finding]]
    """Device-days with a contact in the middle of the night."""
    returning: dict[tuple[date, str], list[Finding]]
    """Device-days that came back after a pause."""
    pauses: dict[date, list[int]]
    """Minutes of the pauses of the latter."""


def _days(findings: Iterable[Finding]) -> _Days:
    """Return what small contacts of the findings about one host come to; of closed days they say it themselves."""
    found = _Days({}, {}, defaultdict(list))
    open_days: dict[tuple[date, str], list[Contact]] = defaultdict(list)
    for finding in findings:
        key, told = (finding.day, finding.device), finding.detail.split(" ")[1:]
        if is_closed(finding):
            if NIGHT in told[0]:
                found.by_night.setdefault(key, []).append(finding)
            if RETURNING in told[0]:
                found.returning.setdefault(key, []).append(finding)
            # Each finding of the day says them all.
            found.pauses[finding.day] = [int(pause) for pause in told[1].split(",") if pause]
        else:
            hour, _, minute = told[-1].partition(":")
            contact = Contact(int(hour) * 60 + int(minute), finding.bytes_up + finding.bytes_down, finding)
            open_days[key].append(contact)
    for key, contacts in open_days.items():
        if not _small(contacts):
            continue
        if any(_is_night(contact.minute) for contact in contacts):
            found.by_night[key] = [contact.finding for contact in contacts]
        if pauses := _pauses(contacts):
            found.returning[key] = [contact.finding for contact in contacts]
            found.pauses[key[0]] += pauses
    return found


def _background(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings about one host that several devices made as by a timer, empty: there is no such pattern."""
    days = _days(findings)
    found: dict[str, Finding] = {}
    if _several(days.by_night):
        found |= _findings(days.by_night)
    if _several(days.returning) and _alike([pause for day in days.pauses.values() for pause in day]):
        found |= _findings(days.returning)
    return tuple(found[key] for key in sorted(found))


def _settled(findings: Sequence[Finding]) -> Iterable[Finding]:
    """Yield what is needed of the findings of one day about one host when the day is over."""
    days = _days(findings)
    by_night = days.by_night if _several(days.by_night) else {}
    returning = days.returning if _several(days.returning) else {}
    pauses = ",".join(map(str, sorted(pause for day in days.pauses.values() for pause in day))) if returning else ""
    for finding in findings:
        key = finding.day, finding.device
        kinds = NIGHT * (key in by_night) + RETURNING * (key in returning)
        if kinds:
            yield replace(finding, detail=f"{_host(finding)} {kinds} {pauses}")


def _host(finding: Finding) -> str:
    return finding.detail.partition(" ")[0]


def _small(contacts: Sequence[Contact]) -> bool:
    """Return whether no run of contacts without a pause is larger than a beacon."""
    runs: list[int] = []
    before: int | None = None
    for contact in sorted(contacts, key=lambda contact: contact.minute):
        if before is None or contact.minute - before >= SHORTEST_PAUSE_MIN:
            runs.append(0)
        runs[-1] += contact.octets
        before = contact.minute
    return max(runs) <= LARGEST_BEACON_BYTES


def _pauses(contacts: Iterable[Contact]) -> list[int]:
    """Return the minutes between one contact's last flow and the next contact's first, in order."""
    minutes = sorted({contact.minute for contact in contacts})
    return [later - earlier for earlier, later in pairwise(minutes) if later - earlier >= SHORTEST_PAUSE_MIN]


def _is_night(minute: int) -> bool:
    return minute >= NIGHT_FROM_MIN or minute < NIGHT_TO_MIN


def _several(days: Mapping[tuple[date, str], Sequence[Finding]]) -> bool:
    """Return whether several devices share one date."""
    count: dict[date, int] = defaultdict(int)
    for (day, _), findings in days.items():
        count[day] += max(finding.devices for finding in findings)
    return any(devices >= SEVERAL_DEVICES for devices in count.values())


def _alike(pauses: Sequence[int]) -> bool:
    """Return whether most of the pauses have one length, give or take, and more than chance would make so."""
    middle = median(pauses)
    alike = sum(abs(pause - middle) <= ALIKE * middle for pause in pauses)
    # The pause in the middle is always like itself, so it proves nothing.
    others, among = max(alike - 1, 0), len(pauses) - 1
    chance = sum(
        comb(among, hits) * CHANCE_OF_ONE**hits * (1 - CHANCE_OF_ONE) ** (among - hits)
        for hits in range(others, among + 1)
    )
    return alike >= SHARE_ALIKE * len(pauses) and chance <= CHANCE_OF_ALL


def _findings(days: Mapping[tuple[date, str], Iterable[Finding]]) -> dict[str, Finding]:
    return {finding.id: finding for findings in days.values() for finding in findings}
