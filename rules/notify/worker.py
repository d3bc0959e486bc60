"""What works one channel off: takes what waits, tells it, writes down that it was told, and comes back if it failed.

Told first, written down after: a process that dies in between tells once more, and loses nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from rules.notify.alerts import AHEAD, RESOLVED_FOR, recent
from rules.notify.backoff import pause_s, waits
from rules.notify.channel import CaseNotice, ChannelDownError, DigestNotice, NoticeRefusedError
from rules.notify.planning import event, messages
from rules.versions import FORGOTTEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.notify.alertmanager import Alertmanager
    from rules.notify.channel import Channel, Notice, Session
    from rules.notify.docket import Spell, Standing
    from rules.notify.outbox import Outbox
    from rules.notify.planning import Item, Told
    from rules.store import Store

RESEND_S: Final = 30.0
"""How often an Alertmanager is told how everything stands, whether anything changed or not: it forgets all alerts when
it is started anew."""
ASK_S: Final = 5.0
"""How often it is asked whether it was: before the fallback rule that Prometheus sends it again would speak."""
# Quiet hours end within a day, whatever the clock change; a time beyond was written under a clock set back since.
LONGEST_WAIT_S: Final = 26 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every worker needs."""

    store: Store
    outbox: Outbox
    snapshot: Callable[[], tuple[int, list[Standing]]]
    """Returns up to which entry the log is read, and how every case stands then."""
    standing: Callable[[str], Standing | None]
    """Returns how one case stands."""
    may_send: Callable[[], bool]
    """Whether this process is the one that sends."""
    clock: Callable[[], datetime]
    """Tells the time."""
    chance: Callable[[], float]
    """Evenly spread from 0 to 1."""
    say: Callable[[str], None]
    """Shows one line to a person."""


class Health:
    """How one channel fares; what fails is told once, when it begins, and once when it is over."""

    def __init__(self, name: str, *, around: Surroundings) -> None:
        self._name = name
        self._around = around
        self._attempts = 0
        self._retry_at = 0
        # Somebody before us may have left the channel as failing.
        self._shown = False

    def waits(self, now: int) -> bool:
        """Return whether it is too soon to try again."""
        return self._attempts > 0 and waits(self._retry_at, now=now)

    def failed(self, reason: str, *, now: int) -> None:
        """Write down that nothing gets through."""
        self._attempts += 1
        self._retry_at = now + max(1, round(pause_s(self._attempts, chance=self._around.chance())))
        if self._attempts == 1:
            self._around.say(f"{self._name}: {reason}; what it has to tell waits in the store and is tried again")
        self._around.outbox.failed(self._name, attempts=self._attempts, reason=reason, retry_at=self._retry_at, now=now)

    def works(self) -> None:
        """Write down that it works."""
        if self._attempts:
            self._around.say(f"{self._name}: works again")
        if self._attempts or not self._shown:
            self._around.outbox.works(self._name)
        self._attempts, self._shown = 0, True


class Courier:
    """Tells what waits for one message channel.

    Args:
        channel: the channel.
        around: what it needs.
    """

    def __init__(self, channel: Channel, *, around: Surroundings) -> None:
        self.name = channel.name
        self._channel = channel
        self._around = around
        self._health = Health(channel.name, around=around)
        self._untold: list[str] = []

    def step(self) -> None:
        """Tell what is due now.

        Raises:
            StoreError: the store cannot be used; nothing is told before it is written down what was.
        """
        around, now = self._around, int(self._around.clock().timestamp())
        self._write_down(now=now)
        if self._health.waits(now):
            return
        waiting = around.outbox.waiting(self.name)
        retry_at = {one.item.name: one.retry_at for one in waiting}
        attempts = {one.item.name: one.attempts for one in waiting}
        told = messages(
            (one.item for one in waiting),
            ready=lambda item: _due(item, now=now) and not waits(retry_at[item.name], now=now),
        )
        if not told:
            return
        try:
            with self._channel.connect() as session:
                for each in told:
                    if not around.may_send():
                        return
                    self._tell(session, each, attempts=max(attempts[name] for name in each.items))
        except ChannelDownError as error:
            self._health.failed(str(error), now=int(around.clock().timestamp()))

    def _tell(self, session: Session, told: Told, *, attempts: int) -> None:
        around, now = self._around, int(self._around.clock().timestamp())
        standing = around.standing(told.case_id) if told.case_id else None
        if standing is not None and standing.status == FORGOTTEN:
            self._untold += told.items
            self._write_down(now=now)
            return
        try:
            session.send(self._notice(told))
        except NoticeRefusedError as error:
            if attempts == 0:
                around.say(f"{self.name}: {told.case_id or 'digest'} is refused ({error}); it is tried again")
            pause = max(1, round(pause_s(attempts + 1, chance=around.chance())))
            around.outbox.refused(self.name, told.items, attempts=attempts + 1, reason=str(error), retry_at=now + pause)
        else:
            self._untold += told.items
            self._write_down(now=now)
            self._health.works()

    def _write_down(self, *, now: int) -> None:
        if self._untold:
            self._around.outbox.sent(self.name, self._untold, now=now)
            self._untold.clear()

    def _notice(self, told: Told) -> Notice:
        around = self._around
        if not told.case_id:
            _, standings = around.snapshot()
            day = told.items[0].partition("/")[2]
            return DigestNotice(name=day, at=around.clock(), standings=tuple(one for one in standings if one.open))
        standing = around.standing(told.case_id)
        if standing is None:
            raise NoticeRefusedError("the case log does not know the case; see `schoolgate cases verify`")
        kinds = {entry.seq: _kind(entry.kind, entry.entry) for entry in around.store.log(told.case_id)}
        return CaseNotice(seq=told.seq, event=event(kinds.get(seq, "") for seq in told.seqs), standing=standing)


class Keeper:
    """Keeps one Alertmanager up to how the cases stand.

    Args:
        alertmanager: the Alertmanager.
        around: what it needs.
        resend_s: how often it is told again, in seconds.
    """

    def __init__(self, alertmanager: Alertmanager, *, around: Surroundings, resend_s: float = RESEND_S) -> None:
        self.name = alertmanager.name
        self._alertmanager = alertmanager
        self._around = around
        self._resend_s = resend_s
        self._health = Health(alertmanager.name, around=around)
        self._pushed: int | None = None
        self._pushed_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._runs_since = ""

    def step(self) -> None:
        """Tell it how the cases stand, if that changed, if it was started anew, or if it is time again.

        Raises:
            StoreError: the store cannot be used.
        """
        around = self._around
        now = around.clock()
        if self._health.waits(int(now.timestamp())):
            return
        seq, standings = around.snapshot()
        try:
            if self._knows(seq, now=now):
                return
            self._runs_since = self._alertmanager.runs_since()
            self._tell(seq, standings, now=now)
        except ChannelDownError as error:
            self._runs_since = ""
            self._health.failed(str(error), now=int(around.clock().timestamp()))

    def _knows(self, seq: int, *, now: datetime) -> bool:
        """Return whether it still knows all that it was told, and that is all there is."""
        if self._pushed is None or seq > self._pushed or not self._runs_since:
            return False
        if not _within(self._pushed_at, now=now, seconds=self._resend_s):
            return False
        if _within(self._asked_at, now=now, seconds=ASK_S):
            return True
        self._asked_at = now
        return self._alertmanager.runs_since() == self._runs_since

    def _tell(self, seq: int, standings: list[Standing], *, now: datetime) -> None:
        around = self._around
        if self._pushed is None:
            state = around.outbox.channel(self.name)
            self._pushed = state.planned if state else 0
        pushed = self._pushed
        # The first time we speak to it nobody knows what was told before us: everything that it may still hold open.
        within = AHEAD + timedelta(days=1) if self._pushed_at is None else RESOLVED_FOR

        def ended_is_news(spell: Spell) -> bool:
            return spell.seq > pushed or recent(spell, now=now, within=within)

        fresh = {one.case_id for one in standings if not one.open and any(ended_is_news(each) for each in one.spells)}
        # A silence outlives its case for a while: an end that is told later than the silence ends would be news.
        self._alertmanager.tell(
            standings, now=now, ended_is_news=ended_is_news, keep_silence=lambda case_id: case_id in fresh
        )
        if seq > pushed:
            around.outbox.plan(self.name, (), planned=seq, now=int(now.timestamp()))
        self._pushed, self._pushed_at = max(seq, pushed), now
        self._health.works()


def _within(at: datetime | None, *, now: datetime, seconds: float) -> bool:
    # A clock that was set back gives a time that has not come yet: then it is time again.
    return at is not None and 0 <= (now - at).total_seconds() < seconds


def _due(item: Item, *, now: int) -> bool:
    return item.due_at <= now or item.due_at > now + LONGEST_WAIT_S


def _kind(kind: str, entry: str) -> str:
    """Return the kind of an entry for a message; a case that was withdrawn before the log began stays so."""
    if kind == "carried_over" and json.loads(entry).get("state") != "open":
        return "withdrawn"
    return kind


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
