"""What aiokafka leaves behind when a producer is fenced off: errors in futures that nobody can wait for."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest
from aiokafka import TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch

from collector.brokers import BrokerAwayError, Connection, dial
from tests.parts.ports import free_ports


async def leave(error: Exception) -> None:
    """Let a future with an error go, in a loop in which a broker was dialled."""
    (port,) = free_ports(1)
    nowhere = Connection(bootstrap=(f"127.0.0.1:{port}",), user=None, client={"security_protocol": "PLAINTEXT"})
    with pytest.raises(BrokerAwayError):
        await dial(nowhere)
    asyncio.get_running_loop().create_future().set_exception(error)
    gc.collect()


async def test_an_error_that_a_fenced_producer_left_behind_prints_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        await leave(ProducerFenced())
    assert not caplog.records


async def test_a_request_that_misses_its_batch_because_the_producer_was_fenced_prints_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    accumulator = MessageAccumulator(ClusterMetadata(), batch_size=1 << 14, compression_type=0, batch_ttl=1)
    builder = BatchBuilder(1 << 14, 0)
    batch = MessageBatch(TopicPartition("flows", 0), builder, 1, 0)
    # What aiokafka does in that case; with another version of it, this test says so.
    with pytest.raises(KeyError) as missed:
        accumulator.reenqueue(batch)
    with caplog.at_level(logging.ERROR):
        await leave(missed.value)
        await asyncio.sleep(0)
    assert not caplog.records


async def test_any_other_error_that_nobody_looked_at_is_still_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        await leave(ValueError("ours"))
    assert ["never retrieved" in record.message for record in caplog.records] == [True]
