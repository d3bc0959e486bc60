"""How the monitor itself fares, and who signed in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from rules.desk.messages import channels
from rules.desk.page import for_members, office_of, render
from rules.store.chain import Break, Head
from rules.store.glass import GlassLog
from rules.store.log import read_head

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from rules.desk.office import Office

MOST_ACCESSES: Final = 200
STALE_DAYS: Final = 3
"""Without data for longer than a weekend with a holiday, somebody should look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """How old what was seen last is."""

    day: date
    days_ago: int

    @property
    def stale(self) -> bool:
        """Whether somebody should look."""
        return self.days_ago > STALE_DAYS


def system(request: Request) -> Response:
    """Show how the monitor fares."""
    return _system(request, checked=None)


def check(request: Request) -> Response:
    """Check the whole case log, and show what came of it."""
    return _system(request, checked=office_of(request).store.verify())


def access(request: Request) -> Response:
    """Show who signed in."""
    office = office_of(request)
    rows = office.access_log.latest(most=MOST_ACCESSES)
    glass = GlassLog(office.store).record()
    return render(request, "access.html", rows=rows, most=MOST_ACCESSES, glass=glass)


def _system(request: Request, *, checked: Head | Break | None) -> Response:
    office = office_of(request)
    with office.store.database.reading() as connection:
        head = read_head(connection)
    return render(
        request,
        "system.html",
        head=head,
        broken=checked if isinstance(checked, Break) else None,
        whole=checked if isinstance(checked, Head) else None,
        data=_latest(office),
        channels=channels(office.store),
        agreements=len(office.papers.agreements),
        problem=office.papers.problem,
        warnings=office.papers.warnings,
        users=len(office.accounts) if office.accounts is not None else None,
        members=office.sessions.members,
        database=office.store.database.kind,
    )


def _latest(office: Office) -> Data | None:
    """Return how old the latest data is, as the engine says it or else the cases; None: there is none."""
    kept = office.store.state("engine")
    said = json.loads(kept).get("last_day") if kept else None
    days = [date.fromisoformat(said)] if said else []
    if not days:
        seen = max((line.last_seen for line in office.listing.lines() if line.last_seen), default=None)
        if seen is None:
            return None
        days = [datetime.fromisoformat(seen).astimezone(office.papers.zone).date()]
    return Data(day=days[0], days_ago=max(0, (office.papers.today(office.clock()) - days[0]).days))


ROUTES: Final = (
    Route("/system", for_members()(system), methods=["GET"]),
    Route("/system", for_members()(check), methods=["POST"]),
    Route("/access", for_members("access")(access), methods=["GET"]),
)
