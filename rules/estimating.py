"""One estimating of edges from counts of contacts, and the closing of days that goes with it: what takes long. Pure.

When days are over, edges are estimated twice, from the same counts: with those of the days as they were told, and with
what is left of them (`rules.closed_contacts`). So what differs between the two differs by closing alone, and whoever
makes cases of it can keep them as they were (`rules.last_digits`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from rules.attributed import edges_since
from rules.closed_contacts import closed
from rules.contact_records import parts_of
from rules.counted import packed_closed, unpacked
from rules.edge_records import records_of
from rules.left_counts import LeftPart
from rules.windows import Counts, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from rules.contact_records import Opening, Place
    from rules.edge_records import Part
    from rules.edges import Edge
    from rules.estimator import Estimator


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What is left of the counts of days that are over."""

    counts: Mapping[Place, bytes]
    """What it is left of."""
    left: Mapping[LeftPart, bytes]
    """What is left."""
    records: Mapping[Part, bytes]
    """Everything that there is to tell of edges from then on."""

    @property
    def openings(self) -> set[Opening]:
        """The contacts that are closed."""
        return {place.opening for place in self.counts}

    @property
    def days(self) -> set[date]:
        """The local days that are closed."""
        return {place.day for place in self.counts}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """What estimating beside the judging came to."""

    records: Mapping[Part, bytes]
    """Everything that there is to tell of edges: of days that are closed with it, before they are."""
    differential: bytes
    """Which audiences of each product meet its third parties, as JSON rows of a report."""
    rows: int
    """Contacts that were weighed."""
    by: Estimator
    """Who estimated."""
    closing: Closing | None = None
    """What is left of days that are over; None: none was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimating:
    """What there is to estimate from."""

    held: Mapping[Place, bytes]
    """Counts that are not closed, packed."""
    left: list[bytes]
    """What is left of those that are."""
    by: Estimator
    """Who estimates."""
    until: Callable[[str], datetime]
    """Id of a matter (`rules.case_keys`) -> moment up to which what was seen of it does not count."""
    closing: Mapping[date, int] = field(default_factory=dict)
    """Days that are to be closed, and the number of that closing of each."""

    def run(self) -> Estimated:
        """Estimate."""
        whole, kept = Counts(), list[Row]()
        for place in sorted(self.held):
            part = unpacked(self.held[place])
            whole.add(part)
            if place.day not in self.closing:
                kept += part.rows
        for octets in self.left:
            part = unpacked(octets)
            whole.add(part)
            kept += part.rows
        edges, closing = self._edges(whole), None
        records, rows = records_of(edges), len(whole.rows)
        if self.closing:
            left = self._close(whole, kept=kept)
            edges, rows = self._edges(whole), 2 * rows
            counts = {place: octets for place, octets in self.held.items() if place.day in self.closing}
            closing = Closing(counts=counts, left=left, records=records_of(edges))
        return Estimated(
            records=records,
            differential=msgspec.json.encode(self.by.differential(edges, counts=whole)),
            rows=rows,
            by=self.by,
            closing=closing,
        )

    def _edges(self, counts: Counts) -> tuple[Edge, ...]:
        return edges_since(self.by.edges(counts), until=self.until)

    def _close(self, whole: Counts, *, kept: list[Row]) -> dict[LeftPart, bytes]:
        """Put what is left of the days that are over in their place, and return that alone.

        Args:
            whole: all counts; sums stay as they are, and rows change.
            kept: the rows that stay.
        """
        credited = self.by.credited(whole)
        left: dict[LeftPart, bytes] = {}
        whole.rows = [*kept]
        for day, number in sorted(self.closing.items()):
            counts = Counts()
            for place in sorted(place for place in self.held if place.day == day):
                counts.add(unpacked(self.held[place]))
            beside = [row for row in kept if row.day == day]
            counts.rows = closed(counts.rows, credited=credited, beside=beside)
            whole.rows += counts.rows
            for part, octets in enumerate(parts_of(counts, pack=packed_closed)):
                left[LeftPart(day, number, part)] = octets
        return left
