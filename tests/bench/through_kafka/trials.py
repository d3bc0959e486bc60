"""The trials of one run: each starts its workers, waits, looks whether the result is right, and prints one line."""

from __future__ import annotations

import asyncio
import atexit
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from collector.events import FlowEvent
from collector.topics import ENGINE_STATE, FINDINGS, FLOWS, TOPICS
from rules.checks.registry import all_checks
from rules.engine import Engine
from rules.findings import Finding
from rules.key_ring import KeyRing
from rules.rulebook import RulebookFiles, load_rulebook
from rules.sealed_records import open_finding
from tests.bench.through_kafka.cost import Cost, hear, process_cpu_s
from tests.bench.through_kafka.state import partitions
from tests.bench.through_kafka.stream import ROOT, SAMPLE, grown
from tests.bench.through_kafka.topic_side import contents, length, make_topics, until_judged, write
from tests.parts.broker import KafkaBroker
from tests.parts.case_keys import DerivedKeys

LIKE = {topic.name: topic for topic in TOPICS}
# What the rule looks for: the hosts of four products of the sample day.
HOSTS = {"rollcallkit.example": "rollcallkit", "mathtrek.example": "mathtrek", "edmentor.example": "edmentor"}
# Name -> worker, and the words after those that all get.
PEERS: dict[str, tuple[str, ...]] = {
    "Quix Streams, at least once": ("rule_quix", "at-least-once"),
    "Quix Streams, exactly once": ("rule_quix", "exactly-once"),
    "FastStream, at least once": ("rule_faststream",),
}
# What lies in the topics is compressed like this; a reader without the codec waits for ever.
CODEC = "zstd"
PATIENCE_S = 900.0
RULE_PATIENCE_S = 240.0
"""For one contender on one topic; the slowest needs some 40 s on a quiet machine."""
IDS_EACH = 9
"""Events for each sum: what the sample day has."""


class TrialError(Exception):
    """What came out is not what had to come out."""


class Rig:
    """A broker, a stream of events on it, and what its findings must come to.

    Args:
        broker: a fresh one.
        folder: for spools and files.
        events: length of the stream.
    """

    def __init__(self, broker: KafkaBroker, *, folder: Path, events: int) -> None:
        self._broker = broker
        self._bootstrap = broker.bootstrap
        self._folder = folder
        self._events = events
        self._lines = folder / "events.jsonl"
        values = [value for _key, value in grown(events)]
        self._lines.write_bytes(b"\n".join(values))
        self._expected = _sums(values)
        self._covered = sum(_is_covered(json.loads(value)["server_name"]) for value in values)
        asyncio.run(make_topics(self._bootstrap, LIKE.items()))

    def collect(self) -> None:
        """Events to the broker; the other trials read what this one wrote."""
        done = self._collect(FLOWS, when="at-once")
        _line("collect: spool, producer, acknowledged", done, events=self._events)

    def judge(self, *, processes: int) -> None:
        """Stage one on that many processes."""
        run = f"judge{processes}"
        self._topics(run)
        broker = self._broker_cpu_s()
        began = time.perf_counter()
        workers = [_worker("judging", self._bootstrap, FLOWS, run, 0) for _ in range(processes)]
        asyncio.run(until_judged(self._bootstrap, group=run, topic=FLOWS))
        wall = time.perf_counter() - began
        broker = self._broker_cpu_s() - broker
        for each in workers:
            each.terminate()
        costs = [_end(each) for each in workers]
        self._check(run)
        whole = Cost(
            cpu_s=sum(each.cpu_s for each in costs), wall_s=wall, memory_mb=max(each.memory_mb for each in costs)
        )
        _line(f"judge, stage one, {processes} process(es)", whole, events=self._events)
        print(f"{'':45} of the broker: {broker / self._events * 1e6:.1f} us an event")

    def rule(self, *, peers: Path | None) -> None:
        """The same stateless rule, ours and the peers', on the same topic."""
        (self._folder / "hosts.json").write_text(json.dumps(HOSTS), encoding="utf-8")
        ours = self._rule("rule_ours", python=sys.executable)
        _line("stateless rule: schoolgate, exactly once", ours, events=self._events)
        if peers is None:
            print("stateless rule: peers skipped; docs/benchmarks.md says what to install, then --peers FOLDER")
            return
        python = str(peers / "bin" / "python")
        _check_codec(python)
        for name, (worker, *words) in PEERS.items():
            theirs = self._rule(worker, *words, python=python)
            _line(f"stateless rule: {name}", theirs, events=self._events)
            print(f"{'':45} {theirs.cpu_s / ours.cpu_s:.1f} times ours")

    def restore(self, *, sums: int) -> None:
        """A judge that starts on a state of that many device-vendor-days."""
        self._topics("restore")
        asyncio.run(make_topics(self._bootstrap, [("restore", LIKE[FLOWS])]))
        number = LIKE[ENGINE_STATE].partitions
        records = partitions(sums, ids_each=IDS_EACH, number=number, run="restore")
        asyncio.run(write(self._bootstrap, "restore.state", records=records))
        del records
        done = _end(_worker("judging", self._bootstrap, "restore", "restore", number))
        if done.told["sums"] != sums // number * number:
            raise TrialError(f"restored {done.told['sums']:,} sums of {sums:,}")
        _line(f"restore: {sums:,} device-vendor-days", done, events=sums)

    def outage(self, *, live_per_s: int) -> None:
        """What gathered in a spool, sent and judged while somebody watches how fast the lag goes."""
        run = "outage"
        self._topics(run)
        asyncio.run(make_topics(self._bootstrap, [(run, LIKE[FLOWS])]))
        judge = _worker("judging", self._bootstrap, run, run, 0)
        sent = self._collect(run, when="after-outage")
        began = time.perf_counter() - sent.wall_s
        asyncio.run(until_judged(self._bootstrap, group=run, topic=run))
        wall = time.perf_counter() - began
        judge.terminate()
        _end(judge)
        self._check(run)
        rate = self._events / wall
        print(
            f"outage: {self._events / live_per_s:.0f} s of a district ({live_per_s} events/s) sent and judged in "
            f"{wall:.1f} s: {rate / live_per_s:.1f} times the live rate"
        )

    def _collect(self, topic: str, *, when: str) -> Cost:
        words = (self._bootstrap, self._lines, self._folder, topic, f"tap-{topic}", when)
        done = _end(_worker("collecting", *words))
        if done.told["delivered"] != self._events or done.told["left"]:
            raise TrialError(f"collect delivered {done.told}")
        return done

    def _rule(self, worker: str, *more: str, python: str) -> Cost:
        run = "-".join((worker, *more))
        self._topics(run)
        # Control records lie among the events: watermarks, and the end of the capture.
        records = asyncio.run(length(self._bootstrap, FLOWS))
        hosts = self._folder / "hosts.json"
        words = (self._bootstrap, FLOWS, run, hosts, self._events, records, *more)
        done = _end(_worker(worker, *words, python=python), patience_s=RULE_PATIENCE_S)
        found = len(asyncio.run(contents(self._bootstrap, f"{run}.findings")))
        if found != self._covered:
            raise TrialError(f"{run} emitted {found:,} findings instead of {self._covered:,}")
        return done

    def _check(self, run: str) -> None:
        """Compare the last state of each finding with what the embedded engine sums up."""
        last: dict[str, Finding] = {}
        keys = KeyRing(DerivedKeys())
        for record in asyncio.run(contents(self._bootstrap, f"{run}.findings")):
            if not record.headers:
                _case, told = open_finding(record.value, keys=keys)
                if told is not None and (told.id not in last or told.flows >= last[told.id].flows):
                    last[told.id] = told
        found = _by_promise((each.agreement, each.rule, each.flows, each.bytes_up) for each in last.values())
        if found != self._expected:
            raise TrialError(f"{run}: {found} instead of {self._expected}")

    def _topics(self, run: str) -> None:
        wanted = [(f"{run}.state", LIKE[ENGINE_STATE]), (f"{run}.findings", LIKE[FINDINGS])]
        asyncio.run(make_topics(self._bootstrap, wanted))

    def _broker_cpu_s(self) -> float:
        program = self._broker.program
        return 0.0 if program is None else process_cpu_s(program.pid)


def _sums(values: list[bytes]) -> Counter[tuple[str, str, str]]:
    """Return what the embedded engine makes of the events: flows, octets and number of findings by promise."""
    files = RulebookFiles(
        agreements=SAMPLE / "agreements", network=SAMPLE / "network.yaml", parties=(SAMPLE / "parties.yaml",)
    )
    book = load_rulebook(files)
    checks = all_checks(book.agreements, party_of=book.parties.find, country_of=None)
    engine = Engine(
        register=book.register, parties=book.parties, network=book.network, checks=checks,
        token_key=lambda _day: b"k" * 32,
    )  # fmt: skip
    decoder = msgspec.json.Decoder(FlowEvent)
    for value in values:
        engine.judge(decoder.decode(value))
    return _by_promise((each.agreement, each.rule, each.flows, each.bytes_up) for each in engine.drain())


def _by_promise(findings: Any) -> Counter[tuple[str, str, str]]:
    sums: Counter[tuple[str, str, str]] = Counter()
    for agreement, rule, flows, octets in findings:
        sums[agreement, rule, "findings"] += 1
        sums[agreement, rule, "flows"] += flows
        sums[agreement, rule, "bytes_up"] += octets
    return sums


def _is_covered(host: str | None) -> bool:
    return host is not None and any(host == name or host.endswith("." + name) for name in HOSTS)


def _worker(name: str, *words: object, python: str = sys.executable) -> subprocess.Popen[str]:
    command = [python, "-m", f"tests.bench.through_kafka.{name}", *map(str, words)]
    worker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    # Whatever ends this run, a worker never outlives it.
    atexit.register(worker.kill)
    return worker


def _check_codec(python: str) -> None:
    """Look whether aiokafka in the peers' environment can read what lies in the topics; librdkafka always can."""
    ask = f"from aiokafka import codec; raise SystemExit(not codec.has_{CODEC}())"
    if subprocess.run([python, "-c", ask], check=False).returncode != 0:
        raise TrialError(f"{python}: its aiokafka has no codec {CODEC}; install aiokafka[{CODEC}] there")


def _end(worker: subprocess.Popen[str], *, patience_s: float = PATIENCE_S) -> Cost:
    try:
        told, _ = worker.communicate(timeout=patience_s)
    except subprocess.TimeoutExpired:
        worker.kill()
        raise TrialError(f"a worker did not end within {patience_s:.0f} s: {worker.args!r}") from None
    if worker.returncode != 0:
        raise TrialError(f"a worker ended with {worker.returncode}")
    return hear(told)


def _line(name: str, cost: Cost, *, events: int) -> None:
    print(
        f"{name:45} {cost.cpu_us(events):7.1f} us an event {events / cost.wall_s:9,.0f} a second "
        f"{cost.memory_mb:6.0f} MB  {cost.wall_s:6.1f} s",
        flush=True,
    )
