"""Edges on their way from the estimator to the cases: one list for each agreement, in as many records as it takes.

Confirmed edges go under their agreement. Suspected ones name no vendor to anybody and go together under the empty key,
where the cases without an agreement are made.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from rules.edges import Edge
from rules.findings import NO_AGREEMENT
from rules.records import PIECE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rules.records import Record

EDGE_KEYS: Final = b"edges/"

MAX_OCTETS: Final = 500_000
"""Octets of one record: half of what a broker takes."""

MAX_EXPOSURES: Final = 1_000
"""Exposures of one edge in one record, some 250 octets each: an edge grows with the days and groups it is seen in."""

NO_EDGES: Final = b"[]"

_edges = msgspec.json.Decoder(tuple[Edge, ...])


class Part(NamedTuple):
    """One record of a list of edges."""

    key: str
    """Agreement id; `NO_AGREEMENT`: the suspected edges of all."""
    number: int
    """Number of the record, from 0."""

    @property
    def state_key(self) -> bytes:
        """What follows the prefix in a state key."""
        return b"%d/%s" % (self.number, self.key.encode())


def part_in(state_key: bytes) -> Part:
    """Return the part that `Part.state_key` names."""
    number, _, key = state_key.partition(b"/")
    return Part(key.decode(), int(number))


def records_of(edges: Iterable[Edge]) -> dict[Part, bytes]:
    """Return the records that tell *edges*."""
    lists: defaultdict[str, list[Edge]] = defaultdict(list)
    for edge in edges:
        lists[edge.agreement if edge.standing == "confirmed" else NO_AGREEMENT].append(edge)
    return {
        Part(key, number): b"[%s]" % b",".join(held)
        for key, found in lists.items()
        for number, held in enumerate(_filled(found))
    }


class KeptEdges:
    """The edges that one partition was told.

    Args:
        state: the state topic's newest value of each key of the partition.
    """

    def __init__(self, state: Mapping[bytes, bytes]) -> None:
        self._parts = {
            part_in(key.removeprefix(EDGE_KEYS)): _edges.decode(body)
            for key, body in state.items()
            if key.startswith(EDGE_KEYS)
        }

    def note(self, record: Record) -> dict[bytes, bytes | None]:
        """Take in a record, which replaces an earlier one of its part; return the state key that changes.

        Raises:
            ValueError: it holds no edges, or those of another key.
        """
        part = Part((record.key or b"").decode(), int(record.headers.get(PIECE, b"")))
        edges = _edges.decode(record.value or b"")
        if part.number < 0 or not all(_belongs(edge, key=part.key) for edge in edges):
            raise ValueError("these are no edges of this key")
        if not edges:
            self._parts.pop(part, None)
            return {EDGE_KEYS + part.state_key: None}
        self._parts[part] = edges
        return {EDGE_KEYS + part.state_key: record.value}

    def all(self) -> list[Edge]:
        """Return every edge, put together of its parts."""
        whole: dict[tuple[str, str, str], Edge] = {}
        for part in sorted(self._parts):
            for edge in self._parts[part]:
                name = (part.key, edge.agreement, edge.party)
                before = whole.get(name)
                exposures = (*before.exposures, *edge.exposures) if before else edge.exposures
                whole[name] = replace(edge, exposures=exposures)
        return [whole[name] for name in sorted(whole)]


def _filled(edges: Iterable[Edge]) -> Iterator[list[bytes]]:
    """Yield the edges of each record, as JSON."""
    held: list[bytes] = []
    for edge in edges:
        for start in range(0, max(len(edge.exposures), 1), MAX_EXPOSURES):
            slice_ = replace(edge, exposures=edge.exposures[start : start + MAX_EXPOSURES])
            octets = msgspec.json.encode(slice_)
            if held and sum(map(len, held)) + len(octets) > MAX_OCTETS:
                yield held
                held = []
            held.append(octets)
    if held:
        yield held


def _belongs(edge: Edge, *, key: str) -> bool:
    owner = edge.agreement if edge.standing == "confirmed" else NO_AGREEMENT
    times = (moment for each in edge.exposures for moment in (each.first_seen, each.last_seen))
    return owner == key and bool(edge.exposures) and all(moment.utcoffset() is not None for moment in times)
