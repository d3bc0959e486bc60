"""Whole processes side by side in one run: `schoolgate flows` against every peer that is installed.

    make bench                                   # the sample day, grown to a few hundred megabytes
    make bench BENCH_ARGS="--capture day.pcap"   # your own capture

Wall and processor seconds are medians over the rounds, tools take turns, memory is the largest process. Times say
nothing across machines; ratios of one run do.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "rules" / "sample" / "day.pcap.gz"
PEERS = {
    "tcpdump": ["tcpdump", "-n", "-r", "{capture}", "-w", "/dev/null"],
    "ndpiReader": ["ndpiReader", "-q", "-i", "{capture}"],
    "tshark": ["tshark", "-n", "-r", "{capture}", "-T", "fields", "-e", "tls.handshake.extensions_server_name"],
}
RECORD = struct.Struct("<IIII")
DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One whole process."""

    wall_s: float
    cpu_s: float
    memory_mb: float
    status: int


def main() -> int:
    """Run the comparison and print one table."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--capture", type=Path, help="a capture of yours; default: the sample day, grown")
    parser.add_argument("--days", type=int, default=150, help="how often the sample day is repeated (default 150)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the tools take turns (default 3)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="schoolgate-bench-") as folder:
        capture = args.capture or grow(Path(folder) / "days.pcap", days=args.days)
        compare(capture, rounds=args.rounds)
    return 0


def grow(path: Path, *, days: int) -> Path:
    """Write the sample day *days* times, each a day later, and return the path."""
    day = gzip.decompress(SAMPLE.read_bytes())
    records = []
    at = 24
    while at < len(day):
        seconds, rest, caught, wire = RECORD.unpack_from(day, at)
        records.append((seconds, rest, caught, wire, day[at + 16 : at + 16 + caught]))
        at += 16 + caught
    with path.open("wb") as file:
        file.write(day[:24])
        for number in range(days):
            file.write(b"".join(RECORD.pack(s + number * DAY_S, r, c, w) + octets for s, r, c, w, octets in records))
    return path


def compare(capture: Path, *, rounds: int) -> None:
    """Print medians and ratios to our own time."""
    ours = [str(Path(sys.executable).with_name("schoolgate")), "flows", str(capture)]
    tools = {"schoolgate flows": ours}
    tools |= {
        name: [word.replace("{capture}", str(capture)) for word in command]
        for name, command in PEERS.items()
        if shutil.which(command[0])
    }
    absent = sorted(set(PEERS) - set(tools))
    runs: dict[str, list[Run]] = {name: [] for name in tools}
    for command in tools.values():  # page cache and imports
        run(command)
    for _ in range(rounds):
        for name, command in tools.items():
            runs[name].append(run(command))
    print(f"{capture.name}: {capture.stat().st_size / 1e6:.0f} MB, {rounds} rounds, {os.cpu_count()} processors")
    print(f"{'tool':20} {'wall s':>8} {'cpu s':>8} {'memory MB':>10} {'x ours':>8}")
    mine = statistics.median(r.wall_s for r in runs["schoolgate flows"])
    for name, results in runs.items():
        wall = statistics.median(r.wall_s for r in results)
        cpu = statistics.median(r.cpu_s for r in results)
        memory = max(r.memory_mb for r in results)
        failed = "" if all(r.status == 0 for r in results) else "  (failed)"
        print(f"{name:20} {wall:8.2f} {cpu:8.2f} {memory:10.0f} {wall / mine:8.2f}{failed}")
    if absent:
        print(f"not installed here: {', '.join(absent)}")


def run(command: list[str]) -> Run:
    """Run *command* to its end with its output thrown away."""
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
