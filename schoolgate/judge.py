"""Kafka to findings and cases: what `schoolgate judge` starts. Both stages in one process, each in its own group."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, disable_created_metrics

from collector import topics
from collector.brokers import BrokerAwayError, BrokerError, BrokerRefusedError, connection, dial, dial_patiently
from collector.flows import COMPILED
from collector.server_tls import server_context
from rules.agreement_log import AgreementLog
from rules.consumer import StrangeClientError
from rules.district.rule import untold
from rules.findings import RULES
from rules.judge_metrics import STAGES, JudgeMetrics
from rules.kafka import Member, Stage
from rules.key_ring import KeyRing
from rules.partition_task import Duty
from rules.record_batches import MAX_BATCH_WEIGHT
from rules.rule_metrics import RuleMetrics
from rules.sealed_days import SealedDays
from rules.stage_one import StageOne
from rules.stage_two import StageTwo
from rules.state_days import case_day, engine_day
from rules.store import Store
from schoolgate.configuration import configuration_at, store_address
from schoolgate.configured import rulebook_files
from schoolgate.due_cases import due_cases_of
from schoolgate.metrics_server import serve_metrics
from schoolgate.own_doors import show_own_doors
from schoolgate.purging import PurgeMetrics, Purger, policy_of
from schoolgate.release import VERSION
from schoolgate.rights import keep_memory_private
from schoolgate.rulebook_source import RulebookSource
from schoolgate.shell import EnvironmentFailedError, new_key, say, today

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from collector.brokers import Connection
    from rules.case_portion import CasePortion
    from rules.judged_portion import JudgedPortion
    from rules.records import Portion, Topic
    from rules.sealed_days import DayOf

LOOK_EVERY_S = 1.0
ASK_TIMEOUT_S = 20.0

OUTPUTS: Final[Mapping[Topic, str]] = {
    "findings": topics.FINDINGS,
    "cases": topics.CASES,
    "dead-letters": topics.DEAD_LETTERS,
}


@dataclass(slots=True, kw_only=True)
class Judge:
    """Everything of one `judge`: both stages, the store, the metrics, and the files they judge by."""

    store: Store
    keys: KeyRing
    source: RulebookSource
    metrics: JudgeMetrics
    broker: Connection
    instance: str | None
    finding_days: int

    async def run(self) -> None:
        """Judge until somebody asks to stop.

        Raises:
            BrokerError: the broker cannot be reached, or does not let us in.
            EnvironmentFailedError: topics are missing.
        """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.source.ask)
        if not await _unless(stop, self._prepare()):
            say("stopped as asked; nothing was judged")
            return
        member = Member(
            client=self.broker.options,
            name=self.instance or f"{socket.gethostname()}:{os.getpid()}",
            instance=self.instance,
            say=say,
            refusal=self._refusal,
        )
        async with AgreementLog(topics.AGREEMENTS, client=self.broker.options) as log:
            # Before the first task: what is judged under an older set would be another verdict in a replay.
            await self.source.begin(log)
            self._declare()
            stages = [Stage(duty, member=member) for duty in (self.by_device(), self.by_agreement())]
            self.metrics.follow(lambda: sum(stage.behind for stage in stages))
            for name, stage in zip(STAGES, stages, strict=True):
                self.metrics.show_watermark(name, partial(getattr, stage, "watermark"))
            say("judging until Ctrl-C")
            try:
                async with asyncio.TaskGroup() as group:
                    # When one stage fails, the group ends the other.
                    for stage in stages:
                        group.create_task(stage.run(stop))
                    group.create_task(self._look(log, stages=stages, stop=stop))
            except ExceptionGroup as failed:
                # The first says why; what else failed did so because of it, or at the same moment for the same reason.
                raise failed.exceptions[0] from None
        say("stopped as asked; what was judged is kept")

    async def _prepare(self) -> None:
        await reach(self.broker)
        await find_topics(self.broker)

    async def _refusal(self) -> str | None:
        try:
            await dial(self.broker)
        except BrokerRefusedError as reason:
            return str(reason)
        except BrokerAwayError:
            return None
        return None

    def by_device(self) -> Duty:
        """Return the duty of stage one: flow events to findings."""

        def core(partition: int, state: Mapping[bytes, bytes]) -> StageOne:
            return StageOne(
                partition=partition, topic=topics.FLOWS, rulebook=self.source.rulebook, state=state, make_key=new_key,
                keys=self.keys,
            )  # fmt: skip

        async def opened(_core: Any) -> None:
            return None

        async def committed(portion: JudgedPortion) -> None:
            self.metrics.judged(portion)
            _tell_unreadable(portion, topic=topics.FLOWS)
            for trouble in untold(self.source.rulebook.rules):
                say(trouble)

        return Duty(
            input=topics.FLOWS,
            state=topics.ENGINE_STATE,
            group="schoolgate-judge-devices",
            outputs=OUTPUTS,
            transactional_id="schoolgate-judge-devices",
            days=self._days(topics.ENGINE_STATE, day_of=engine_day),
            core=core,
            opened=opened,
            committed=committed,
            undeleted=partial(self.metrics.undeleted, "devices"),
        )

    def by_agreement(self) -> Duty:
        """Return the duty of stage two: findings to cases, which go to the store as well."""

        def core(partition: int, state: Mapping[bytes, bytes]) -> StageTwo:
            day = today(self.source.rulebook.network)
            return StageTwo(
                partition=partition,
                topic=topics.FINDINGS,
                rulebook=self.source.rulebook,
                today=day,
                state=state,
                keys=self.keys,
                finding_days=self.finding_days,
            )

        async def opened(core: Any) -> None:
            # Whoever had the partition may have died between its transaction and the store.
            await self._keep(core.everything())

        async def committed(portion: CasePortion) -> None:
            self.metrics.concluded(portion)
            _tell_unreadable(portion, topic=topics.FINDINGS)
            await self._keep(portion)

        return Duty(
            input=topics.FINDINGS,
            state=topics.CASE_STATE,
            group="schoolgate-judge-agreements",
            outputs=OUTPUTS,
            transactional_id="schoolgate-judge-agreements",
            days=self._days(topics.CASE_STATE, day_of=case_day),
            core=core,
            opened=opened,
            committed=committed,
            undeleted=partial(self.metrics.undeleted, "agreements"),
        )

    def _days(self, topic: str, *, day_of: DayOf) -> Callable[[int], SealedDays]:
        return lambda partition: SealedDays(f"{topic}/{partition}", keys=self.store, day_of=day_of)

    def _declare(self) -> None:
        self.metrics.declare(self.source.agreements, rules=self.source.rulebook.rule_ids)

    async def _keep(self, portion: CasePortion) -> None:
        if portion.rows or portion.parts:
            await asyncio.to_thread(self.store.keep, portion.rows, parts=portion.parts)

    async def _look(self, log: AgreementLog, *, stages: list[Stage], stop: asyncio.Event) -> None:
        while not stop.is_set():
            rulebook = await self.source.look(log, wait_s=LOOK_EVERY_S)
            forgotten = await asyncio.to_thread(self.keys.refresh)
            if forgotten:
                say(f"{len(forgotten)} keys of cases were destroyed; what was sealed with them is passed over")
            if rulebook is not None:
                self._declare()
                for stage in stages:
                    stage.use(rulebook)


def judge(config: Path, *, instance: str | None, listen: str | None) -> None:
    """Do what `schoolgate judge` does.

    Args:
        config: the configuration file.
        instance: name for static membership; None: any member of the groups.
        listen: HOST:PORT of the metrics, over the configuration.

    Raises:
        DocumentError: a file is wrong.
        StoreError: the store cannot be used.
        EnvironmentFailedError: broker or port are not as they must be.
    """
    keep_memory_private()
    settings = configuration_at(config)
    files = rulebook_files(settings, folder=config.parent)
    broker = connection(settings.kafka, config=config)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no hints here
    registry = CollectorRegistry()
    metrics = JudgeMetrics(registry, rules=RULES, version=VERSION, compiled=COMPILED)
    source = RulebookSource(files, say=say, refused=metrics.refused_agreement)
    RuleMetrics(registry, rules=lambda: source.rulebook.rules)
    with ExitStack() as held:
        store = Store(store_address(settings.store, folder=config.parent))
        held.callback(store.close)
        PurgeMetrics(registry, store=store)
        due = due_cases_of(settings, folder=config.parent, store=store, say=say)
        purger = Purger(store, policy=policy_of(settings), say=say, due=due)
        purger.start()
        held.callback(purger.stop)
        tls = server_context(settings.metrics.tls, folder=config.parent)
        show_own_doors(registry, doors={"metrics": settings.metrics.tls}, folder=config.parent)
        server = serve_metrics(listen or settings.metrics.listen, registry=registry, tls=tls)
        held.callback(server.server_close)
        held.callback(server.shutdown)
        keys = KeyRing(store)
        all_of_it = Judge(
            store=store,
            keys=keys,
            source=source,
            metrics=metrics,
            broker=broker,
            instance=instance,
            finding_days=settings.privacy.finding_retention_days,
        )
        try:
            asyncio.run(all_of_it.run())
        except (BrokerError, StrangeClientError) as error:
            raise EnvironmentFailedError(str(error)) from error
        except (KafkaError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise EnvironmentFailedError(f"the broker does not let this judge work ({reason})") from error


def _tell_unreadable(portion: Portion, *, topic: str) -> None:
    number = portion.refused.count("unreadable_batch")
    if number:
        what = f"cannot be read, or would become larger than {MAX_BATCH_WEIGHT >> 20} MiB"
        say(f"{topic}: {number} record batches: {what}; see {topics.DEAD_LETTERS}, everything else is judged")


async def _unless(stop: asyncio.Event, doing: Coroutine[Any, Any, None]) -> bool:
    """Do something, and return whether it was done before somebody asked to stop."""
    work, asked = asyncio.create_task(doing), asyncio.create_task(stop.wait())
    await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not work.done():
        work.cancel()
        await asyncio.wait({work})
        return False
    work.result()
    return True


async def reach(broker: Connection) -> None:
    """Log in to the broker, or say why that cannot be done.

    Raises:
        BrokerError: not within five attempts, or half a minute.
    """
    await dial_patiently(broker, say=say)


async def find_topics(broker: Connection) -> None:
    """Make sure that the topics exist, and that each state topic has a partition for every one of its input.

    Raises:
        EnvironmentFailedError: they are not as they must be.
    """
    admin = AIOKafkaAdminClient(**broker.options)
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            await admin.start()
            there = set(await admin.list_topics())
            needed = [topics.FLOWS, topics.ENGINE_STATE, topics.FINDINGS, topics.CASE_STATE, topics.AGREEMENTS]
            needed += OUTPUTS.values()
            missing = sorted(set(needed) - there)
            told = [] if missing else await admin.describe_topics(needed[:4])
    except (KafkaError, TimeoutError) as error:
        raise EnvironmentFailedError(f"the broker does not tell its topics ({error})") from error
    finally:
        await admin.close()
    if missing:
        raise EnvironmentFailedError(f"topics are missing ({', '.join(missing)}); run `schoolgate kafka setup`")
    count = {row["topic"]: len(row["partitions"]) for row in told}
    for read, state in ((topics.FLOWS, topics.ENGINE_STATE), (topics.FINDINGS, topics.CASE_STATE)):
        if count[state] < count[read]:
            raise EnvironmentFailedError(
                f"{state} has {count[state]} partitions, {read} has {count[read]}; run `schoolgate kafka setup`"
            )
