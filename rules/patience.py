"""Waits for the broker no longer than it makes sense, and says afterwards what was waited for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def at_most(limit_s: float, *, awaited: str) -> AsyncIterator[None]:
    """Give up what is done within, when it takes longer than *limit_s* seconds.

    Args:
        limit_s: how long, in seconds.
        awaited: what is waited for, as a person is told.

    Raises:
        TimeoutError: it took longer; the text says what did.
    """
    limit = asyncio.timeout(limit_s)
    try:
        async with limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise TimeoutError(f"waited {limit_s:g} s for {awaited}") from None
        raise
