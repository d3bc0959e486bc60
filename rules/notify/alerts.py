"""What an Alertmanager is told: every open case as an alert, every case taken up as a silence. Pure.

Nothing that changes is a label, for an alert is its labels. A case whose severity changes ends as one alert and begins
as another. Source: Alertmanager API v2 (OpenAPI document of release 0.25), `postableAlerts` and `postableSilence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from rules.notify.docket import WORST_FIRST
from rules.notify.wording import case_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rules.findings import Severity
    from rules.notify.docket import Spell, Standing
    from rules.notify.wording import Place

ALERT: Final = "SchoolgateCase"
AHEAD: Final = timedelta(days=30)
"""An open case that nobody speaks of any more stays an alert for this long."""
RESOLVED_FOR: Final = timedelta(hours=1)
"""How long an Alertmanager is told again that a case has ended; its clock may be behind ours."""
RENEW_BELOW: Final = timedelta(days=15)
SILENCER: Final = "schoolgate"
"""Who made a silence: those of people are left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silences:
    """What is to be done about the silences of one Alertmanager."""

    wanted: tuple[dict[str, Any], ...]
    """To be posted before the alerts: new ones, and those that would run out."""
    ended: tuple[str, ...]
    """Ids to be ended after the alerts."""


def alerts(
    standings: Iterable[Standing], *, now: datetime, place: Place, ended_is_news: Callable[[Spell], bool]
) -> list[dict[str, Any]]:
    """Return the alerts to post.

    Args:
        standings: every case.
        now: the time.
        place: for words and links.
        ended_is_news: whether an alert that has ended must be told as ended.
    """
    told = []
    for standing in standings:
        spells = [spell for spell in standing.spells if spell.until is None or ended_is_news(spell)]
        if spells:
            texts = _annotations(standing, place=place)
            told += [_alert(standing, spell, texts=texts, now=now) for spell in spells]
    return told


def recent(spell: Spell, *, now: datetime, within: timedelta) -> bool:
    """Return whether an alert ended within that time before *now*."""
    return spell.until is not None and now - datetime.fromisoformat(spell.until) < within


def silences(
    standings: Iterable[Standing], *, existing: Iterable[Mapping[str, Any]], now: datetime, keep: Callable[[str], bool]
) -> Silences:
    """Return what is to be done so that cases taken up are quiet and all others are not.

    Args:
        standings: every case.
        existing: the silences that the Alertmanager has.
        now: the time.
        keep: whether a silence of this case, though not wanted any more, is left for now.
    """
    ours = [each for each in existing if each["createdBy"] == SILENCER and each["status"]["state"] != "expired"]
    by_matchers: dict[frozenset[tuple[str, str, bool]], list[Mapping[str, Any]]] = {}
    for each in sorted(ours, key=lambda each: str(each["endsAt"]), reverse=True):
        by_matchers.setdefault(_key(each["matchers"]), []).append(each)
    wanted, kept = [], set()
    for standing in standings:
        if not standing.open or standing.quiet is None:
            continue
        matchers = _matchers(standing.case_id, quiet=standing.quiet)
        found = by_matchers.get(_key(matchers), [])
        if found:
            kept.add(found[0]["id"])
            if datetime.fromisoformat(found[0]["endsAt"]) - now >= RENEW_BELOW:
                continue
        wanted.append(_silence(standing, matchers=matchers, now=now, before=found[0] if found else None))
    left = [each["id"] for each in ours if keep(_case_of(each["matchers"]))]
    return Silences(
        wanted=tuple(wanted), ended=tuple(each["id"] for each in ours if each["id"] not in kept.union(left))
    )


def _alert(standing: Standing, spell: Spell, *, texts: dict[str, str], now: datetime) -> dict[str, Any]:
    view = standing.view
    labels = {"alertname": ALERT, "audience": "privacy", "case": standing.case_id, "rule": view["rule"]}
    # An empty label is no label to an Alertmanager; the fallback rule of cases without an agreement has none either.
    labels |= {"agreement": view["agreement"]} if view["agreement"] else {}
    return {
        "labels": {**labels, "severity": spell.severity},
        "annotations": texts,
        "startsAt": _stamp(datetime.fromisoformat(spell.since)),
        "endsAt": _stamp(now + AHEAD if spell.until is None else datetime.fromisoformat(spell.until)),
    }


def _annotations(standing: Standing, *, place: Place) -> dict[str, str]:
    words = case_words(standing, place=place)
    seen = f"{words['devices']} devices (counted per day); schools: {words['schools']}; groups: {words['groups']}"
    description = "\n".join(
        (
            f"Promised: {words['agreement_says']}",
            f"Seen: {seen}.",
            f"How sure: {words['sure']}; {words['verdict']}.",
            f"Not seen: {words['cannot_see']}",
            f"Next step: {words['next_step']}",
        )
    )
    told = {
        "summary": words["summary"],
        "description": description,
        "agreement_says": words["agreement_says"],
        "cannot_see": words["cannot_see"],
        "sure": words["sure"],
        "devices": words["devices"],
        "runbook_url": f"{place.runbooks}/{ALERT}",
    }
    return told | ({"desk_url": words["url"]} if words["url"] else {})


def _matchers(case_id: str, *, quiet: Severity) -> list[dict[str, Any]]:
    """Return what is silenced: the case, as long as it gets no worse than it was when somebody took it up."""
    matchers = [_matcher("alertname", ALERT), _matcher("case", case_id)]
    covered: Sequence[str] = WORST_FIRST[WORST_FIRST.index(quiet) :]
    if len(covered) < len(WORST_FIRST):
        matchers.append({**_matcher("severity", "|".join(covered)), "isRegex": True})
    return matchers


def _matcher(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value, "isRegex": False, "isEqual": True}


def _key(matchers: Iterable[Mapping[str, Any]]) -> frozenset[tuple[str, str, bool]]:
    return frozenset((each["name"], each["value"], bool(each["isRegex"])) for each in matchers)


def _case_of(matchers: Iterable[Mapping[str, Any]]) -> str:
    return next((str(each["value"]) for each in matchers if each["name"] == "case"), "")


def _silence(
    standing: Standing, *, matchers: list[dict[str, Any]], now: datetime, before: Mapping[str, Any] | None
) -> dict[str, Any]:
    # With its id and its old beginning a silence is made longer; with another beginning it would become a second one.
    same = {} if before is None else {"id": before["id"]}
    return {
        **same,
        "matchers": matchers,
        "startsAt": _stamp(now) if before is None else before["startsAt"],
        "endsAt": _stamp(now + AHEAD),
        "createdBy": SILENCER,
        "comment": f"Case {standing.case_id} is {standing.status} in the case desk.",
    }


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
