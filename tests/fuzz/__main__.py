"""Hostile octets for every dissector and for the whole way from frames to events.

    make fuzz                                                 # a minute of processor time each, with the build at hand
    make fuzz FUZZ_ARGS="--executions 10000000"               # so many in all, dealt out by the targets' weights
    make fuzz FUZZ_ARGS="--parser tls-client --seconds 600"   # one of them, longer
    make fuzz FUZZ_ARGS="--guided --seconds 60"               # led by coverage (atheris) through the pure build
    make fuzz FUZZ_ARGS="--worst"                             # octets a second of each parser on the worst we know

A failure is written down with its octets as a test case; docs/dissection.md says what counts as one.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from collector.flows import COMPILED
from tests.fuzz.driver import drive
from tests.fuzz.guided import guide
from tests.fuzz.targets import TARGETS
from tests.fuzz.worst import show_worst

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "fuzz"


def main() -> int:
    """Fuzz what was asked for; 1: something was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--parser", action="append", choices=sorted(TARGETS), help="only this one (may be repeated)")
    parser.add_argument("--seconds", type=float, default=0.0, help="processor seconds for each (default 60)")
    parser.add_argument("--executions", type=int, default=0, help="executions in all, instead of seconds")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run (default: the time)")
    parser.add_argument("--guided", action="store_true", help="led by coverage, through the pure build")
    parser.add_argument("--worst", action="store_true", help="worst known input of each parser, octets a second")
    args = parser.parse_args()
    names = args.parser or list(TARGETS)
    if args.worst:
        return show_worst(names if args.parser else None)
    if args.guided:
        return guide(names, seconds=args.seconds or 60.0)
    seed = int(time.time()) if args.seed is None else args.seed
    return fuzz(names, executions=args.executions, seconds=args.seconds, seed=seed)


def fuzz(names: list[str], *, executions: int, seconds: float, seed: int) -> int:
    """Run the targets one after another and print a table."""
    print(f"seed {seed}, {'compiled' if COMPILED else 'pure'} build, Python {sys.version.split()[0]}")
    print(f"{'parser':14} {'executions':>11} {'cpu s':>8} {'a second':>9} {'longest ms':>11} {'memory MB':>10}")
    weights = sum(TARGETS[name].weight for name in names)
    if not executions and not seconds:
        seconds = 60.0
    total, found = 0, 0
    for name in names:
        target = TARGETS[name]
        share = -(-executions * target.weight // weights)
        outcome = drive(name, target, executions=share, seconds=seconds, seed=seed)
        total += outcome.executions
        rate = outcome.executions / outcome.cpu_s if outcome.cpu_s else 0.0
        print(
            f"{name:14} {outcome.executions:11,} {outcome.cpu_s:8.1f} {rate:9,.0f} {outcome.longest_s * 1e3:11.2f}"
            f" {outcome.memory_mb:10.0f}",
            flush=True,
        )
        if outcome.failure:
            found += 1
            path = write_down(name, outcome.octets)
            print(f"  FAILED: {outcome.failure}\n  {len(outcome.octets)} octets in {path}; as a test case:")
            print(f'  ("{name}", "{outcome.octets.hex()}"),', flush=True)
    print(f"{total:,} executions, {found} failures")
    return 1 if found else 0


def write_down(name: str, octets: bytes) -> Path:
    """Write an input that failed to a file of its own, and return where."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}.bin"
    path.write_bytes(octets)
    return path


if __name__ == "__main__":
    sys.exit(main())
