"""The topics: names, partitions, how long each keeps what, and who may do what with them. Facts, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

Role = Literal["collector", "judge", "publisher", "dashboard"]
"""Who speaks to the broker; `publisher` puts agreements there, `dashboard` only reads."""

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
# The larger half of these must have a record before it counts.
REPLICAS: Final = 3
IN_SYNC: Final = 2
# The broker's own limit is 1 MiB; said aloud, so that a cluster with another default refuses the same records.
MAX_RECORD_OCTETS: Final = 1_048_588
# When a value was written says when somebody was at work, whether it can be read or not; so one that was replaced goes
# when it is two hours old, long before its day is over. Segments grow no older than that either.
REPLACED_MS: Final = 2 * HOUR_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic as it should be."""

    name: str
    """Full name."""
    partitions: int
    """How many at least; more than these are left alone."""
    cleanup: Literal["delete", "compact", "compact,delete"]
    """Kafka's `cleanup.policy`."""
    retention_ms: int | None
    """How long records are kept; None: compacted, the last of each key for ever."""
    writes: tuple[Role, ...]
    """Who may write."""
    reads: tuple[Role, ...]
    """Who may read."""
    deletes: tuple[Role, ...] = ()
    """Who may delete records: whoever has judged them, once their day is over (docs/decisions/0040)."""
    keys: Literal["lasting", "daily", "none"] = "none"
    """How long a key means something where it lies; once records are there, another number of partitions moves keys.
    none: nothing rests on it."""
    replaced_ms: int = REPLACED_MS
    """How long a value that was replaced may lie in a compacted topic."""
    state_of: str | None = None
    """Its partitions are those of this topic, one for one; None: of no other."""

    @property
    def settings(self) -> dict[str, str]:
        """Kafka's names and values."""
        told = {
            "cleanup.policy": self.cleanup,
            # The broker's clock, so that nobody's wrong clock keeps or deletes a record, or judges its age.
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(MAX_RECORD_OCTETS),
            "retention.ms": str(self.retention_ms if self.retention_ms is not None else -1),
        }
        if self.retention_ms is not None:
            # A segment is deleted as a whole, once its last record is old enough: a twelfth more than promised at most.
            # Where records go at the end of their day, the segment in hand then must hold nothing of it.
            told["segment.ms"] = str(HOUR_MS if self.deletes else max(HOUR_MS, self.retention_ms // 12))
        if "compact" in self.cleanup:
            told["max.compaction.lag.ms"] = str(self.replaced_ms)
        return told


FLOWS: Final = "schoolgate.flows"
ENGINE_STATE: Final = "schoolgate.engine-state"
FINDINGS: Final = "schoolgate.findings"
CASE_STATE: Final = "schoolgate.case-state"
CASES: Final = "schoolgate.cases"
AGREEMENTS: Final = "schoolgate.agreements"
DEAD_LETTERS: Final = "schoolgate.dead-letters"

TOPICS: Final = (
    Topic(
        name=FLOWS, partitions=12, cleanup="delete", retention_ms=72 * HOUR_MS,
        writes=("collector",), reads=("judge",), deletes=("judge",), keys="daily",
    ),
    Topic(
        name=ENGINE_STATE, partitions=12, cleanup="compact,delete", retention_ms=72 * HOUR_MS,
        writes=("judge",), reads=("judge",), state_of=FLOWS,
    ),
    Topic(
        # One of each device and day: no longer than the flows; what is left of a day that is over, case state keeps.
        name=FINDINGS, partitions=6, cleanup="delete", retention_ms=72 * HOUR_MS,
        writes=("judge",), reads=("judge",), deletes=("judge",), keys="lasting",
    ),
    Topic(
        name=CASE_STATE, partitions=6, cleanup="compact", retention_ms=None,
        writes=("judge",), reads=("judge",), state_of=FINDINGS,
    ),
    Topic(
        name=CASES, partitions=6, cleanup="compact", retention_ms=None,
        writes=("judge",), reads=("judge", "dashboard"), keys="lasting",
    ),
    Topic(
        name=AGREEMENTS, partitions=1, cleanup="compact", retention_ms=None,
        writes=("publisher",), reads=("judge", "publisher", "dashboard"), keys="lasting", replaced_ms=DAY_MS,
    ),
    Topic(
        name=DEAD_LETTERS, partitions=3, cleanup="delete", retention_ms=72 * HOUR_MS,
        writes=("judge",), reads=(),
    ),
)  # fmt: skip


def kept_for(*, flow_hours: int, finding_days: int) -> tuple[Topic, ...]:
    """Return the topics as they should be in a district that keeps flows and findings for so long.

    State of stage one is not among what can be shortened: it lives exactly as long as the keys of its days. Findings
    pass through their topic and lie in case state. A dead letter is an event as it came, device and all, so that it
    goes with the events.
    """
    flows_ms = flow_hours * HOUR_MS
    findings_ms = min(finding_days * DAY_MS, PLACES[FINDINGS].retention_ms or 0)
    shorter = {FLOWS: flows_ms, DEAD_LETTERS: flows_ms, FINDINGS: findings_ms}
    return tuple(replace(topic, retention_ms=shorter.get(topic.name, topic.retention_ms)) for topic in TOPICS)


PLACES: Final = {topic.name: topic for topic in TOPICS}
"""The topics by name."""
GROUP_PREFIXES: Final[dict[Role, str]] = {"judge": "schoolgate-judge", "dashboard": "schoolgate-dashboard"}
"""Consumer groups of a role begin like this."""
TRANSACTION_PREFIXES: Final[dict[Role, str]] = {"judge": "schoolgate-judge", "publisher": "schoolgate-publish"}
"""Transactional ids of a role begin like this."""
JUDGE_GROUPS: Final = {"schoolgate-judge-devices": FLOWS, "schoolgate-judge-agreements": FINDINGS}
"""The judge's consumer groups, and what each reads."""
USERS: Final[dict[Role, tuple[str, ...]]] = {
    "collector": ("schoolgate-collector",),
    "judge": ("schoolgate-judge",),
    "publisher": ("schoolgate-publisher",),
    "dashboard": ("schoolgate-dashboard",),
}
"""The broker's users for each role, where nobody names others."""
