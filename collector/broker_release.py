"""Which Apache Kafka a broker is, and whether it can serve us, by the requests that it understands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Number -> name, the least highest version that serves us, the highest that our client speaks.
# Produce 7 and Fetch 10: zstd (KIP-110). JoinGroup 5: static membership (KIP-345). ListOffsets 7: Apache Kafka 3.0,
# from which on the right to write to a topic is enough for an idempotent producer (KIP-679).
_NEEDED: Final = {
    0: ("Produce", 7, 8), 1: ("Fetch", 10, 11), 2: ("ListOffsets", 7, 7), 3: ("Metadata", 8, 8),
    9: ("OffsetFetch", 3, 3), 11: ("JoinGroup", 5, 5), 15: ("DescribeGroups", 3, 3), 18: ("ApiVersions", 3, 3),
    22: ("InitProducerId", 0, 0), 24: ("AddPartitionsToTxn", 0, 0), 25: ("AddOffsetsToTxn", 0, 0),
    26: ("EndTxn", 0, 0), 28: ("TxnOffsetCommit", 0, 0), 44: ("IncrementalAlterConfigs", 0, 0),
}  # fmt: skip
# What a cluster's `metadata.version` was called when it came (KIP-778); each release begins with one of these.
_RELEASES: Final = (
    (1, "3.0"), (2, "3.1"), (3, "3.2"), (4, "3.3"), (8, "3.4"), (9, "3.5"), (12, "3.6"), (15, "3.7"), (20, "3.8"),
    (21, "3.9"), (22, "4.0"), (26, "4.1"), (28, None),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What a broker is."""

    name: str | None
    """The release by whose rules the cluster works, like `4.1`; None: not told, or newer than this program knows."""
    faults: tuple[str, ...]
    """Why it cannot serve us."""
    remedy: str
    """What to do about that."""


def release_of(versions: Mapping[int, tuple[int, int]], *, features: Mapping[str, int]) -> Release:
    """Return what a broker is that understands these versions of requests, and whose cluster has these features."""
    old = [name for key, (name, needed, _) in _NEEDED.items() if versions.get(key, (0, -1))[1] < needed]
    new = [name for key, (name, _, spoken) in _NEEDED.items() if versions.get(key, (0, 0))[0] > spoken]
    faults = []
    if old:
        faults.append(f"the broker is too old for us: Apache Kafka 3.0 is the least ({', '.join(old)})")
    if new:
        faults.append(f"the broker is too new for this program's client library ({', '.join(new)})")
    level = features.get("metadata.version", 0)
    begun = [name for first, name in _RELEASES if first <= level]
    return Release(
        name=begun[-1] if begun else None,
        faults=tuple(faults),
        remedy="update the broker" if old else "update Schoolgate",
    )
