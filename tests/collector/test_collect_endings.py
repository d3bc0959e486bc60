"""How `collect` ends when more than one of its parts fails."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from collector.spool_file import SpoolError
from schoolgate.collect import heard


async def fail() -> None:
    raise SpoolError("the disk is full")


async def both_fail() -> None:
    filling, sending = asyncio.create_task(fail()), asyncio.create_task(fail())
    await heard(filling, sending)
    assert isinstance(filling.exception(), SpoolError)


async def test_of_two_parts_that_fail_together_neither_is_complained_of_when_it_is_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        await both_fail()
        gc.collect()
    assert not caplog.records


async def test_a_part_that_nobody_hears_of_would_be_complained_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        await asyncio.wait({asyncio.create_task(fail())})
        gc.collect()
    assert ["never retrieved" in record.message for record in caplog.records] == [True]


async def test_a_part_that_was_cancelled_is_no_error() -> None:
    waiting = asyncio.create_task(asyncio.sleep(60))
    waiting.cancel()
    await heard(waiting)
    assert waiting.cancelled()
