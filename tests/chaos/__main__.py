"""Seeded chaos through a real Apache Kafka; nothing may be lost, nothing counted twice, nobody may stay stuck.

    make chaos                                            # 200 rounds of seed 1
    make chaos CHAOS_ARGS="--rounds 1000 --seed 7"        # others
    make chaos CHAOS_ARGS="--round 17 --seed 1"           # one of them again

docs/chaos.md says what is done and what must hold.
"""

# ruff: noqa: T201 -- its lines are its output

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.chaos import networks
from tests.chaos.plan import KINDS, NEEDS_ROOT, Kind
from tests.chaos.round import Outcome
from tests.chaos.worker import open_lane, play_round
from tests.parts import kafka_jars
from tests.parts.broker import quicken
from tests.parts.cache import PartMissingError
from tests.parts.cluster import available_mib

LANES = 6
# A broker, four judges, two collectors.
LANE_MIB = 900


def main() -> int:
    """Run the rounds; return 1 when an invariant broke."""
    args = _arguments()
    numbers = [args.round] if args.round is not None else list(range(1, args.rounds + 1))
    try:
        jars = quicken(kafka_jars.set_up())
    except PartMissingError as missing:
        print(missing, file=sys.stderr)
        return 3
    folder = args.folder or Path(tempfile.mkdtemp(prefix="schoolgate-chaos-"))
    lanes = max(1, min(args.lanes, len(numbers), available_mib() // LANE_MIB))
    print(f"Apache Kafka {jars.version}, {len(numbers)} rounds of seed {args.seed}, {lanes} at a time, in {folder}")
    lacks = networks.possible()
    if lacks:
        print(f"not possible here ({lacks}), left out of the rounds: {', '.join(sorted(NEEDS_ROOT))}")
    began = time.monotonic()
    outcomes = list(_run(numbers, seed=args.seed, only=args.only, lanes=lanes, folder=folder))
    _sum_up(outcomes, seconds=time.monotonic() - began)
    bad = [outcome for outcome in outcomes if outcome.problems]
    if not bad and not args.folder:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if bad or len(outcomes) < len(numbers) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other rounds (default 1)")
    parser.add_argument("--round", type=int, help="this one alone")
    parser.add_argument("--only", choices=KINDS, help="the first fault of every round is of this kind")
    parser.add_argument("--lanes", type=int, default=LANES, help=f"rounds at a time (default {LANES})")
    parser.add_argument("--folder", type=Path, help="where everything lies, and stays (default: a temporary folder)")
    return parser.parse_args()


def _run(numbers: Sequence[int], *, seed: int, only: Kind | None, lanes: int, folder: Path) -> Iterator[Outcome]:
    bar = Progress(
        TextColumn("chaos"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    )
    # A fresh interpreter for each lane: it moves into namespaces of its own.
    with (
        bar,
        ProcessPoolExecutor(
            max_workers=lanes, mp_context=get_context("spawn"), initializer=open_lane, initargs=(folder,)
        ) as pool,
    ):
        shown = bar.add_task("rounds", total=len(numbers))
        waiting = [pool.submit(play_round, seed=seed, number=number, only=only) for number in numbers]
        for done in as_completed(waiting):
            outcome = done.result()
            for line in _lines(outcome, only=only):
                print(line, flush=True)
            bar.advance(shown)
            yield outcome


def _lines(outcome: Outcome, *, only: Kind | None) -> Iterator[str]:
    plan = outcome.plan
    verdict = "BROKEN" if outcome.problems else "ok"
    faults = "; ".join(map(str, plan.faults))
    sort = f"{plan.judges} judges{', static' if plan.static else ''}, {len(plan.captures)} collectors"
    yield (
        f"{verdict:6} round {plan.number:3} seed {plan.seed}: {faults} | {sort}, {plan.partitions[0]} partitions | "
        f"{outcome.told} | {outcome.seconds:.1f} s"
    )
    if outcome.problems:
        for problem in outcome.problems:
            yield f"       {problem}"
        word = f' --only "{only}"' if only else ""
        yield f"       again: make chaos CHAOS_ARGS='--round {plan.number} --seed {plan.seed}{word}'"


def _sum_up(outcomes: Sequence[Outcome], *, seconds: float) -> None:
    kinds = Counter(fault.kind for outcome in outcomes for fault in outcome.plan.faults)
    told = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    bad = sorted(outcome.plan.number for outcome in outcomes if outcome.problems)
    each = sum(outcome.seconds for outcome in outcomes) / max(1, len(outcomes))
    print(f"{len(outcomes)} rounds in {seconds:.0f} s ({each:.1f} s each); faults: {told}")
    print(f"broken: {', '.join(map(str, bad))}" if bad else "every invariant held in every round")


if __name__ == "__main__":
    sys.exit(main())
