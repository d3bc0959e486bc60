"""What aiokafka leaves behind when a producer is fenced off: errors in futures that nobody can wait for."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest
from aiokafka.errors import ProducerFenced

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


async def test_any_other_error_that_nobody_looked_at_is_still_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        await leave(ValueError("ours"))
    assert ["never retrieved" in record.message for record in caplog.records] == [True]
