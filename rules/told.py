"""What a person is told of a case, and when a change of the case is worth telling again. Pure.

The case log keeps exactly this, with counts in bands and times in steps: an entry can be handed out as it stands, with
the proof that it is the one that was written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rules.small_numbers import band, quarter

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLD_VERSION: Final = 1
TELLING: Final = ("verdict", "severity", "sure", "devices", "schools", "groups", "agreement_says")
"""A difference in one of these is told again; further evidence of the same kind is not."""

# Where the rules spell out how far evidence reaches (`rules.checks.wording.extent`).
_EXTENT = re.compile(r"\bon ([\d,]+) (devices?) \(counted per day\)")
# CONTRACTS.md section 5: below 0.8 a case is `info`, from 0.95 on it may be critical.
_SURE_FROM: Final = ((0.95, "high"), (0.8, "medium"))


def told(case: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person is told of *case* (contract, section 5), ready for JSON."""
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
        "devices": band(case.get("devices", 0)),
        "schools": list(case.get("schools", ())),
        "groups": list(case.get("groups", ())),
        "first_seen": quarter(case["first_seen"]) if "first_seen" in case else None,
        "last_seen": quarter(case["last_seen"]) if "last_seen" in case else None,
        "summary": banded(case.get("summary", "")),
        "agreement_says": case.get("agreement_says"),
        "cannot_see": case.get("cannot_see"),
    }


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what is told anew in *after*: names of `TELLING`, none where nothing is."""
    return [name for name in TELLING if before.get(name) != after.get(name)]


def sure(confidence: float) -> str:
    """Return how sure we are in one word."""
    return next((word for least, word in _SURE_FROM if confidence >= least), "low")


def banded(sentence: str) -> str:
    """Return a sentence of a rule with the number of devices in it as a band."""
    return _EXTENT.sub(lambda found: f"on {band(int(found[1].replace(',', '')))} devices (counted per day)", sentence)
