"""How fast events are judged: stateless rules, a whole `schoolgate check`, and the same at up to eight times as many.

    make bench-judge                                      # 250 to 2,000 devices over five days: ten minutes
    make bench-judge BENCH_ARGS="--times 1"               # 250 devices alone: a minute
    make bench-judge BENCH_ARGS="--set FOLDER --times 1"  # a set of your own days as well

The days are made by `tests.parts.school_days`, which knows what is true of them, so every run is checked: flows
against the truth, sums of one run against those of another, cases against those that must and must not come. A wrong
result ends the run. CPU is user and system time of one process; each piece has a process of its own.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from collector.hosts import registrable_domain
from tests.bench.through_kafka.cost import Cost, hear

ROOT = Path(__file__).resolve().parents[2]
EVENTS = "events.jsonl.gz"
DEVICES = 250
DAYS = 5
LEAST_RECALL = 0.5
"""Share of the cases that must come: days with every twist at once hide many on purpose. It tells that cases come at
all; how good attribution is, other trials tell."""


class BenchError(Exception):
    """A result is wrong, or a process failed."""


def main() -> int:
    """Run every piece, and print two tables."""
    parser = argparse.ArgumentParser(prog="make bench-judge", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--times", default="1,2,4,8", help="how often 250 devices, commas between (default 1,2,4,8)")
    parser.add_argument("--set", type=Path, action="append", default=[], help="a folder of days with truth.json")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the first table; the best counts (default 3)")
    parser.add_argument("--seed", type=int, default=5, help="seed of the days that are made (default 5)")
    args = parser.parse_args()
    told = (f"{name} {version(name)}" for name in ("msgspec", "pydantic"))
    print(f"Python {platform.python_version()}, {', '.join(told)}, {platform.machine()}, {os.cpu_count()} processors")
    print(f"load {os.getloadavg()[0]:.1f} at the start\n")
    try:
        with tempfile.TemporaryDirectory(prefix="schoolgate-bench-") as folder:
            compare(args.set, folder=Path(folder), seed=args.seed, rounds=args.rounds)
            grow([int(number) for number in args.times.split(",")], folder=Path(folder), seed=args.seed)
    except BenchError as error:
        print(f"make bench-judge: {error}", file=sys.stderr)
        return 1
    return 0


def compare(sets: list[Path], *, folder: Path, seed: int, rounds: int) -> None:
    """Print what the stateless rules, and a whole check, cost beside the floor."""
    print("| days | piece | CPU s | µs an event | events a second | memory | times the floor |\n" + "|---" * 7 + "|")
    for days in [made(folder / "days", devices=DEVICES, seed=seed), *sets]:
        floor = _best(days, piece="floor", rounds=rounds)
        stateless = _best(days, piece="stateless", rounds=rounds)
        whole = min((check(days) for _ in range(rounds)), key=lambda cost: cost.cpu_s)
        sums = piece_of(days, piece="whole").told["hash"]
        if stateless.told["hash"] != sums:
            raise BenchError("the stateless rules alone give other sums than with attribution beside them")
        truth = json.loads((days / "truth.json").read_text())["coverage"]
        flows = truth["flows"] - truth["dns_flows"]
        if not floor.told["flows"] == stateless.told["flows"] == whole.told["flows"] == flows:
            raise BenchError(f"{flows} flows in truth, but {floor.told}, {stateless.told}, {whole.told}")
        events = stateless.told["events"]
        name = "made" if days.parent == folder else days.resolve().name
        for piece, cost in (
            ("floor: `json.loads`, names counted", floor),
            (f"stateless rules, decoding included ({stateless.told['findings']:,} sums)", stateless),
            (f"whole `check`, start to end ({whole.wall_s:.1f} s by the clock; {whole.told['found']})", whole),
        ):
            print(
                f"| {name}, {events:,} events | {piece} | {cost.cpu_s:.1f} | {cost.cpu_us(events):.1f} "
                f"| {events / cost.cpu_s:,.0f} | {cost.memory_mb:.0f} MB | {cost.cpu_s / floor.cpu_s:.1f} |"
            )


def grow(times: list[int], *, folder: Path, seed: int) -> None:
    """Print what a check costs at several sizes, and what attribution has of it."""
    empty = check(_first_event(folder / "days", into=folder / "empty")).memory_mb
    print(f"\nA check of one event takes {empty:.0f} MB.\n")
    print(
        "| devices | events | wall s | CPU s | µs an event | times the floor | memory | octets an event "
        "| judging, µs | attribution, s | attribution, µs an event |\n" + "|---" * 11 + "|"
    )
    for number in times:
        days = folder / "days"
        if number != 1:
            shutil.rmtree(days)
            made(days, devices=DEVICES * number, seed=seed)
        floor, whole, cost = piece_of(days, piece="floor"), piece_of(days, piece="whole"), check(days)
        if whole.told["lost"]:
            raise BenchError(f"{whole.told['lost']} contacts found no room")
        events = floor.told["events"]
        judging, attributing = whole.told["judging_s"], whole.told["attributing_s"]
        print(
            f"| {DEVICES * number:,} | {events:,} | {cost.wall_s:.1f} | {cost.cpu_s:.1f} | {cost.cpu_us(events):.1f} "
            f"| {cost.cpu_s / floor.cpu_s:.2f} | {cost.memory_mb:.0f} MB "
            f"| {(cost.memory_mb - empty) * 2**20 / events:.0f} | {judging / events * 1e6:.1f} | {attributing:.1f} "
            f"| {attributing / events * 1e6:.1f} |",
            flush=True,
        )


def made(folder: Path, *, devices: int, seed: int) -> Path:
    """Make days in *folder*, and return it. In a process of its own: what it held must count in nobody's memory."""
    words = ["--seed", seed, "--devices", devices, "--days", DAYS, "--out", folder]
    _run([sys.executable, "-m", "tests.parts.school_days", *map(str, words)])
    return folder


def piece_of(days: Path, *, piece: str) -> Cost:
    """Return what a piece of `judge_worker` cost."""
    return hear(_run([sys.executable, "-m", "tests.bench.judge_worker", piece, str(days)]).decode())


def check(days: Path) -> Cost:
    """Return what a whole `schoolgate check` cost, its cases compared with the truth.

    Raises:
        BenchError: it accused somebody wrongly, or missed too much.
    """
    location = days / "locations.mmdb"
    command = [
        str(Path(sys.executable).with_name("schoolgate")), "check", str(days / EVENTS), "--json",
        "--agreements", str(days / "agreements"), "--network", str(days / "network.yaml"),
        "--parties", str(days / "parties.yaml"), *(["--location", str(location)] if location.exists() else []),
    ]  # fmt: skip
    began = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in {0, 1}:
            raise BenchError(f"`schoolgate check` ended with {process.returncode}")
        out.seek(0)
        report = json.load(out)
    found = _graded(report["cases"], truth=json.loads((days / "truth.json").read_text()))
    return Cost(
        cpu_s=used.ru_utime + used.ru_stime,
        wall_s=wall_s,
        memory_mb=used.ru_maxrss / 1024,
        told={"flows": report["coverage"]["flows"], "found": found},
    )


def _graded(cases: list[dict[str, Any]], *, truth: dict[str, Any]) -> str:
    seen = {_promise(case) for case in cases}
    wrong = seen & {_promise(case) for case in truth["must_not"]}
    must = {_promise(case) for case in truth["must"]}
    if wrong or len(seen & must) < LEAST_RECALL * len(must):
        raise BenchError(f"wrong: {sorted(map(str, wrong))}; found {len(seen & must)} of {len(must)} cases")
    return f"{len(seen & must)} of {len(must)} cases, none wrong"


def _promise(case: dict[str, Any]) -> tuple[str | None, str, str]:
    return case["agreement"], case["rule"], registrable_domain(case["subject"])


def _best(days: Path, *, piece: str, rounds: int) -> Cost:
    # What a busy machine adds to a run says nothing about the program; the quickest run has the least of it.
    return min((piece_of(days, piece=piece) for _ in range(rounds)), key=lambda cost: cost.cpu_s)


def _first_event(days: Path, *, into: Path) -> Path:
    """Return a set like *days* with one event, of which nothing must come."""
    shutil.copytree(days, into, ignore=shutil.ignore_patterns(EVENTS, "truth.json"))
    with gzip.open(days / EVENTS, "rb") as events, gzip.open(into / EVENTS, "wb") as one:
        one.write(events.readline())
    (into / "truth.json").write_text(json.dumps({"must": [], "must_not": []}))
    return into


def _run(command: list[str]) -> bytes:
    process = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if process.returncode:
        raise BenchError(f"{' '.join(command[:4])} ended with {process.returncode}")
    return process.stdout


if __name__ == "__main__":
    sys.exit(main())
