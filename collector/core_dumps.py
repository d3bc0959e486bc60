"""Keeps the memory of this process to itself: no core dump, and no look into it by others of the same user.

The memory holds keys and addresses. What a crash writes and what a debugger reads would be copies that no promise
reaches. Locking it against swap is left to the service's unit and container, which forbid swap for the whole process:
locked pages would have to be those of every copy that Python makes of a key.
Sources: prctl(2) PR_SET_DUMPABLE, setrlimit(2), core(5).
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from typing import Final

# linux/prctl.h
PR_GET_DUMPABLE: Final = 3
PR_SET_DUMPABLE: Final = 4


class CoreDumpError(RuntimeError):
    """The kernel would still write this memory down; the message says why."""


def forbid_core_dumps() -> None:
    """Forbid them for good; to be called again after the user has changed, which makes the kernel forget half of it.

    Raises:
        CoreDumpError: the kernel would still write one.
    """
    if resource.getrlimit(resource.RLIMIT_CORE) != (0, 0):  # a unit that sets it may let nobody set limits
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    nothing = [ctypes.c_ulong(0)] * 4
    if libc.prctl(PR_SET_DUMPABLE, *nothing) != 0:
        raise CoreDumpError(f"core dumps cannot be forbidden ({os.strerror(ctypes.get_errno())})")
    # A pipe in core_pattern takes dumps whatever the limit is; only this keeps them from it.
    if libc.prctl(PR_GET_DUMPABLE, *nothing) != 0:
        raise CoreDumpError("core dumps cannot be forbidden: the kernel says that they are still made")
