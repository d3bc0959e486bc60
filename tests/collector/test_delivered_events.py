"""What a broker has taken is nowhere in the collector's files any more, also while nothing comes after it."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from collector.brokers import Connection
from collector.kafka import Delivery, DeliveryHooks
from collector.spool import Spool
from tests.parts.broker import Broker
from tests.parts.patience import PATIENCE_S

pytestmark = pytest.mark.kafka


async def test_delivered_events_leave_the_files_of_a_collector_that_rests(broker: Broker, tmp_path: Path) -> None:
    topic = f"rests-{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    await admin.close()
    mark = b"www.clinic.example"

    def files_with_it() -> set[str]:
        return {path.name for path in tmp_path.iterdir() if mark in path.read_bytes()}

    hooks = DeliveryHooks(say=lambda _line: None, delivered=lambda _events: None)
    to = Connection(bootstrap=(broker.bootstrap,), user=None, client={"security_protocol": "PLAINTEXT"})
    with Spool(tmp_path / "spool.db", max_bytes=1 << 20, origin=1) as spool:
        spool.append([(b"d1", b'{"server_name":"%s"}' % mark)])
        assert files_with_it() == {"spool.db-wal"}
        delivery = Delivery(spool, to=to, collector="tap", hooks=hooks, topic=topic)
        running = asyncio.create_task(delivery.run())
        async with asyncio.timeout(PATIENCE_S):
            while files_with_it():  # noqa: ASYNC110 -- a disk calls nobody
                await asyncio.sleep(0.05)
        assert not spool.rows
        assert not running.done()
        delivery.finish()
        await running
