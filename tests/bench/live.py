"""How many packets a second the collector takes in from a live interface: a cable between two namespaces.

    make bench-live                                                     # a made capture, at 200,000 a second and more
    make bench-live BENCH_ARGS="--processes 2"                          # read by several processes, on all processors
    make bench-live BENCH_ARGS="--capture day.pcap --rates 100000,500000"
    make bench-live BENCH_ARGS="--sender sendmmsg"                      # a system call for 32 packets

A small C program sends a capture at an even pace on one processor; the collector has the other to itself: kernel ring,
flows, names, one line of JSON a flow. The kernel counts what found no room. Packets go as live frames of an eBPF
program where the kernel runs one, else by sendmmsg: `sender` says which. Where `sent/s` stays below `asked/s`, the
sender was the limit: `sender us` is what a packet costs it, with what the kernel does to carry it to the tap's
ring. `taken in` and `dropped` must be `sent` together, else the run counts as failed. Needs root (namespaces) and two
processors.
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
from collections import Counter
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.exam import PROTOCOLS, true_names
from tests.bench.through_kafka.cost import Cost, hear
from tests.bench.traffic import make, truth_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
HERE, THERE = f"sg-bench-tap-{os.getpid()}", f"sg-bench-send-{os.getpid()}"
TAP, OUTLET = "tap0", "send0"
RATES = "200000,300000,400000,500000,600000,0"
SENDER_CPU, TAP_CPU = 1, 0
HEAD = (
    " asked/s      sent    sent/s Gbit/s   taken in   dropped       names right   cpu s us a packet    memory    "
    "   sender  sender us"
)
# The last blocks are handed over within a twentieth of a second.
SETTLE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What stays the same from pace to pace."""

    sender: Path
    """The program that sends."""
    way: str
    """In which it shall, if it can."""
    capture: Path
    folder: Path
    """For events."""
    processes: int
    """That read the tap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one pace came to."""

    asked: int
    """Packets a second; 0: as many as it can."""
    way: str
    """In which they were sent: `frames` or `sendmmsg`."""
    sent: int
    """Packets."""
    seconds: float
    """That sending took."""
    sender_cpu_s: float
    """Processor seconds of the sender, without those that it waited."""
    cost: Cost
    """Of the collector."""
    names: int
    """Names that had to be found; 0: nobody knows the truth of this capture."""
    names_right: int
    """Names found; of those that had to be, where they are known."""

    @property
    def complete(self) -> bool:
        """Every packet sent was taken in, or dropped and counted."""
        return bool(self.sent == self.cost.told["packets"] + self.cost.told["dropped"])


def main() -> int:
    """Play every pace and print a table."""
    parser = argparse.ArgumentParser(prog="make bench-live", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--capture", type=Path, help="a classic pcap (default: a quarter of `mix`, made)")
    parser.add_argument("--processes", type=int, default=1, help="that read the tap (default 1)")
    rates = f"packets a second, commas between, 0 for as many as can be sent (default {RATES})"
    parser.add_argument("--rates", default=RATES, help=rates)
    parser.add_argument("--sender", choices=("frames", "sendmmsg"), default="frames", help="how packets are sent")
    args = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("ip") is None or (os.cpu_count() or 1) < 2:
        print("make bench-live: needs root, `ip` of iproute2 and two processors", file=sys.stderr)
        return 3
    print(f"Python {platform.python_version()}, Linux {platform.release()}, {platform.machine()}, load ", end="")
    print(f"{os.getloadavg()[0]:.1f} at the start\n")
    print(HEAD)
    incomplete = 0
    with tempfile.TemporaryDirectory(prefix="schoolgate-bench-") as folder, _cable():
        sender = built(Path(folder))
        capture = args.capture or _made(Path(folder))
        bench = Bench(sender=sender, way=args.sender, capture=capture, folder=Path(folder), processes=args.processes)
        for rate in map(int, args.rates.split(",")):
            trial = play(bench, rate=rate)
            print(_line(trial, size=capture.stat().st_size))
            incomplete += not trial.complete
    if incomplete:
        print(f"make bench-live: in {incomplete} of the runs packets were lost on the way to the tap", file=sys.stderr)
    return 1 if incomplete else 0


def _line(trial: Trial, *, size: int) -> str:
    told = trial.cost.told
    return (
        f"{f'{trial.asked:,}' if trial.asked else 'all':>8} {trial.sent:9,} {trial.sent / trial.seconds:9,.0f} "
        f"{size * 8 / trial.seconds / 1e9:6.2f} {told['packets']:10,} {told['dropped']:9,} "
        f"{trial.names_right:8,} of {f'{trial.names:,}' if trial.names else '?':>6} "
        f"{trial.cost.cpu_s:7.2f} {trial.cost.cpu_us(told['packets']):10.2f} {trial.cost.memory_mb:9.0f} MB "
        f"{trial.way:>9} {1e6 * trial.sender_cpu_s / trial.sent:10.2f}"
    )


def play(bench: Bench, *, rate: int) -> Trial:
    """Send the capture once while the collector watches."""
    out = bench.folder / "events.jsonl"
    where = str(TAP_CPU) if bench.processes == 1 else f"0-{(os.cpu_count() or 1) - 1}"
    pinned = ["ip", "netns", "exec", HERE, "taskset", "-c", where]
    worker = [sys.executable, "-m", "tests.bench.live_worker", TAP, str(out), str(bench.processes)]
    watching = subprocess.Popen([*pinned, *worker], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    assert watching.stdout.readline() == "ready\n"
    words = ["ip", "netns", "exec", THERE, str(bench.sender), OUTLET, str(bench.capture), str(rate), str(SENDER_CPU)]
    far = [f"/run/netns/{HERE}", TAP, *([] if bench.way == "frames" else [bench.way])]
    done = subprocess.run([*words, *far], stdout=subprocess.PIPE, text=True, check=True)
    time.sleep(SETTLE_S)
    watching.terminate()
    cost = hear(watching.stdout.read())
    watching.wait()
    way, sent, seconds, sender_cpu_s = done.stdout.split()
    names, right = _named(out, capture=bench.capture)
    return Trial(
        asked=rate,
        way=way,
        sent=int(sent),
        seconds=float(seconds),
        sender_cpu_s=float(sender_cpu_s),
        cost=cost,
        names=names,
        names_right=right,
    )


def _named(out: Path, *, capture: Path) -> tuple[int, int]:
    """Return how many names had to be found, 0 if nobody knows, and how many were. Events tell no client's address."""
    found: Counter[tuple[str, str, int, str]] = Counter()
    with out.open("rb") as lines:
        for line in lines:
            event = json.loads(line)
            if event["server_name"]:
                found[event["proto"], event["dst_ip"], event["dst_port"], event["server_name"]] += 1
    if not truth_of(capture).exists():
        return 0, found.total()
    wanted = Counter(
        (PROTOCOLS[ends[0]], str(ip_address(ends[3])), ends[4], name) for ends, name in true_names(capture)
    )
    return wanted.total(), (wanted & found).total()


def _made(folder: Path) -> Path:
    capture = folder / "mix.pcap"
    print("making a quarter of `mix` ...", file=sys.stderr)
    make("mix", capture, share=0.25)
    return capture


def built(folder: Path) -> Path:
    """Compile the sender in *folder*, and return its path."""
    sources = [str(Path(__file__).with_name(name)) for name in ("live_sender.c", "live_xdp.c")]
    program = folder / "live_sender"
    subprocess.run(["cc", "-O2", "-o", str(program), *sources], check=True)
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
