"""Ends the broker's clients, whatever state the broker is in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

CLOSE_TIMEOUT_S = 3.0


async def ended(stopping: Coroutine[Any, Any, None]) -> bool:
    """Wait for a client's `stop()`, three seconds at most; return whether it ended as it should.

    It runs as a task of its own: aiokafka cancels its fetches while it stops, and the cancellation of one that a broker
    that is away left waiting comes out of `stop()` as if the caller had been cancelled.
    """
    work = asyncio.create_task(stopping)
    done, _ = await asyncio.wait({work}, timeout=CLOSE_TIMEOUT_S)
    if not done:
        work.cancel()
        return False
    return not work.cancelled() and work.exception() is None
