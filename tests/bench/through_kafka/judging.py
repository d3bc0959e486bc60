"""Worker: stage one of `judge` alone, as a member of a group, until it is asked to stop; then it tells its cost."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace

from prometheus_client import CollectorRegistry

from collector import topics
from collector.brokers import quiet_client_library
from rules.judge_metrics import JudgeMetrics
from rules.judged_portion import JudgedPortion
from rules.kafka import Member, Stage
from rules.key_ring import KeyRing
from rules.partition_task import Core, Duty
from rules.rulebook import RulebookFiles, load_rulebook
from rules.stage_one import StageOne
from schoolgate.shell import new_key
from tests.bench.through_kafka.cost import Meter, tell
from tests.bench.through_kafka.state import days_of
from tests.bench.through_kafka.stream import SAMPLE
from tests.parts.case_keys import DerivedKeys


def main() -> None:
    """Judge as the product does, from topics and into topics of this run alone.

    Arguments: HOST:PORT, the topic of events, the name of the run (group, state and findings are called by it), and
    how many partitions to open before it ends by itself (0: it goes on until it is asked to stop).
    """
    bootstrap, source, run, enough = sys.argv[1:]
    quiet_client_library()
    said: list[str] = []
    duty = stage_one_duty(source=source, run=run)
    meter = Meter()
    member = Member(client={"bootstrap_servers": [bootstrap]}, name=run, instance=None, say=said.append)
    sums = asyncio.run(_until_asked(duty, member=member, enough=int(enough)))
    tell(meter.read(said=said, sums=sums))


def stage_one_duty(*, source: str, run: str) -> Duty:
    """Return stage one as `judge` has it, with topics of its own."""
    rulebook = load_rulebook(
        RulebookFiles(
            agreements=SAMPLE / "agreements", network=SAMPLE / "network.yaml", parties=(SAMPLE / "parties.yaml",)
        )
    )
    metrics = JudgeMetrics(CollectorRegistry(), rules=(), version="bench", compiled=True)
    keys = KeyRing(DerivedKeys())

    def core(partition: int, state: Mapping[bytes, bytes]) -> StageOne:
        return StageOne(partition=partition, topic=source, rulebook=rulebook, state=state, make_key=new_key, keys=keys)

    async def opened(_core: Core) -> None:
        return None

    async def committed(portion: JudgedPortion) -> None:
        metrics.judged(portion)

    return Duty(
        input=source,
        state=f"{run}.state",
        group=run,
        outputs={"findings": f"{run}.findings", "cases": topics.CASES, "dead-letters": topics.DEAD_LETTERS},
        transactional_id=run,
        days=lambda partition: days_of(run, partition=partition),
        core=core,
        opened=opened,
        committed=committed,
        undeleted=lambda: None,
    )


async def _until_asked(duty: Duty, *, member: Member, enough: int) -> int:
    """Take part, and return how many sums were restored."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    open_now = sums = 0

    async def opened(core: Core) -> None:
        nonlocal open_now, sums
        await duty.opened(core)
        open_now += 1
        sums += core.sums if isinstance(core, StageOne) else 0
        if open_now == enough:
            stop.set()

    await Stage(replace(duty, opened=opened), member=member).run(stop)
    return sums


if __name__ == "__main__":
    main()
