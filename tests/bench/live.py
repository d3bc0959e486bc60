"""How many packets a second the collector takes in from a live interface: a cable between two namespaces.

    make bench-live                                                     # a made capture at 200,000 to 600,000 a second
    make bench-live BENCH_ARGS="--processes 2"                          # read by several processes, on all processors
    make bench-live BENCH_ARGS="--capture day.pcap --rates 100000,500000"

A small C program sends a capture at an even pace on one processor; the collector has the other to itself: kernel ring,
flows, names, one line of JSON a flow. The kernel counts what found no room. Where `sent/s` stays below `asked/s`, the
sender was the limit: `sender us` is what a packet costs it, with what the kernel does to carry it to the tap's
ring. Needs root (namespaces) and two processors.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.through_kafka.cost import Cost, hear
from tests.bench.traffic import make

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
HERE, THERE = f"sg-bench-tap-{os.getpid()}", f"sg-bench-send-{os.getpid()}"
TAP, OUTLET = "tap0", "send0"
RATES = "200000,300000,400000,500000,600000"
SENDER_CPU, TAP_CPU = 1, 0
# The last blocks are handed over within a twentieth of a second.
SETTLE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one pace came to."""

    asked: int
    """Packets a second."""
    sent: int
    """Packets."""
    seconds: float
    """That sending took."""
    sender_cpu_s: float
    """Processor seconds of the sender."""
    cost: Cost
    """Of the collector."""
    named: int
    """Flows with a name."""


def main() -> int:
    """Play every pace and print a table."""
    parser = argparse.ArgumentParser(prog="make bench-live", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--capture", type=Path, help="a classic pcap (default: a quarter of `mix`, made)")
    parser.add_argument("--processes", type=int, default=1, help="that read the tap (default 1)")
    parser.add_argument("--rates", default=RATES, help=f"packets a second, commas between (default {RATES})")
    args = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("ip") is None or (os.cpu_count() or 1) < 2:
        print("make bench-live: needs root, `ip` of iproute2 and two processors", file=sys.stderr)
        return 3
    print(f"Python {platform.python_version()}, Linux {platform.release()}, {platform.machine()}, load ", end="")
    print(f"{os.getloadavg()[0]:.1f} at the start\n")
    print(
        "asked/s   sent     sent/s   Gbit/s  taken in   dropped  flows named  cpu s   us a packet  memory     sender us"
    )
    with tempfile.TemporaryDirectory(prefix="schoolgate-bench-") as folder, _cable():
        sender = _built(Path(folder))
        capture = args.capture or _made(Path(folder))
        for rate in map(int, args.rates.split(",")):
            trial = play(sender, capture, rate=rate, folder=Path(folder), processes=args.processes)
            told, size = trial.cost.told, capture.stat().st_size
            print(
                f"{trial.asked:8,} {trial.sent:9,} {trial.sent / trial.seconds:9,.0f} "
                f"{size * 8 / trial.seconds / 1e9:6.2f} {told['packets']:10,} {told['dropped']:9,} {trial.named:11,} "
                f"{trial.cost.cpu_s:7.2f} {trial.cost.cpu_us(told['packets']):10.2f} {trial.cost.memory_mb:9.0f} MB "
                f"{1e6 * trial.sender_cpu_s / trial.sent:12.2f}"
            )
    return 0


def play(sender: Path, capture: Path, *, rate: int, folder: Path, processes: int) -> Trial:
    """Send the capture once while the collector watches."""
    out = folder / "events.jsonl"
    where = str(TAP_CPU) if processes == 1 else f"0-{(os.cpu_count() or 1) - 1}"
    pinned = ["ip", "netns", "exec", HERE, "taskset", "-c", where]
    worker = [sys.executable, "-m", "tests.bench.live_worker", TAP, str(out), str(processes)]
    watching = subprocess.Popen([*pinned, *worker], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    assert watching.stdout.readline() == "ready\n"
    words = ["ip", "netns", "exec", THERE, str(sender), OUTLET, str(capture), str(rate), str(SENDER_CPU)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    time.sleep(SETTLE_S)
    watching.terminate()
    cost = hear(watching.stdout.read())
    watching.wait()
    sent, seconds, sender_cpu_s = done.stdout.split()
    with out.open("rb") as lines:
        named = sum(json.loads(line)["server_name"] is not None for line in lines)
    return Trial(
        asked=rate,
        sent=int(sent),
        seconds=float(seconds),
        sender_cpu_s=float(sender_cpu_s),
        cost=cost,
        named=named,
    )


def _made(folder: Path) -> Path:
    capture = folder / "mix.pcap"
    print("making a quarter of `mix` ...", file=sys.stderr)
    make("mix", capture, share=0.25)
    return capture


def _built(folder: Path) -> Path:
    source, program = Path(__file__).with_name("live_sender.c"), folder / "live_sender"
    subprocess.run(["cc", "-O2", "-o", str(program), str(source)], check=True)
    return program


@contextlib.contextmanager
def _cable() -> Iterator[None]:
    """Lay a cable between two namespaces of our own, and take them away."""
    made = []
    try:
        for namespace in (HERE, THERE):
            _ip("netns", "add", namespace)
            made.append(namespace)
            _ip("netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
        _ip("-n", THERE, *f"link add {OUTLET} mtu 9000 type veth peer name {TAP} mtu 9000 netns {HERE}".split())
        _ip("-n", THERE, "link", "set", OUTLET, "up")
        _ip("-n", HERE, "link", "set", TAP, "up")
        yield
    finally:
        for namespace in made:
            subprocess.run(["ip", "netns", "del", namespace], check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


if __name__ == "__main__":
    sys.exit(main())
