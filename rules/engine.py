"""Stage one, keyed by device: judges one event after the other and sums what the checks say, by device and day.

Everything it keeps is a sum, a minimum or a maximum, so the order of events does not matter, and the findings of
several engines, each with its own devices, are the findings of one. It reads no clock and draws no lots: an event says
when it was, and the same events give the same finding ids.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from collector.hosts import covers
from rules.agreements.model import waivers
from rules.case_keys import case_id, case_of
from rules.contacts import WITHHELD_SITE, Met, contact_of
from rules.coverage import Coverage, is_public_front
from rules.duplicates import SeenIds
from rules.findings import Finding, Promise
from rules.sightings import Sightings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import date

    from collector.events import FlowEvent
    from collector.segments import Network
    from rules.agreements.model import Agreement
    from rules.checks.base import Check, Observation, Sighting
    from rules.findings import RuleId, Verdict
    from rules.matching import Register
    from rules.parties import PartyTable

# Sums of one engine: a device meets some ten promises a day. What finds no room is counted, and its findings are lost.
MAX_TALLIES = 4_000_000

# Octets of a finding id and of the token that stands for a device: no two of a billion agree by chance.
ID_BYTES = 16


class TallyKey(NamedTuple):
    """What is summed apart. The device is here and nowhere else: a finding carries a token in its place."""

    rule: RuleId
    agreement: str
    clause: str
    subject: str
    verdict: Verdict
    detail: str
    waived: bool
    device: str
    day: date
    school: str
    group: str

    @property
    def promise(self) -> Promise:
        """What it speaks to."""
        return Promise(self.agreement, self.rule, self.clause, self.subject)


class Tally:
    """The sums behind one finding."""

    __slots__ = ("bytes_down", "bytes_up", "first_seen", "flows", "id", "last_seen", "token")

    def __init__(self, *, finding_id: str, token: str, first_seen: datetime, last_seen: datetime) -> None:
        self.id = finding_id
        self.token = token
        self.flows = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self.first_seen = first_seen
        self.last_seen = last_seen

    def add(self, *, flows: int, bytes_up: int, bytes_down: int, first_seen: datetime, last_seen: datetime) -> None:
        """Add one event, or what was summed before a restart."""
        self.flows += flows
        self.bytes_up += bytes_up
        self.bytes_down += bytes_down
        # Comparisons, for `min` and `max` of two take thrice as long, and half of all flows to products come by here.
        if first_seen < self.first_seen:  # noqa: PLR1730
            self.first_seen = first_seen
        if last_seen > self.last_seen:  # noqa: PLR1730
            self.last_seen = last_seen


class Engine:
    """Judges events.

    Args:
        register: the agreements.
        parties: the party lists.
        network: schools, groups, calendar, time zone.
        checks: the rules to judge by.
        token_key: local date -> key of the tokens that stand for devices in that day's findings, at most 64 octets.
            Whoever holds it and a device's pseudonym can tell its findings; it need not outlive the pseudonyms.
        known: findings of an earlier run over earlier events, whose sums go on growing here.
        meet: told of every contact of a device in a segment with a named host, for attribution.
    """

    def __init__(
        self,
        *,
        register: Register,
        parties: PartyTable,
        network: Network,
        checks: Iterable[Check],
        token_key: Callable[[date], bytes],
        known: Iterable[Finding] = (),
        meet: Callable[[Met], None] | None = None,
    ) -> None:
        self._meet = meet
        self._sightings = Sightings(register=register, parties=parties, network=network)
        asked = [check for check in checks if check.scope != "edges"]
        self._on_own = tuple(asked)
        self._on_other = tuple(check for check in asked if check.scope == "all")
        self._agreements = {agreement.id: agreement for agreement in register.agreements}
        self._token_key = token_key
        self._off_schools = network.off_schools
        self._known = {finding.id: finding for finding in known}
        self._tallies: dict[TallyKey, Tally] = {}
        self._changed: set[TallyKey] = set()
        self.coverage = Coverage()
        """What was seen so far."""
        self.seen = SeenIds()
        """Ids of the events that were judged."""
        self.refused_tallies = 0
        """Observations that found no room."""
        self.last_day: date | None = None
        """Latest local date on which a flow began."""

    @property
    def duplicates(self) -> int:
        """Events dropped because their id was judged before."""
        return self.seen.repeated

    def judge(self, event: FlowEvent) -> None:
        """Judge one event; nothing happens when its id was judged before."""
        started = self._sightings.started(event)
        if self.seen.is_new(event.id, day=started.date()):
            self._judge(event, started=started)

    def judge_new(self, event: FlowEvent, *, started: datetime) -> None:
        """Judge one event whose id the caller has compared with those judged before; `seen` does not learn of it.

        Args:
            event: the event.
            started: when it began, in the district's time zone.
        """
        self._judge(event, started=started)

    def _judge(self, event: FlowEvent, *, started: datetime) -> None:
        if event.school in self._off_schools:
            return
        day = started.date()
        if self.last_day is None or day > self.last_day:
            self.last_day = day
        if event.app == "dns":
            self.coverage.observe(event, verdict="dns", in_segment=event.school is not None)
            return
        place = self._sightings.place(event, day=day)
        sighting = self._sightings.sighting(event, started=started, place=place)
        self.coverage.observe(event, verdict=place.verdict, in_segment=sighting is not None)
        if sighting is None:
            return
        site = place.site or (WITHHELD_SITE if event.withheld else "")
        if self._meet is not None and event.part == 0 and site and not _hides_its_name(event):
            contact = contact_of(event, started=started, site=site)
            self._meet(Met(day=day, device=event.device or "", contact=contact))
        for check in self._on_other if place.product is None else self._on_own:
            for observation in check.observe(sighting):
                self._count(check.id, observation, sighting=sighting)

    def drain(self) -> list[Finding]:
        """Return every finding that changed since the last call, with its full sums, in the order of the ids.

        A finding replaces an earlier one of the same id. Only one engine may judge the events of one device.
        """
        found = [_finding(key, self._tallies[key]) for key in self._changed]
        self._changed.clear()
        return sorted(found, key=lambda finding: finding.id)

    def take(self) -> tuple[list[Finding], Coverage]:
        """Return what was summed since the last call, and forget it: a portion that the caller adds to the rest."""
        findings, coverage = self.drain(), self.coverage
        self._tallies.clear()
        self.coverage = Coverage()
        return findings, coverage

    def forget(self, cases: Collection[str]) -> None:
        """Let go of the sums of these cases (ids): what comes of them from now on is counted from nothing."""
        gone = {key for key in self._tallies if case_id(key.promise) in cases}
        for key in gone:
            del self._tallies[key]
        self._changed -= gone
        self._known = {key: known for key, known in self._known.items() if case_of(known) not in cases}

    def close(self, days: Collection[date]) -> None:
        """Let go of the sums of these local days: what comes of them later is counted under fresh tokens."""
        self._tallies = {key: tally for key, tally in self._tallies.items() if key.day not in days}
        self._changed = {key for key in self._changed if key.day not in days}
        self._known = {key: known for key, known in self._known.items() if known.day not in days}

    def _count(self, rule: RuleId, observation: Observation, *, sighting: Sighting) -> None:
        event = sighting.event
        # A sighting has all three; the empty string only satisfies the type.
        device, school, group = event.device or "", event.school or "", event.group or ""
        # In the order of the fields; their names would double the cost.
        key = TallyKey(
            rule,
            observation.agreement,
            observation.clause,
            observation.subject,
            observation.verdict,
            observation.detail,
            self._is_waived(observation, sighting=sighting),
            device,
            sighting.day,
            school,
            group,
        )
        started = sighting.started.astimezone(UTC)
        ended = datetime.fromisoformat(event.ended_at).astimezone(UTC)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._open(key, first_seen=started, last_seen=ended)
            if tally is None:
                return
        tally.add(
            flows=1 if event.part == 0 else 0,
            bytes_up=event.bytes_up,
            bytes_down=event.bytes_down,
            first_seen=started,
            last_seen=ended,
        )
        self._changed.add(key)

    def _open(self, key: TallyKey, *, first_seen: datetime, last_seen: datetime) -> Tally | None:
        if len(self._tallies) >= MAX_TALLIES:
            self.refused_tallies += 1
            return None
        token = self._token(key)
        tally = Tally(finding_id=finding_id(key, token=token), token=token, first_seen=first_seen, last_seen=last_seen)
        before = self._known.pop(tally.id, None)
        if before is not None:
            tally.add(
                flows=before.flows,
                bytes_up=before.bytes_up,
                bytes_down=before.bytes_down,
                first_seen=before.first_seen,
                last_seen=before.last_seen,
            )
        self._tallies[key] = tally
        return tally

    def _token(self, key: TallyKey) -> str:
        # Products without an agreement would share the empty id, and a token could join them: the subject stands in.
        promise = key.agreement or f"?{key.subject}"
        text = f"{key.day.isoformat()}\x1f{key.device}\x1f{promise}"
        return blake2b(text.encode(), key=self._token_key(key.day), digest_size=ID_BYTES).hexdigest()

    def _is_waived(self, observation: Observation, *, sighting: Sighting) -> bool:
        agreement = self._agreements.get(observation.agreement)
        return agreement is not None and is_waived(
            observation, agreement=agreement, day=sighting.day, host=sighting.host or ""
        )


def is_waived(observation: Observation, *, agreement: Agreement, day: date, host: str) -> bool:
    """Return whether a waiver covers the observation on its day: clause, date (included), and domain where given.

    The domain covers itself and everything beneath it; it may name what the case is about, or the host that was seen.
    """
    for waiver in waivers(agreement):
        if waiver.clause != observation.clause or day > waiver.until:
            continue
        if waiver.domain is None:
            return True
        names = (observation.subject, observation.about, host)
        if any(covers(waiver.domain, name) for name in names):
            return True
    return False


def _hides_its_name(event: FlowEvent) -> bool:
    # What is seen is the front's name, under which any site may stand.
    return event.ech and event.server_name is not None and is_public_front(event.server_name)


def finding_id(key: TallyKey, *, token: str) -> str:
    """Return the id of a finding: a hash of what it is about, the device-day as its token."""
    parts = (
        key.rule,
        key.agreement,
        key.clause,
        key.subject,
        key.verdict,
        key.detail,
        "waived" if key.waived else "",
        token,
        key.day.isoformat(),
        key.school,
        key.group,
    )
    return blake2b("\x1f".join(parts).encode(), digest_size=ID_BYTES).hexdigest()


def _finding(key: TallyKey, tally: Tally) -> Finding:
    return Finding(
        id=tally.id,
        rule=key.rule,
        agreement=key.agreement,
        clause=key.clause,
        subject=key.subject,
        verdict=key.verdict,
        detail=key.detail,
        waived=key.waived,
        device=tally.token,
        day=key.day,
        school=key.school,
        group=key.group,
        flows=tally.flows,
        bytes_up=tally.bytes_up,
        bytes_down=tally.bytes_down,
        first_seen=tally.first_seen,
        last_seen=tally.last_seen,
    )
