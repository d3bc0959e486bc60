"""What a person is told of a case, and when a change of the case is worth telling again. Pure.

The case log keeps exactly this, with counts in bands and times in steps: an entry can be handed out as it stands, with
the proof that it is the one that was written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rules.small_numbers import OFFICER_K, band, quarter

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLD_VERSION: Final = 1
TELLING: Final = ("verdict", "severity", "sure", "devices", "schools", "groups", "agreement_says")
"""A difference in one of these is told again; further evidence of the same kind is not."""

# Where the rules spell out how far evidence reaches (`rules.checks.wording.extent`).
_EXTENT = re.compile(r"\bon (fewer than )?([\d,]+) devices? \(counted per day\)")
# And what the busiest device sent (`rules.checks.upload`): the figure of one device.
_UPLOAD = re.compile(r"\bup to ([\d.]+) MB a day from one device")
# CONTRACTS.md section 5: below 0.8 a case is `info`, from 0.95 on it may be critical.
_SURE_FROM: Final = ((0.95, "high"), (0.8, "medium"))


def told(case: Mapping[str, Any], *, k: int = OFFICER_K) -> dict[str, Any]:
    """Return what a person is told of *case* (contract, section 5), ready for JSON; counts below *k* are not."""
    return {
        "v": TOLD_VERSION,
        "agreement": case.get("agreement"),
        "rule": case.get("rule"),
        "clause": case.get("clause"),
        "subject": case.get("subject"),
        "verdict": case.get("verdict"),
        "severity": case.get("severity"),
        "confidence": case.get("confidence"),
        "sure": sure(case.get("confidence", 1.0)),
        "devices": band(case.get("devices", 0), k=k),
        "schools": list(case.get("schools", ())),
        "groups": list(case.get("groups", ())),
        "first_seen": quarter(case["first_seen"]) if "first_seen" in case else None,
        "last_seen": quarter(case["last_seen"]) if "last_seen" in case else None,
        "summary": banded(case.get("summary", ""), k=k),
        "agreement_says": case.get("agreement_says"),
        "cannot_see": case.get("cannot_see"),
    }


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what is told anew in *after*: names of `TELLING`, none where nothing is."""
    return [name for name in TELLING if before.get(name) != after.get(name)]


def sure(confidence: float) -> str:
    """Return how sure we are in one word."""
    return next((word for least, word in _SURE_FROM if confidence >= least), "low")


def banded(sentence: str, *, k: int = OFFICER_K) -> str:
    """Return a sentence of a rule with the number of devices in it as a band, and figures of one device in steps."""

    def extent(found: re.Match[str]) -> str:
        count = 0 if found[1] else int(found[2].replace(",", ""))
        return f"on {band(count, k=k)} devices (counted per day)"

    def upload(found: re.Match[str]) -> str:
        return f"up to {_round_up(float(found[1])):g} MB a day from one device"

    return _UPLOAD.sub(upload, _EXTENT.sub(extent, sentence))


def _round_up(figure: float) -> float:
    """Return the next number of the row 1, 2, 5, 10, 20, ... that is not smaller."""
    step = 0.1
    while True:
        for factor in (1, 2, 5):
            if figure <= step * factor:
                return step * factor
        step *= 10
