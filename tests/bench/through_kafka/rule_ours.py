"""Worker: the rule on the product's own way, which takes part in a group and writes in transactions."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from collector.brokers import quiet_client_library
from rules.intake import read_record
from rules.kafka import Member, Stage
from rules.partition_task import Duty
from rules.records import Output, Portion, Record
from rules.rulebook import Rulebook
from rules.sealed_days import SealedDays
from tests.bench.through_kafka.cost import Meter, tell
from tests.bench.through_kafka.rule import finding, table
from tests.parts.case_keys import DerivedKeys


class HostRule:
    """The core of one partition: stateless."""

    watermark: datetime | None = None
    open_days: tuple[date, ...] = ()

    def __init__(self, hosts: dict[str, str], *, count: list[int], expected: int, stop: asyncio.Event) -> None:
        self._hosts, self._count, self._expected, self._stop = hosts, count, expected, stop
        self._taken = 0

    def take(self, records: Sequence[Record]) -> Portion:
        """Apply the rule to *records*; an event is read as strictly as in the product."""
        outputs = []
        self._taken = 0
        for record in records:
            if "kind" in record.headers:
                continue
            self._taken += 1
            event = read_record(record.value or b"")
            octets = event.bytes_up + event.bytes_down
            found = finding(event.server_name, event_id=event.id, octets=octets, hosts=self._hosts)
            if found is not None:
                outputs.append(
                    Output(topic="findings", key=found["agreement"].encode(), value=msgspec.json.encode(found))
                )
        return Portion(
            outputs=tuple(outputs), state={}, next_offset=records[-1].offset + 1 if records else None, refused=()
        )

    def committed(self, portion: Portion) -> None:  # noqa: ARG002 -- the interface
        """Count, and stop when all is done."""
        self._count[0] += self._taken
        if self._count[0] >= self._expected:
            self._stop.set()

    def use(self, rulebook: Rulebook) -> None:
        """Nothing: there is no rulebook."""

    def passed(self, at: datetime) -> None:
        """Nothing: there is no state."""

    def ran(self, seconds: float) -> None:
        """Nothing: nothing is held back."""

    def waits(self, at: float) -> bool:  # noqa: ARG002 -- the interface
        """Nothing is held back."""
        return False

    def work(self, at: float) -> None:
        """Nothing takes long."""

    def worked(self, result: Any) -> None:
        """Nothing was to be done."""


def main() -> None:
    """Apply the rule to every event. Arguments: HOST:PORT, topic, run, table, number of events, records in all."""
    bootstrap, topic, run, hosts, events, _records = sys.argv[1:]
    quiet_client_library()
    meter = Meter()
    count = [0]
    asyncio.run(_work(bootstrap, topic=topic, run=run, hosts=table(hosts), expected=int(events), count=count))
    tell(meter.read(events=count[0]))


async def _work(
    bootstrap: str, *, topic: str, run: str, hosts: dict[str, str], expected: int, count: list[int]
) -> None:
    stop = asyncio.Event()

    def core(partition: int, state: Mapping[bytes, bytes]) -> HostRule:  # noqa: ARG001 -- the interface
        return HostRule(hosts, count=count, expected=expected, stop=stop)

    async def nothing(_told: Any) -> None:
        return None

    duty = Duty(
        input=topic, state=f"{run}.state", group=run, outputs={"findings": f"{run}.findings"}, transactional_id=run,
        days=lambda partition: SealedDays(f"{run}/{partition}", keys=DerivedKeys(), day_of=lambda _key, _value: None),
        core=core, opened=nothing, committed=nothing, undeleted=lambda: None,
    )  # fmt: skip
    client = {"bootstrap_servers": [bootstrap]}
    await Stage(duty, member=Member(client=client, name=run, instance=None, say=lambda _line: None)).run(stop)


if __name__ == "__main__":
    main()
