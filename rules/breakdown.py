"""Counts that add up to a total: what may be shown of the parts, so that no small one comes out by subtraction. Pure.

A part below k is banded like any count, but its neighbours and the total may give it away: nine days with `fewer than
10` devices each and `fewer than 10` in all are nine single devices, and 96 of 100 leave four. Where the total must
stand as it is (a case and its days), what a reader could work out is worked out here, from the bands alone, and the
parts are left out where that is more than `fewer than k`. Where it need not (the table of coverage), total and shares
are those of the parts from k up: what is small has no influence on anything that is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rules.small_numbers import OFFICER_K, band, limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STEP_PERCENT: Final = 5
"""Shares go in steps of this."""
FEW: Final = "few"
"""In place of the share of a part below k."""
NEARLY_ALL: Final = "nearly all"
"""In place of the share of a part that leaves fewer than k."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part, as it is shown."""

    count: str
    """Band."""
    share: str
    """Of all parts from k up, in steps of five percent, or `FEW`, or `NEARLY_ALL`."""
    percent: int
    """The same as a number, for a bar."""


def may_be_told(parts: Sequence[int], *, total: int, k: int = OFFICER_K) -> bool:
    """Return whether the bands of *parts*, none of them empty, may stand beside that of their sum *total*.

    That a part is not empty may be known: a day is only there because something was seen on it.
    """
    bands = [limits(part, k=k) for part in parts]
    ranges = [(max(1, low), high) for low, high in bands]
    low, high = limits(total, k=k)
    lows, highs = sum(each[0] for each in ranges), sum(each[1] for each in ranges)
    return all(
        part >= k or (low - (highs - most) <= 1 and high - (lows - least) >= k - 1)
        for part, (least, most) in zip(parts, ranges, strict=True)
    )


def whole_of(counts: Iterable[int], *, k: int = OFFICER_K) -> int:
    """Return the sum of the counts from *k* up: what parts are shown as shares of."""
    return sum(count for count in counts if count >= k)


def parts_of(counts: Mapping[str, int], *, k: int = OFFICER_K) -> dict[str, Part]:
    """Return what may be shown of *counts*, which add up to everything, by name."""
    whole = whole_of(counts.values(), k=k)
    return {name: _part(count, percent=stepped(count / whole) if whole else 0, k=k) for name, count in counts.items()}


def share_of(part: int, *, whole: int, k: int = OFFICER_K) -> Part:
    """Return what may be shown of *part* beside the band of *whole*; what is left of it is not shown."""
    if part >= k and whole - part < k:
        # As if it were all: what is left would be the difference of two figures.
        return Part(count=band(whole, k=k), share=NEARLY_ALL, percent=100)
    return _part(part, percent=stepped(part / whole) if whole else 0, k=k)


def share_words(percent: int) -> str:
    """Return a share in steps of five percent as one says it."""
    edges = {0: f"under {STEP_PERCENT} %", 100: f"over {100 - STEP_PERCENT} %"}
    return edges.get(percent, f"{percent} %")


def stepped(share: float) -> int:
    """Return a share between 0 and 1 in percent, in steps of five."""
    return int(100 * share / STEP_PERCENT + 0.5) * STEP_PERCENT


def _part(count: int, *, percent: int, k: int) -> Part:
    if count < k:
        return Part(count=band(count, k=k), share=FEW, percent=1)
    return Part(count=band(count, k=k), share=share_words(percent), percent=percent)
