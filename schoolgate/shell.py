"""What every verb shares: exit codes, messages, fresh keys."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from datetime import date

    from collector.segments import Network


class Exit(IntEnum):
    """How a verb ends (contract, section 1)."""

    DONE = 0
    CASES = 1
    WRONG_INPUT = 2
    ENVIRONMENT = 3


class EnvironmentFailedError(Exception):
    """Something outside failed: a port is taken, a disk is full."""


def say(text: str) -> None:
    """Write one line to standard error, never wrapped."""
    sys.stderr.write(text + "\n")


def tell_warning(warning: str) -> None:
    """Show a warning, if there is one."""
    if warning:
        say(f"warning: {warning}")


def end_with_the_reader() -> None:
    """Let `schoolgate flows day.pcap | head` end quietly when head has seen enough."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def need_streams() -> None:
    """Make sure that there is somewhere to write to.

    A stream that was closed before we began (`>&-`) is none, and its number would go to the next file that is opened.

    Raises:
        EnvironmentFailedError: standard output is closed.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 -- as long as the process
    if sys.stdout is None:
        raise EnvironmentFailedError("standard output is closed; point it at a file, a program or /dev/null")


def leave(tables: object) -> NoReturn:  # noqa: ARG001 -- held by the caller until there is nobody to take them down
    """End the process as `Exit.DONE`; *tables* go with its memory, which is quicker than to take them down."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(Exit.DONE)


def new_key() -> bytes:
    """Return 32 random octets."""
    return os.urandom(32)


def today(network: Network) -> date:
    """Return the district's date now."""
    return network.local_day(datetime.now(UTC))
