"""Whole processes side by side in one run: `schoolgate flows` against every peer that is installed.

    make bench                                                   # mix, conn, tiny, syn: a quarter of an hour
    make bench BENCH_ARGS="--set mix --rounds 5"                 # one of them
    make bench BENCH_ARGS="--capture day.pcap"                   # your own capture alone
    make bench BENCH_ARGS="--nfstream FOLDER/bin/python"         # nfstream lies in an environment of its own

Wall and processor seconds are medians over the rounds, each tool on one processor, tools take turns, memory is the
largest process. Names and octets of our own events are held against the truth in the same run, and a wrong one fails
it. Times say nothing across machines; ratios of one run do.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from collector.flows import COMPILED
from tests.bench.exam import examine_run
from tests.bench.peers import Tool, installed
from tests.bench.traffic import SETS, make, truth_of

PROGRAM = str(Path(sys.executable).with_name("schoolgate"))
OURS = "schoolgate flows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One whole process."""

    wall_s: float
    cpu_s: float
    memory_mb: float
    status: int


def main() -> int:
    """Make the sets, run every tool over each, and print a table a set."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--set", action="append", choices=SETS, help="a set to make; default: all, or none beside captures"
    )
    parser.add_argument("--capture", type=Path, action="append", default=[], help="a capture of yours beside them")
    parser.add_argument("--made", type=Path, help="a folder where sets lie already, or are kept")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the tools take turns (default 3)")
    parser.add_argument("--nfstream", type=Path, help="the Python of an environment with nfstream")
    parser.add_argument("--without", action="append", default=[], metavar="TOOL", help="leave a peer out")
    args = parser.parse_args()
    processors = len(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # every tool inherits it
    right = True
    with tempfile.TemporaryDirectory(prefix="schoolgate-bench-") as scratch:
        ours = Tool(name=OURS, command=(PROGRAM, "flows", "{capture}"), release="compiled" if COMPILED else "pure")
        peers = installed(folder=Path(scratch), nfstream=args.nfstream)
        tools = [ours, *(tool for tool in peers if tool.name.split(",")[0].split()[0] not in args.without)]
        print(f"Python {platform.python_version()}, {', '.join(f'{tool.name} {tool.release}' for tool in tools)}")
        print(f"one of {processors} processors, load {os.getloadavg()[0]:.1f}")
        for capture in [
            *_sets(args.set or (() if args.capture else SETS), folder=args.made or Path(scratch)),
            *args.capture,
        ]:
            right &= compare(capture, tools, rounds=args.rounds)
    return 0 if right else 1


def _sets(kinds: list[str] | tuple[str, ...], *, folder: Path) -> list[Path]:
    """Return captures of those kinds, made where they do not lie in *folder*."""
    captures = []
    for kind in kinds:
        path = folder / f"{kind}.pcap"
        if not path.exists():
            print(f"making {path.name} ...", file=sys.stderr)
            make(kind, path)
        captures.append(path)
    return captures


def compare(capture: Path, tools: list[Tool], *, rounds: int) -> bool:
    """Print medians and ratios to our own time; return whether our own events were right."""
    runs: dict[str, list[Run]] = {tool.name: [] for tool in tools}
    run(tools[0].over(capture))  # page cache and imports
    for _ in range(rounds):
        for tool in tools:
            runs[tool.name].append(run(tool.over(capture)))
    print(f"\n{capture.name}: {capture.stat().st_size / 1e6:.0f} MB, {rounds} rounds, load {os.getloadavg()[0]:.1f}")

    columns = f"{'wall s':>8} {'from - to':>15} {'cpu s':>8} {'memory MB':>10} {'x ours':>8} {'x cpu':>8} {'names':>8}"
    print(f"{'tool':24} {columns}")

    # In processes of their own: what this one grows to would count as the memory of those that it starts.
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"), max_tasks_per_child=1) as apart:
        names = {tool.name: apart.submit(tool.score, capture).result() for tool in tools}
        marks = None
        if capture.stem in SETS or truth_of(capture).exists():
            marks = apart.submit(examine_run, [PROGRAM, "flows", "--addresses", str(capture)], capture).result()
    mine = runs[OURS]
    for tool in tools:
        print(_line(tool, runs[tool.name], mine=mine, names=names.get(tool.name)))
    if marks is None:
        return True
    print(
        f"ours: {marks.names_right:,} of {marks.names:,} names right, "
        f"octets right of {marks.flows_right:,} of {marks.flows:,} pairs of ends"
    )
    return marks.perfect


def _line(tool: Tool, results: list[Run], *, mine: list[Run], names: float | None) -> str:
    walls = sorted(r.wall_s for r in results)
    wall = statistics.median(walls)
    cpu = statistics.median(r.cpu_s for r in results)
    ours = wall / statistics.median(r.wall_s for r in mine)
    ours_cpu = cpu / max(statistics.median(r.cpu_s for r in mine), 0.01)
    memory = max(r.memory_mb for r in results)
    failed = "" if all(r.status == 0 for r in results) else "  (failed)"
    spread = f"{walls[0]:.2f} - {walls[-1]:.2f}"
    share = "" if names is None else f"{100 * names:.1f} %"
    figures = f"{wall:8.2f} {spread:>15} {cpu:8.2f} {memory:10.0f} {ours:8.2f} {ours_cpu:8.2f}"
    return f"{tool.name:24} {figures} {share:>8}{failed}"


def run(command: list[str]) -> Run:
    """Run *command* to its end, with its output thrown away."""
    began = time.perf_counter()
    with Path(os.devnull).open("wb") as sink:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(
        wall_s=time.perf_counter() - began,
        cpu_s=usage.ru_utime + usage.ru_stime,
        memory_mb=usage.ru_maxrss / 1024,
        status=process.returncode,
    )


if __name__ == "__main__":
    sys.exit(main())
