"""Edges on their way from the estimator to the cases: one list for each agreement, in as many records as it takes.

Confirmed edges go under their agreement. Suspected ones name no vendor to anybody and go together under the empty key,
where the cases without an agreement are made.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from rules.attributed import matter_of
from rules.edges import Edge
from rules.findings import NO_AGREEMENT
from rules.records import PIECE
from rules.sealed_records import holds_plain, open_edges, seal_edge

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from rules.key_ring import KeyRing
    from rules.records import Record

EDGE_KEYS: Final = b"edges/"

MAX_OCTETS: Final = 500_000
"""Octets of one record before it is sealed, which adds two fifths: less than a broker takes."""

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


def sealed_part(octets: bytes, *, keys: KeyRing) -> bytes:
    """Return a record of edges as it is told: each edge sealed."""
    edges = _edges.decode(octets)
    keys.need(map(matter_of, edges))
    return b"[%s]" % b",".join(seal_edge(msgspec.json.encode(edge), about=matter_of(edge), keys=keys) for edge in edges)


class KeptEdges:
    """The edges that one partition was told.

    Args:
        state: the state topic's newest value of each key of the partition.
        keys: what they are sealed with.
    """

    def __init__(self, state: Mapping[bytes, bytes], *, keys: KeyRing) -> None:
        self._keys = keys
        self._parts = {
            part_in(key.removeprefix(EDGE_KEYS)): open_edges(body, keys=keys)
            for key, body in state.items()
            if key.startswith(EDGE_KEYS)
        }

    def check(self, record: Record) -> Part:
        """Return which part a record is.

        Raises:
            ValueError: it holds no edges, or those of another key.
        """
        part = Part((record.key or b"").decode(), int(record.headers.get(PIECE, b"")))
        edges = open_edges(record.value or b"", keys=self._keys)
        if part.number < 0 or not all(_belongs(edge, key=part.key) for edge in edges):
            raise ValueError("these are no edges of this key")
        return part

    def put(self, parts: Mapping[Part, bytes]) -> dict[bytes, bytes | None]:
        """Hold parts that were checked, in place of earlier ones; return the state keys that change."""
        changed: dict[bytes, bytes | None] = {}
        for part, body in parts.items():
            if body == NO_EDGES:
                self._parts.pop(part, None)
            else:
                self._parts[part] = open_edges(body, keys=self._keys)
            changed[EDGE_KEYS + part.state_key] = None if body == NO_EDGES else body
        return changed

    def sealed(self, key: bytes, body: bytes) -> dict[bytes, bytes | None]:
        """Return what a state key is to hold where it holds edges that are not sealed: those of releases before."""
        if not holds_plain(body):
            return {}
        octets = msgspec.json.encode(self._parts[part_in(key.removeprefix(EDGE_KEYS))])
        return {key: sealed_part(octets, keys=self._keys)}

    def forget(self, matters: Collection[str]) -> dict[bytes, bytes | None]:
        """Let go of what these matters (ids) are about; return the state keys that change."""
        changed: dict[bytes, bytes | None] = {}
        for part, edges in self._parts.items():
            left = tuple(edge for edge in edges if matter_of(edge) not in matters)
            if len(left) < len(edges):
                self._parts[part] = left
                octets = msgspec.json.encode(left)
                changed[EDGE_KEYS + part.state_key] = sealed_part(octets, keys=self._keys)
        return changed

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
