"""One round of chaos: start everything, harm it, wait until it has recovered, and look at what the topics say."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final

from rules.key_ring import KeyRing
from rules.rulebook import RulebookFiles
from rules.service import stored_report
from rules.store import Store
from schoolgate.check import check
from tests.chaos import invariants, topics
from tests.chaos.district import ORIGIN, CollectorFolder, lay_collectors, lay_judge
from tests.chaos.faults import Harm
from tests.chaos.invariants import Account, Brought
from tests.chaos.lane import Lane
from tests.chaos.plan import Plan
from tests.chaos.processes import Process, supervise
from tests.chaos.topics import Reading
from tests.system.product import command, free_port

# From the moment at which all is mended. A client that lost its broker gives up after at most 30 s and tries again.
RECOVERY_LIMIT_S: Final = 180.0
START_LIMIT_S: Final = 90.0
STOP_LIMIT_S: Final = 45.0
# What judges weigh together they weigh again once nothing came for half a minute.
STORE_LIMIT_S: Final = 90.0
VERB_LIMIT_S: Final = 120
LOOK_S: Final = 0.5
# A judge that was told something holds back for a second what it says of its share.
CALM_S: Final = 2.5
LIVE_STOPS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a round."""

    plan: Plan
    problems: tuple[str, ...]
    """Invariants that broke; none: the round is good."""
    told: str
    """What happened, in a line."""
    seconds: float


class _WedgedError(Exception):
    """Something did not recover in time."""


def play(plan: Plan, *, lane: Lane) -> Outcome:
    """Run one round on *lane*; its folder stays when something broke."""
    began = time.monotonic()
    folder = lane.folder / f"round-{plan.seed}-{plan.number}"
    shutil.rmtree(folder, ignore_errors=True)
    one = _Round(plan, lane=lane, folder=folder)
    try:
        asyncio.run(one.run())
    except Exception as fault:  # noqa: BLE001 -- whatever fails, the round failed, and the others go on
        one.problems += [f"{type(each).__name__}: {each}" for each in _leaves(fault)]
    finally:
        one.end()
    if one.problems:
        with suppress(Exception):
            lane.replace_broker()
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(plan=plan, problems=tuple(one.problems), told=", ".join(one.told), seconds=time.monotonic() - began)


class _Round:
    def __init__(self, plan: Plan, *, lane: Lane, folder: Path) -> None:
        self.problems: list[str] = []
        self.told: list[str] = []
        self._plan = plan
        self._lane = lane
        self._folder = folder
        self._processes: list[Process] = []
        self._folders: list[CollectorFolder] = []

    async def run(self) -> None:
        """Play the round."""
        plan, lane = self._plan, self._lane
        flows, findings = plan.partitions
        await topics.make_anew(lane.broker.bootstrap, flows=flows, findings=findings)
        config = lay_judge(self._folder, lane=lane)
        self._folders = lay_collectors(self._folder, plan=plan, lane=lane)
        if lane.clock is not None:
            lane.clock.jump(0)
        judges = [self._judge(config, number=number) for number in range(plan.judges)]
        collectors = [self._collect(folder) for folder in self._folders]
        self._processes = [*judges, *collectors]
        harm = Harm(lane=lane, plan=plan, collectors=collectors, judges=judges, folders=self._folders)
        watching = asyncio.create_task(supervise(self._processes))
        try:
            await self._until_at_work()
            await harm.inflict()
            mended = time.monotonic()
            await self._until_collected(collectors)
            store = Store(f"sqlite:///{config.parent / 'cases.db'}")
            try:
                async with Reading(lane.broker.bootstrap, keys=KeyRing(store)) as reading:
                    await self._until_judged(reading)
                    self.told.append(f"whole again after {time.monotonic() - mended:.1f} s")
                    await self._hold_against(reading, config=config, judges=judges)
            finally:
                store.close()
        finally:
            watching.cancel()
            self.told += harm.notes

    def end(self) -> None:
        """End whatever is left, and hold against the processes what they did wrong."""
        for process in self._processes:
            process.kill()
            self.problems += process.wrong
            if "Traceback" in process.said():
                self.problems.append(f"{process.name} printed a traceback: {process.log}")
        for folder in self._folders:
            if self._lane.networks is not None:
                if self.problems:
                    shutil.copytree(folder.disk, folder.disk.with_name("disk-kept"), dirs_exist_ok=True)
                self._lane.unmount(folder.disk)

    async def _until_at_work(self) -> None:
        """On a busy machine programs take long to start, and what is not at work is not harmed by much."""
        deadline = time.monotonic() + START_LIMIT_S
        while not all(folder.at_work for folder in self._folders):
            if time.monotonic() > deadline:
                raise _WedgedError(f"a collector wrote nothing down within {START_LIMIT_S:.0f} s")
            await asyncio.sleep(LOOK_S / 10)

    async def _until_collected(self, collectors: Sequence[Process]) -> None:
        deadline = time.monotonic() + RECOVERY_LIMIT_S
        for process, folder in zip(collectors, self._folders, strict=True):
            if folder.live:
                await self._drain(process, folder=folder)
        while not all(process.finished for process in collectors):
            if time.monotonic() > deadline:
                late = [process.name for process in collectors if not process.finished]
                raise _WedgedError(f"{', '.join(late)}: not done {RECOVERY_LIMIT_S:.0f} s after all was mended")
            await asyncio.sleep(LOOK_S)

    async def _drain(self, process: Process, *, folder: CollectorFolder) -> None:
        """Stop a collector that would watch for ever; start and stop it again until its spool is empty."""
        for _ in range(LIVE_STOPS):
            async with process.busy:
                await process.stop(limit_s=STOP_LIMIT_S)
                if folder.account()[1] == 0:
                    return
                process.start()
                await asyncio.sleep(5)
        self.problems.append(f"{process.name}: its spool does not get empty")

    async def _until_judged(self, reading: Reading) -> None:
        deadline = time.monotonic() + RECOVERY_LIMIT_S
        calm_since = None
        while calm_since is None or time.monotonic() - calm_since < CALM_S:
            await reading.read_on()
            behind = await reading.behind()
            if behind:
                calm_since = None
            elif calm_since is None:
                calm_since = time.monotonic()
            if time.monotonic() > deadline:
                raise _WedgedError(f"not judged {RECOVERY_LIMIT_S:.0f} s after the collectors: {'; '.join(behind)}")
            await asyncio.sleep(LOOK_S)

    async def _hold_against(self, reading: Reading, *, config: Path, judges: Sequence[Process]) -> None:
        found = [
            invariants.brought(reading, account=self._account(number)) for number in range(len(self._folders))
        ]  # fmt: skip
        for each in found:
            self.problems += each.problems
        expected = self._checked(found)
        await self._until_stored(config, expected=expected)
        await asyncio.gather(*(_stop(judge) for judge in judges))
        await reading.read_on()
        self.problems += [f"after the end: {each}" for each in await reading.behind()]
        self.problems += invariants.letters(reading)
        self.problems += invariants.versions(reading)
        self.problems += invariants.same_cases(reading, expected=expected)
        printed = await asyncio.to_thread(_printed, command("cases", "--config", config, "--json"))
        self.problems += invariants.same_report(printed, expected=expected, what="`cases --json`")
        events = sum(len(each.events) for each in found)
        again = sum(each.records for each in found) - events
        dropped = sum(len(each.dropped) for each in found)
        starts = sum(process.starts for process in self._processes) - len(self._processes)
        self.told.insert(0, f"{events:,} events")
        self.told += [f"{again:,} came twice"] if again else []
        self.told += [f"{dropped:,} dropped and told"] if dropped else []
        gave_up = sum(process.gave_up for process in self._processes)
        self.told += [f"{starts} started again"] if starts else []
        self.told += [f"{gave_up} of them had given up by themselves"] if gave_up else []
        self.told.append(f"{len(expected['cases'])} cases")
        if not expected["cases"]:
            self.problems.append("the events give no case: this round tests little")
        if self._plan.live and self._lane.networks is not None and not dropped:
            self.problems.append("the flood made nothing drop: this round tests little")

    def _account(self, number: int) -> Account:
        folder = self._folders[number]
        following, waiting = folder.account()
        cuts = () if folder.live else self._plan.captures[number]
        expected = [
            event for cut in cuts for event in self._lane.material.events(cut, sensor=folder.sensor)
        ]  # fmt: skip
        return Account(
            sensor=folder.sensor, origin=ORIGIN, following=following, waiting=waiting, captures=len(cuts),
            expected=expected,
        )  # fmt: skip

    def _checked(self, found: Sequence[Brought]) -> dict[str, Any]:
        """Return the report of `check --json` over the events in the topic, each once."""
        path = self._folder / "events.jsonl.gz"
        lines = [json.dumps(event) for each in found for _number, event in sorted(each.events.items())]
        path.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n", compresslevel=1))
        rules = RulebookFiles(
            agreements=self._folder / "agreements",
            network=self._folder / "network.yaml",
            parties=(self._folder / "parties.yaml",),
        )
        # In this process: the verb's own start would cost more than all else that is done after a round.
        with redirect_stdout(StringIO()) as printed:
            check([str(path)], files=rules, as_json=True)
        report: dict[str, Any] = json.loads(printed.getvalue())
        # What the collector kept back is told by the frame of a stored report alone (`rules.service.stored_report`).
        report["coverage"].pop("withheld", None)
        return report

    async def _until_stored(self, config: Path, *, expected: Mapping[str, Any]) -> None:
        """Wait until the judges have written down what they have committed; what is wrong then is told later."""
        store = Store(f"sqlite:///{config.parent / 'cases.db'}")
        deadline = time.monotonic() + STORE_LIMIT_S
        try:
            while stored_report(store) != expected and time.monotonic() < deadline:  # noqa: ASYNC110 -- it must be asked
                await asyncio.sleep(LOOK_S)
        finally:
            store.close()

    def _judge(self, config: Path, *, number: int) -> Process:
        words: list[str | Path] = ["judge", "--config", config, "--metrics", f"127.0.0.1:{free_port()}"]
        words += ["--instance", f"judge-{number}"] if self._plan.static else []
        return Process(
            name=f"judge {number}",
            command=[*self._lane.inside("judge"), *self._clocked(command(*words))],
            log=self._folder / f"judge-{number}.log",
            ends=False,
            ready_word="judging until",
        )

    def _collect(self, folder: CollectorFolder) -> Process:
        words: list[str | Path] = ["collect", "--config", folder.config, "--metrics", f"127.0.0.1:{free_port()}"]
        return Process(
            name=f"collect {folder.sensor}",
            command=[*self._lane.inside("collect"), *self._clocked(command(*words))],
            log=folder.config.with_name("collect.log"),
            ends=not folder.live,
            ready_word="collecting until",
        )

    def _clocked(self, words: list[str]) -> list[str]:
        if self._plan.jumps and self._lane.clock is not None:
            return [*self._lane.clock.prefix, *words]
        return words


def _leaves(fault: Exception) -> list[Exception]:
    """Return what really failed: the errors in a group of errors."""
    if isinstance(fault, ExceptionGroup):
        return [leaf for each in fault.exceptions for leaf in _leaves(each)]
    return [fault]


async def _stop(process: Process) -> None:
    async with process.busy:
        await process.stop(limit_s=STOP_LIMIT_S)


def _printed(words: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=VERB_LIMIT_S)
    if done.returncode != 0:
        raise ValueError(f"`{words[3]}` ended with {done.returncode}: {done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report
