"""What a case rests on: days, windows of a quarter of an hour, and all that is needed to reach it again. Pure.

No device, no address. Kept beside the case for the operator, with exact counts; whoever shows it takes `shown`, where
they are banded (`rules.small_numbers`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from rules.breakdown import FEW, may_be_told, share_of, share_words, stepped
from rules.checks.base import device_days
from rules.small_numbers import IT_K, OFFICER_K, STEP_S, band, quarter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rules.agreements.model import Agreement
    from rules.findings import Finding
    from rules.parties import Party

MOST_DAYS: Final = 120
"""Days kept, the latest ones: most of a school year, in about 10 kB."""
MOST_WINDOWS: Final = 5
"""Sample windows kept: those with the most devices."""
COUNTED: Final = ("device_days", "class_hours", "visits", "quiet_windows", "windows")
"""What an attribution counts (`rules.checks.base.Conclusion.evidence`); `windows` may be a list of samples instead."""
SHARES: Final = ("near_share", "elsewhere_share", "bag")
"""Of all contacts of the party: the share that is credited to the product, which speaks for it, and the share while the
product was not open, which speaks against it; of the product's visits out of quiet: the share with the party."""
LIKELY: Final = ("posterior", "share", "rate")
"""How likely a candidate is: its posterior, the share of contacts at which it stood open, and of its visits that bring
the party."""


def evidence_of(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return days and windows of *findings*, ready for JSON: the same findings in any order give the same."""
    days: defaultdict[str, list[Finding]] = defaultdict(list)
    windows: defaultdict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        days[finding.day.isoformat()].append(finding)
        windows[quarter(finding.first_seen.isoformat()), quarter(finding.last_seen.isoformat())].append(finding)
    devices = {window: device_days(found) for window, found in windows.items()}
    ranked = sorted(windows, key=lambda window: (-devices[window], window))[:MOST_WINDOWS]
    return {
        "v": 1,
        "days": [_day(day, days[day]) for day in sorted(days)[-MOST_DAYS:]],
        "days_left_out": max(0, len(days) - MOST_DAYS),
        "windows": [
            {"from": start, "to": end, "step_minutes": STEP_S // 60, "devices": devices[start, end]}
            for start, end in sorted(ranked)
        ],
    }


def party_in(party: Party | None) -> dict[str, Any] | None:
    """Return who owns the subject of a case and which list decided so, ready for JSON; None: it is in no list.

    `kind` is None where the lists know no more than the owner.
    """
    if party is None:
        return None
    # Of a file the name alone: its folder is another on another host.
    day = None if party.list_date is None else party.list_date.isoformat()
    named = PurePath(party.list_name).name
    kind = party.kind if party.business_known else None
    return {"name": party.name, "owner": party.owner, "kind": kind, "list": named, "date": day}


def sections_in(agreement: Agreement | None, *, fields: Iterable[str]) -> list[dict[str, Any]]:
    """Return the sections of *agreement* that a case rests on, each with the place that the district noted for it.

    Args:
        agreement: None: there is none.
        fields: dotted fields of the agreement file that the rule compares.
    """
    if agreement is None:
        return []
    sources = (agreement.provenance.sources if agreement.provenance else None) or {}
    sections: dict[str, str | None] = {}
    for field in fields:
        section = field.partition(".")[0]
        sections[section] = sections.get(section) or sources.get(field) or sources.get(section)
    return [{"section": section, "source": place} for section, place in sections.items()]


def shown(evidence: Mapping[str, Any], *, devices: int, k: int = OFFICER_K) -> dict[str, Any]:
    """Return evidence as people other than the operator see it: counts in bands, shares of few things left out.

    Days are left out where their bands beside that of the case would tell a small number, and so are windows of fewer
    than *k* devices: each would show when one or two of them were at work.

    Args:
        evidence: what a case rests on.
        devices: device-days of the case, of which the band is shown beside it.
        k: counts below this are not shown.
    """
    attribution = evidence.get("attribution") or {}
    return {
        "days": [
            {"day": day["day"], "devices": band(day["devices"], k=k)} for day in told_days(evidence, devices=devices)
        ],
        "days_left_out": evidence["days_left_out"],
        "windows": [{"from": each["from"], "to": each["to"]} for each in evidence["windows"] if each["devices"] >= k],
        "basis": evidence.get("basis"),
        "party": evidence.get("party"),
        "agreement_sections": list(evidence.get("agreement_sections") or ()),
        "attribution": _attribution(attribution, k=k) if attribution else None,
    }


def told_days(evidence: Mapping[str, Any], *, devices: int) -> list[Mapping[str, Any]]:
    """Return the days of *evidence* whose bands may stand beside that of the case: all, or none.

    Officer and IT see days of the same cases: where only one of them saw any, that the other sees none would tell more
    than the bands of the first.

    Args:
        evidence: what a case rests on.
        devices: device-days of the case.
    """
    days: list[Mapping[str, Any]] = list(evidence["days"])
    counts = [int(day["devices"]) for day in days]
    # Days that a case keeps although their findings are gone (`rules.floors`) are more than it counts, and days that
    # were left out are some that it counts: beside a sum that is another, many small days are told for one device each.
    if evidence["days_left_out"] or sum(counts) != devices:
        return []
    return days if all(may_be_told(counts, total=devices, k=k) for k in (OFFICER_K, IT_K)) else []


def _attribution(found: Mapping[str, Any], *, k: int) -> dict[str, Any]:
    counted = {name: int(found[name]) for name in COUNTED if isinstance(found.get(name), int)}
    # A share of fewer than k things tells how many they are.
    enough = counted.get("device_days", 0) >= k
    samples = found.get("samples") or found.get("windows")
    shares = {name: _share(found, name, quiet=counted.get("quiet_windows"), k=k) for name in SHARES if enough}
    return {
        "method": str(found.get("method") or ""),
        **{name: band(count, k=k) for name, count in counted.items()},
        **{name: words for name, words in shares.items() if words},
        "candidates": [_candidate(each, enough=enough) for each in found.get("candidates") or ()],
        "sample_windows": [
            {"from": quarter(str(each["from"])), "devices": band(int(each["devices"]), k=k)}
            for each in (samples if isinstance(samples, list) else ())
            if int(each["devices"]) >= k
        ],
        "lab": found.get("lab"),
    }


def _share(found: Mapping[str, Any], name: str, *, quiet: int | None, k: int) -> str:
    """Return a share in steps of five percent; empty: it is not known, or would tell a small number."""
    share = found.get(name)
    if not _is_share(share):
        return ""
    if name == "bag" and quiet is not None:
        # Shown beside the band of what it is a share of.
        told = share_of(round(float(share) * quiet), whole=quiet, k=k).share  # type: ignore[arg-type] # a number by now
        return "" if told == FEW else told
    return share_words(stepped(float(share)))  # type: ignore[arg-type] # a number by now


def _candidate(found: Mapping[str, Any], *, enough: bool) -> dict[str, str]:
    name = found.get("agreement_or_site") or found.get("site") or ""
    told = {"posterior": percent(found["posterior"])} if "posterior" in found else {}
    if enough:
        told |= {key: share_words(stepped(found[key])) for key in ("share", "rate") if _is_share(found.get(key))}
    return {"name": str(name), **told}


def percent(share: object) -> str:
    """Return a share between 0 and 1 in whole percent, for example `97 %`; no share: `not known`."""
    if not _is_share(share):
        return "not known"
    whole = f"{100 * float(share):.0f}"  # type: ignore[arg-type] # a number by now
    return "under 1 %" if whole == "0" and share else f"{whole} %"


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= 1


def _day(day: str, findings: list[Finding]) -> dict[str, Any]:
    sums: Counter[str] = Counter()
    for finding in findings:
        sums.update(flows=finding.flows, bytes_up=finding.bytes_up, bytes_down=finding.bytes_down)
    return {
        "day": day,
        "devices": device_days(findings),
        "flows": sums["flows"],
        "bytes_up": sums["bytes_up"],
        "bytes_down": sums["bytes_down"],
    }
