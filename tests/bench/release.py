"""What the release rule keeps: flows, octets and true cases at several z, and what it costs an event.

    make bench-release                                           # the sample day and the open sets, z = 1, 2, 5, 10
    make bench-release BENCH_ARGS="--set sample --devices 5"

A set is released as a file (looked through first) and as if it passed by. Cases are compared with those of the same
events before the rule, field by field. Processor time, the best of three; times say nothing across machines.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from collector.destinations import Destinations
from collector.hosts import registrable_domain
from collector.periods import Periods
from collector.progress import ReadingBar
from collector.release_rule import ReleaseRule
from collector.sensitive import load_sensitive
from collector.watch import new_pseudonyms
from rules.day_keys import DayKeys
from rules.judgement import Judgement
from rules.rulebook import Rulebook, RulebookFiles, load_rulebook
from schoolgate.check import Troubles, events_of
from schoolgate.listed import listed_names
from schoolgate.shell import new_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.events import FlowEvent

ROOT: Final = Path(__file__).resolve().parents[2]
SETS: Final = {
    "sample": ROOT / "rules" / "sample",
    **{
        name: ROOT.parent / "shared" / "scenarios" / name for name in ("browser-day", "seed11-capture", "seed12-events")
    },
}
INPUTS: Final = ("day.pcap.gz", "capture.pcap.gz", "events.jsonl.gz")
LEAST_DEVICES: Final = (1, 2, 5, 10)
BATCH: Final = 250
ROUNDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What one release kept of one set."""

    whole: float
    """Share of named flows that left with their whole name."""
    reduced: float
    """Share that left with the registrable domain."""
    octets: float
    """Share of octets of named flows that left with a name, whole or not."""
    true_cases: int
    """Cases that truth.json demands (of the sample: those of `check`) and that are still opened."""
    same: int
    """Cases that are those before the rule in every field."""
    cases: int
    """Cases before the rule."""
    cost_us: float
    """Processor time an event, microseconds."""


def read_set(folder: Path) -> tuple[Rulebook, list[FlowEvent]]:
    """Return the rulebook and the events of one set, with pseudonyms."""
    location = folder / "locations.mmdb"
    rulebook = load_rulebook(
        RulebookFiles(
            agreements=folder / "agreements",
            network=folder / "network.yaml",
            parties=(folder / "parties.yaml",),
            location=location if location.exists() else None,
        )
    )
    path = next(folder / name for name in INPUTS if (folder / name).exists())
    pseudonyms, _ring = new_pseudonyms(rulebook.network, make_key=new_key)
    with ReadingBar() as bar:
        events = events_of(str(path), network=rulebook.network, pseudonyms=pseudonyms, bar=bar, troubles=Troubles())
        return rulebook, list(events)


def cases_of(events: Sequence[FlowEvent], *, rulebook: Rulebook) -> list[dict[str, Any]]:
    """Return the cases of a report."""
    judgement = Judgement(rulebook, token_key=DayKeys(new_key).of, today=date(2026, 10, 6))
    judgement.judge(events)
    judgement.attribute()
    cases: list[dict[str, Any]] = judgement.report(errors=())["cases"]
    return cases


def demanded(folder: Path, *, cases: Sequence[dict[str, Any]]) -> set[tuple[str, ...]]:
    """Return agreement, rule, clause and registrable domain of every true case."""
    truth = folder / "truth.json"
    rows = json.loads(truth.read_text(encoding="utf-8"))["must"] if truth.exists() else cases
    return {_key(row) for row in rows}


def measure(
    events: Sequence[FlowEvent],
    *,
    rulebook: Rulebook,
    folder: Path,
    devices: int,
    ahead: bool,
    before: list[dict[str, Any]],
) -> Kept:
    """Release *events* and judge what is left of them."""
    cost_s, left = min((_released(events, rulebook=rulebook, devices=devices, ahead=ahead) for _ in range(ROUNDS)),
                       key=lambda found: found[0])  # fmt: skip
    after = {case["id"]: case for case in cases_of(left, rulebook=rulebook)}
    named = [(was, now) for was, now in zip(events, left, strict=True) if was.server_name is not None and was.part == 0]
    octets = sum(was.bytes_up + was.bytes_down for was, _now in named)
    said = sum(was.bytes_up + was.bytes_down for was, now in named if now.server_name is not None)
    return Kept(
        whole=sum(not now.withheld for _was, now in named) / len(named),
        reduced=sum(now.withheld and now.server_name is not None for _was, now in named) / len(named),
        octets=said / octets,
        true_cases=len(demanded(folder, cases=before) & {_key(case) for case in after.values()}),
        same=sum(after.get(case["id"]) == case for case in before),
        cases=len(before),
        cost_us=1e6 * cost_s / len(events),
    )


def _released(
    events: Sequence[FlowEvent], *, rulebook: Rulebook, devices: int, ahead: bool
) -> tuple[float, list[FlowEvent]]:
    listed = listed_names(rulebook.agreements, parties=rulebook.parties)
    rule = ReleaseRule(
        Destinations(listed, sensitive=load_sensitive([])),
        periods=Periods(rulebook.network.time_zone),
        devices=devices,
    )
    left: list[FlowEvent] = []
    began = time.process_time()
    if ahead and devices > 1:
        rule.learn(events)
    for at in range(0, len(events), BATCH):
        left += rule.release(events[at : at + BATCH])
    return time.process_time() - began, left


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return row["agreement"] or "", row["rule"], row["clause"], registrable_domain(row["subject"])


def main() -> None:
    """Print one table, ready for docs/privacy.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", choices=sorted(SETS), dest="sets")
    parser.add_argument("--devices", type=int, action="append")
    asked = parser.parse_args()
    print("| set | z | as | whole names | registrable | octets named | true cases | cases as `check` | µs/event |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in asked.sets or SETS:
        folder = SETS[name]
        if not folder.is_dir():
            print(f"| {name} | needs {folder} |")
            continue
        rulebook, events = read_set(folder)
        before = cases_of(events, rulebook=rulebook)
        wanted = len(demanded(folder, cases=before) & {_key(case) for case in before})
        for devices in asked.devices or LEAST_DEVICES:
            for ahead in (True, False):
                kept = measure(events, rulebook=rulebook, folder=folder, devices=devices, ahead=ahead, before=before)
                print(
                    f"| {name} | {devices} | {'file' if ahead else 'live'} | {kept.whole:.1%} | {kept.reduced:.1%} | "
                    f"{kept.octets:.1%} | {kept.true_cases} of {wanted} | {kept.same} of {kept.cases} | "
                    f"{kept.cost_us:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
