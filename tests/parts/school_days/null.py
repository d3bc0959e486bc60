"""The same flows without the causes, and in other orders: what must accuse nobody, and what must change nothing."""

from __future__ import annotations

from datetime import date
from random import Random
from typing import TYPE_CHECKING

from collector.hosts import covers, normal_name, registrable_domain
from tests.parts.school_days.writing import copied

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from collector.events import FlowEvent
    from rules.agreements.model import Agreement
    from tests.parts.school_days.days import SchoolDays


def shuffled(days: SchoolDays, seed: int) -> list[FlowEvent]:
    """Return the events of *days* with the device-days of each third party permuted, by `ended_at`."""
    return shuffle_parties(list(days.events()), agreements=days.agreements, seed=seed)


def shuffle_parties(events: Sequence[FlowEvent], *, agreements: Iterable[Agreement], seed: int) -> list[FlowEvent]:
    """Return *events* with the flows of each third party moved to other device-days, keeping the time of day.

    Whatever an agreement covers stays, and so does what has no name. All flows of one party on one device-day go to
    one other device-day, so that their number, their rhythm and the party's popularity stay; only the cause is gone.
    Sites keep their place only where they embed nothing: a site's own flows are moved like those of any other host.
    """
    rng = Random(f"{seed}/null")  # noqa: S311 -- lots of a simulation
    own = [normal_name(domain.match) for agreement in agreements for domain in agreement.domains]
    thirds: dict[str, bool] = {}
    places: dict[tuple[str, str], FlowEvent] = {}
    for event in events:
        if event.device is not None:
            places.setdefault((event.device, event.started_at[:10]), event)
    keys = list(places)
    moves: dict[str, dict[tuple[str, str], tuple[str, str]]] = {}
    moved: list[FlowEvent] = []
    for event in events:
        name = event.server_name
        if name is not None and name not in thirds:
            thirds[name] = not any(covers(match, name) for match in own)
        if name is None or event.device is None or not thirds[name]:
            moved.append(event)
            continue
        party = registrable_domain(name)
        if party not in moves:
            targets = keys.copy()
            rng.shuffle(targets)
            moves[party] = dict(zip(keys, targets, strict=True))
        key = (event.device, event.started_at[:10])
        moved.append(_moved(event, target=places[moves[party][key]]))
    moved.sort(key=lambda event: (event.ended_at, event.id))
    return moved


def _moved(event: FlowEvent, *, target: FlowEvent) -> FlowEvent:
    day = target.started_at[:10]
    started, ended = event.started_at, event.ended_at
    end_day = day
    if ended[:10] != started[:10]:
        # A flow that ran over midnight (UTC) ends a day after it began, whatever the day.
        end_day = (date.fromisoformat(day) + (_date(ended) - _date(started))).isoformat()
    return copied(
        event,
        device=target.device,
        school=target.school,
        group=target.group,
        started_at=day + started[10:],
        ended_at=end_day + ended[10:],
    )


def _date(text: str) -> date:
    return date.fromisoformat(text[:10])


def orders(events: Sequence[FlowEvent], seed: int) -> Iterator[tuple[str, list[FlowEvent]]]:
    """Yield the same events in other orders, each with its name; the report must be the same for all of them."""
    rng = Random(f"{seed}/orders")  # noqa: S311 -- lots of a simulation
    yield "backwards", list(reversed(events))
    mixed = list(events)
    rng.shuffle(mixed)
    yield "at random", mixed
    yield "device by device", sorted(events, key=lambda event: (event.device or "", event.started_at))
    yield "two halves, the later first", [*events[len(events) // 2 :], *events[: len(events) // 2]]
    yield "odd ones, then even ones", [*events[1::2], *events[::2]]
    yield "each twice", [event for event in events for _ in range(2)]
