"""One day by every way there is: `check`, `run`, and `collect` with judges that live or are killed. Used by a test.

Each way has a configuration, a store, a spool and keys of its own, so that nothing but the input is shared.
"""

from __future__ import annotations

import json
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from collector.topics import FINDINGS, FLOWS
from tests.parts.patience import PATIENCE_S
from tests.parts.program import Program
from tests.parts.topics import all_read
from tests.parts.verb_program import VerbProgram
from tests.parts.verbs import run_verb
from tests.system.product import SAMPLE, free_port, stored_report, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.parts.broker import Broker

SCENARIOS = Path(__file__).resolve().parents[3] / "shared" / "scenarios"
# An hour of a busy machine: the largest set has 360,000 events.
VERB_LIMIT_S = 600.0
ALL_READ_LIMIT_S = 600.0
# A judge that was told something holds back for a second what it says of its share.
CALM_S = 2.5
JUDGES = 4
GROUPS = {"schoolgate-judge-devices": FLOWS, "schoolgate-judge-agreements": FINDINGS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Traffic with the agreements that it is judged by."""

    name: str
    """Folder, or `sample`."""
    input: Path
    """A capture or flow events."""
    folder: Path
    """Where agreements, network and parties lie."""
    speed: float
    """Replay speed of the way on which judges are killed: it must last long enough for some of them to die at work."""
    kills: int
    """Judges killed on that way."""

    @property
    def location(self) -> Path | None:
        """The country database, None: the day has none."""
        path = self.folder / "locations.mmdb"
        return path if path.exists() else None


def sample_day(*, speed: float, kills: int) -> Day:
    """Return the bundled school day."""
    return Day(name="sample", input=SAMPLE / "day.pcap.gz", folder=SAMPLE, speed=speed, kills=kills)


def scenario(name: str, *, speed: float, kills: int) -> Day:
    """Return one set of the open scenarios."""
    folder = SCENARIOS / name
    found = [folder / each for each in ("capture.pcap.gz", "events.jsonl.gz") if (folder / each).exists()]
    return Day(name=name, input=found[0] if found else folder, folder=folder, speed=speed, kills=kills)


def checked(day: Day) -> dict[str, Any]:
    """Return the report of `check --json`."""
    words: list[str | Path] = [
        "check",
        day.input,
        "--agreements",
        day.folder / "agreements",
        "--network",
        day.folder / "network.yaml",
    ]
    words += ["--parties", day.folder / "parties.yaml", "--json"]
    words += ["--location", day.location] if day.location else []
    done = run_verb(words, limit_s=VERB_LIMIT_S)
    assert done.returncode in {0, 1}, done.stderr.decode()
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def configured(day: Day, *, folder: Path, broker: Broker | None = None, speed: float = 0) -> Path:
    """Write a configuration file into a new folder and return its path."""
    folder.mkdir()
    path = folder / "config.yaml"
    lines = [
        "schema: schoolgate/config/1",
        "sensor: lakeview-tap",
        f'source: {{capture: ["{day.input}"], speed: {speed}}}',
        f"network: {day.folder / 'network.yaml'}",
        f"agreements: {day.folder / 'agreements'}",
        f"parties: [{day.folder / 'parties.yaml'}]",
        f"location: {day.location or 'null'}",
        "store: sqlite:///cases.db",
        f'metrics: {{listen: "127.0.0.1:{free_port()}"}}',
        f'kafka: {{bootstrap: ["{broker.bootstrap}"]}}' if broker else "",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def embedded(day: Day, *, folder: Path) -> dict[str, Any]:
    """Return the report of `cases --json` after `run`."""
    config = configured(day, folder=folder)
    _finished("run", config)
    return stored_report(config)


class ThroughKafka:
    """One day through `collect` and any number of judges, all with one store.

    Args:
        day: the day.
        folder: made for configuration, store, spool and logs.
        broker: its topics are made and empty.
        speed: of the replay.
    """

    def __init__(self, day: Day, *, folder: Path, broker: Broker, speed: float = 0) -> None:
        self._broker = broker
        self._folder = folder
        self._config = configured(day, folder=folder, broker=broker, speed=speed)
        self._judges: dict[int, Program] = {}
        self._started = 0
        self.killed = 0
        """Judges killed so far."""

    def collect(self) -> None:
        """Bring the whole day to the broker."""
        _finished("collect", self._config)

    def start_judge(self, number: int) -> None:
        """Start judge *number*; every other one is a static member of the groups."""
        instance = ["--instance", f"judge-{number}"] if number % 2 else []
        words: list[str | Path] = [
            "judge",
            "--config",
            self._config,
            "--metrics",
            f"127.0.0.1:{free_port()}",
            *instance,
        ]
        self._started += 1
        self._judges[number] = VerbProgram(words, log=self._folder / f"{self._started:03}-judge-{number}.log")

    def report(self) -> dict[str, Any]:
        """Return the report of `cases --json` when the judges have read everything there is, and tell nothing more."""
        deadline = time.monotonic() + ALL_READ_LIMIT_S
        calm_since = None
        while calm_since is None or time.monotonic() - calm_since < CALM_S:
            assert time.monotonic() < deadline, f"records are left\n{self.said()}"
            if not all_read(self._broker.bootstrap, groups=GROUPS):
                calm_since = None
            elif calm_since is None:
                calm_since = time.monotonic()
            time.sleep(0.2)
        return stored_report(self._config)

    def settled_report(self, expected: dict[str, Any]) -> dict[str, Any]:
        """Return the report when it is *expected*, or what it is when it has not become that in time.

        What a judge writes to the store comes a moment after its transaction, and one that died between the two is
        followed by one that makes up for it.
        """
        report = self.report()
        deadline = time.monotonic() + 2 * PATIENCE_S
        while report != expected and time.monotonic() < deadline:
            time.sleep(0.5)
            report = self.report()
        return report

    def collect_while_judges_die(self, *, kills: int, seed: int) -> None:
        """Start the collector and four judges, and kill -9 judges at random; each is followed by a new one at once."""
        chance = random.Random(seed)  # noqa: S311 -- a seed makes the round the same every time
        for number in range(JUDGES):
            self.start_judge(number)
        collect = VerbProgram(("collect", "--config", self._config), log=self._folder / "collect.log")
        try:
            while collect.alive or self.killed < kills:
                # Now and then longer than a session (10 s): then partitions move, and are judged in their new place.
                time.sleep(chance.choice((chance.uniform(0.5, 4), chance.uniform(2, 6), chance.uniform(11, 14))))
                self._kill_one(chance)
            code = collect.wait(limit_s=VERB_LIMIT_S)
        finally:
            collect.kill()
        assert code == 0, collect.log.read_text(encoding="utf-8")

    def said(self) -> str:
        """Return what collector and judges said."""
        return "\n".join(path.read_text(encoding="utf-8") for path in sorted(self._folder.glob("*.log")))

    def end(self) -> list[int | None]:
        """End every judge in order, and return their exit codes."""
        for judge in self._judges.values():
            until(lambda: "judging until" in judge.log.read_text() or not judge.alive, what="a judge at work")  # noqa: B023
        for judge in self._judges.values():
            if judge.alive:
                judge.signal(signal.SIGTERM)
        return [judge.wait(limit_s=PATIENCE_S) for judge in self._judges.values()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill whatever is left."""
        for judge in self._judges.values():
            judge.kill()

    def _kill_one(self, chance: random.Random) -> None:
        number = chance.choice(sorted(self._judges))
        assert self._judges[number].alive, f"judge {number} ended by itself\n{self.said()}"
        self._judges[number].kill()
        self.killed += 1
        self.start_judge(number)


def _finished(verb: str, config: Path) -> None:
    done = run_verb([verb, "--config", config], limit_s=VERB_LIMIT_S)
    assert done.returncode == 0, done.stderr.decode()


def differences(found: Any, expected: Any, *, at: str = "") -> Iterator[str]:
    """Yield where two reports differ, one line a place."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in sorted({*found, *expected}):
            yield from differences(found.get(name), expected.get(name), at=f"{at}/{name}")
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            yield from differences(one, other, at=f"{at}/{number}")
    elif found != expected:
        yield f"{at}: {found!r} instead of {expected!r}"
