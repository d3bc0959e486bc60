"""Waits until an event loop has given its sockets back.

aiokafka closes some connections without awaiting it (the first one to a cluster, and one that fails while it logs in).
Where the loop ends before that is done, Python warns about it whenever it next collects garbage: in another test.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.parts.patience import PATIENCE_S


async def given_back() -> None:
    """Return when no transport of the running loop is open any more."""
    loop: Any = asyncio.get_running_loop()
    deadline = time.monotonic() + PATIENCE_S
    while open_ones := [each for each in loop._transports.values() if each._sock is not None]:
        assert time.monotonic() < deadline, f"still open: {open_ones}"
        await asyncio.sleep(0.01)
