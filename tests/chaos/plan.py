"""What one round of chaos does: drawn from a seed, so that the same round can be run again. Facts, and no I/O."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal[
    "kill collect", "kill judge", "kill judges", "stall collect", "stall judge", "kill broker", "broker away",
    "stall broker", "disk full", "cut collect", "cut judge", "cut all", "clock jump", "flood",
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

NEEDS_ROOT: Final[frozenset[Kind]] = frozenset({"disk full", "cut collect", "cut judge", "cut all", "flood"})
"""Made of mounts and network namespaces."""

# How often a kind is drawn, and between which bounds it lasts (seconds; of kills: until somebody starts it again). A
# session with the broker lasts 10 s: a stall outlives it.
_CHANCES: Final[dict[Kind, tuple[int, float, float]]] = {
    "kill collect": (6, 0.0, 2.0),
    "kill judge": (6, 0.0, 3.0),
    "kill judges": (4, 0.0, 3.0),
    "stall collect": (2, 11.0, 14.0),
    "stall judge": (4, 11.0, 14.0),
    "kill broker": (3, 0.0, 2.0),
    "broker away": (2, 15.0, 45.0),
    "stall broker": (3, 2.0, 25.0),
    "disk full": (4, 1.0, 4.0),
    "cut collect": (3, 1.0, 14.0),
    "cut judge": (3, 1.0, 14.0),
    "cut all": (3, 1.0, 14.0),
    "clock jump": (4, 0.0, 0.0),
    # A flow that has ended is told of 5 s later.
    "flood": (4, 7.0, 9.0),
}
HOURS: Final = 3_600
# The last fault comes about when the collector is done.
FIRST_S, LAST_S = 0.8, 7.0
# Once its log has grown, SQLite writes over the old part of it and needs no room for a while.
DISK_LAST_S = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong."""

    kind: Kind
    at_s: float
    """When, in seconds since the collectors began to write events down."""
    lasts_s: float
    """How long; of a kill: until the process is started again."""
    target: int
    """Which process of its sort; taken modulo how many there are."""
    size: int
    """Of a clock jump: seconds, either way; of several kills: how many."""

    def __str__(self) -> str:
        lasts = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        size = f" by {self.size / HOURS:+.1f} h" if self.kind == "clock jump" else ""
        return f"{self.kind}{size} at {self.at_s:.1f} s{lasts}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Which part of the sample day a collector reads, and how dense."""

    first: float
    """Where it begins, 0 to 1."""
    last: float
    """Where it ends."""
    lasts_s: float
    """Seconds that its replay takes."""
    days: int
    """Days by which it lies earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One round."""

    seed: int
    number: int
    judges: int
    static: bool
    """Judges have names in their groups (static membership)."""
    partitions: tuple[int, int]
    """Of the flows and of the findings."""
    captures: tuple[tuple[Cut, ...], ...]
    """What each collector reads; in a round with a flood only the first one's are sent to its tap."""
    faults: tuple[Fault, ...]

    @property
    def live(self) -> bool:
        """Whether the first collector watches an interface, drops what finds no room, and must account for it."""
        return any(fault.kind == "flood" for fault in self.faults)

    @property
    def jumps(self) -> bool:
        """Whether clocks jump."""
        return any(fault.kind == "clock jump" for fault in self.faults)


def draw(*, seed: int, number: int, only: Kind | None = None) -> Plan:
    """Return round *number* of *seed*; *only*: its first fault is of this kind."""
    # Each round has its own sequence, so that one can be run again without those before it.
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 -- the same round every time is what it is for
    kinds: list[Kind] = [only] if only else []
    weights = [_CHANCES[kind][0] for kind in KINDS]
    kinds += chance.choices(KINDS, weights, k=chance.choice((1, 2, 2, 3)) - len(kinds))
    if "flood" in kinds:
        # The flood brings its own outage; what else happens must not end the collector that drops.
        harmless = {"flood", "kill judge", "kill judges", "stall judge", "cut judge", "stall broker"}
        kinds = ["flood", *(kind for kind in kinds if kind in harmless - {"flood"})]
    faults = sorted((_fault(kind, chance=chance) for kind in kinds), key=lambda fault: fault.at_s)
    collectors = chance.choice((1, 1, 2))
    return Plan(
        seed=seed,
        number=number,
        judges=chance.choice((2, 2, 3, 4)),
        static=chance.random() < 0.3,
        partitions=chance.choice(((4, 3), (4, 3), (5, 2), (12, 6))),
        captures=tuple(_captures(chance) for _ in range(collectors)),
        faults=tuple(faults),
    )


def _fault(kind: Kind, *, chance: random.Random) -> Fault:
    _weight, least, most = _CHANCES[kind]
    size = chance.randint(2, 4)
    if kind == "clock jump":
        size = chance.choice((-1, 1)) * chance.randint(HOURS, 30 * HOURS)
    return Fault(
        kind=kind,
        at_s=round(chance.uniform(FIRST_S, DISK_LAST_S if kind == "disk full" else LAST_S), 1),
        lasts_s=round(chance.uniform(least, most), 1),
        target=chance.randrange(12),
        size=size,
    )


def _captures(chance: random.Random) -> tuple[Cut, ...]:
    """Draw one collector's captures from few enough cuts that what they give is worked out but once."""
    whole = Cut(first=0.0, last=1.0, lasts_s=chance.choice((5.0, 8.0)), days=0)
    morning = Cut(first=0.0, last=0.5, lasts_s=4.0, days=chance.choice((1, 2)))
    afternoon = Cut(first=0.5, last=1.0, lasts_s=4.0, days=chance.choice((1, 2)))
    return chance.choice(((whole,), (whole,), (morning,), (morning, afternoon), (whole, afternoon)))
