"""The words in which a case is told: what happened, how sure, what to do next. Pure.

Everything that comes out is cleaned of characters that could steer a reader; HTML is escaped where it is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from collector.problems import on_one_line
from rules.console import rule_title
from rules.next_steps import returned_because, told_step

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from rules.notify.docket import Standing

EVENTS: Final[Mapping[str, str]] = {
    "opened": "New case",
    "changed": "Case changed",
    "returned": "Case is back",
    "withdrawn": "Case withdrawn",
}
"""What a message is about, for its subject; what people do is told to programs alone."""
LEADS: Final[Mapping[str, str]] = {
    "opened": "What the network shows does not fit an agreement of your district.",
    "changed": "More is known about a case that you were told of before.",
    "returned": "A case that had ended is open again, and nobody has taken it up.",
    "withdrawn": "Later evidence, or a changed agreement file, no longer supports this case. Nothing is left to do.",
}
SURE: Final[Mapping[str, str]] = {"high": "High", "medium": "Medium", "low": "Low: treat it as a hint"}
VERDICTS: Final[Mapping[str, str]] = {
    "undeclared": "the agreement does not mention it",
    "contradicted": "the agreement says otherwise",
    "conflicting": "two of its clauses, or two products, say different things",
    "declared_vaguely": "the agreement names the company, but not where it is on the network",
    "unattributed": "which product caused it is not established",
}
SEVERITIES: Final[Mapping[str, str]] = {
    "critical": "Critical: look at it today",
    "warning": "Warning: look at it this week",
    "info": "For your information",
}
CLOSE_REMARK: Final = (
    "If the vendor shows that all is in order, have the agreement amended and call the case declared; if the vendor "
    "stops it, call it fixed. If it may be an unauthorized release, hand it to your incident process; deadlines are in "
    "the agreement and in state law."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose cases they are, and where to go on reading."""

    district: str
    """Name of the district."""
    zone: ZoneInfo
    """Its time zone."""
    desk: str | None
    """Address of the case desk; None: not given."""
    runbooks: str
    """Address of the runbooks."""

    def case_url(self, case_id: str) -> str | None:
        """Return the address of a case in the desk, None where no desk is known."""
        return f"{self.desk}/cases/{case_id}" if self.desk else None


def plain(value: object) -> str:
    """Return a value as text for one line, with every character made visible that would steer a reader."""
    return on_one_line("not stated" if value is None else str(value))


def title(view: Mapping[str, Any]) -> str:
    """Return what the case is about, for example `Tracking that the agreement prohibits: mathtrek`."""
    who = view["agreement"] or view["subject"]
    return plain(f"{rule_title(view['rule'])}: {who}")


def local(stamp: str | None, *, zone: ZoneInfo) -> str:
    """Return a time in the district's own time, for example `Wed 14 Oct 2026 13:00`."""
    if stamp is None:
        return "not known"
    return f"{datetime.fromisoformat(stamp).astimezone(zone):%a %d %b %Y %H:%M}"


def case_words(standing: Standing, *, place: Place) -> dict[str, Any]:
    """Return everything that a template may say of a case, in plain words; counts in bands, times in quarters."""
    view = standing.view
    return {
        "id": standing.case_id,
        "title": title(view),
        "rule": plain(view["rule"]),
        "clause": plain(view["clause"]),
        "agreement": plain(view["agreement"]) if view["agreement"] else None,
        "subject": plain(view["subject"]),
        "severity": plain(view["severity"]),
        "severity_words": SEVERITIES.get(view["severity"], plain(view["severity"])),
        "status": standing.status if standing.supported else "withdrawn",
        "summary": plain(view["summary"]),
        "agreement_says": plain(view["agreement_says"]),
        "cannot_see": plain(view["cannot_see"]),
        "sure": f"{SURE.get(view['sure'], plain(view['sure']))} ({view['confidence']})",
        "verdict": VERDICTS.get(view["verdict"], plain(view["verdict"])),
        "devices": plain(view["devices"]),
        "schools": ", ".join(map(plain, view["schools"])) or "not known",
        "groups": ", ".join(map(plain, view["groups"])) or "not known",
        "first_seen": local(view["first_seen"], zone=place.zone),
        "last_seen": local(view["last_seen"], zone=place.zone),
        "next_step": told_step(view["rule"], stands=standing.status if standing.supported else "withdrawn"),
        "because": returned_because(standing.because),
        "url": place.case_url(standing.case_id),
    }


def message_words(event: str, standing: Standing, *, place: Place) -> dict[str, Any]:
    """Return everything that the templates of one case's message get."""
    return {
        "event": EVENTS.get(event, EVENTS["opened"]),
        "lead": _lead(event, standing),
        "ended": event == "withdrawn",
        "case": case_words(standing, place=place),
        "close_remark": CLOSE_REMARK,
        **_place_words(place),
    }


def _lead(event: str, standing: Standing) -> str:
    said = LEADS.get(event, LEADS["opened"])
    because = returned_because(standing.because) if event == "returned" else ""
    return f"{said} {because}" if because else said


def digest_words(standings: list[Standing], *, at: datetime, place: Place) -> dict[str, Any]:
    """Return everything that the templates of the weekly mail get; *standings* are the open cases."""
    order = {"critical": 0, "warning": 1, "info": 2}
    ranked = sorted(standings, key=lambda one: (order.get(one.view["severity"], 3), title(one.view), one.case_id))
    return {
        "day": f"{at.astimezone(place.zone):%A, %d %B %Y}",
        "cases": [case_words(standing, place=place) for standing in ranked],
        "untaken": sum(standing.quiet is None for standing in standings),
        "close_remark": CLOSE_REMARK,
        **_place_words(place),
    }


def specimen() -> dict[str, Any]:
    """Return a view as `rules.told` makes it, to try templates on."""
    seen = datetime(2026, 10, 14, 13, 0, tzinfo=UTC).strftime("%Y-%m-%dT%H:%MZ")
    return {
        "v": 1, "agreement": "mathtrek", "rule": "undeclared-third-party", "clause": "6d", "subject": "adco.example",
        "verdict": "contradicted", "severity": "critical", "confidence": 0.97, "sure": "high", "devices": "25 to 49",
        "schools": ["lincoln-es"], "groups": ["k-5"], "first_seen": seen, "last_seen": seen,
        "summary": "A summary.", "agreement_says": "What it says.", "cannot_see": "What cannot be seen.",
    }  # fmt: skip


def _place_words(place: Place) -> dict[str, Any]:
    return {
        "district": plain(place.district),
        "zone": place.zone.key,
        "desk": place.desk,
        "runbook": f"{place.runbooks}/SchoolgateCase",
    }
