"""Runs a target on changed seeds as fast as it goes, in a process of its own whose death is a finding too."""

from __future__ import annotations

import mmap
import os
import resource
import signal
import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tests.fuzz.mutations import Mutator, TalkMutator

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

MEMORY_OCTETS = 1 << 30
"""Address space of a run beside what whoever starts it has (RLIMIT_AS); what needs more ends with MemoryError."""
RESIDENT_OCTETS = 400 << 20
"""Most memory that a run may have taken in the end, likewise: whatever its inputs were, nothing of them is kept."""
EXECUTION_S = 0.5
"""Processor time of the longest execution; inputs have a few thousand octets."""
HANG_S = 20.0
"""Processor time after which the kernel ends a run that hangs where no Python runs."""
_ROOM = 1 << 20
_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to."""

    executions: int
    cpu_s: float
    longest_s: float
    """Processor time of the longest execution."""
    memory_mb: float
    """Most memory of the process."""
    failure: str
    """What went wrong; empty: nothing."""
    octets: bytes
    """The input that did it, or the one that took longest."""


def drive(name: str, target: Target, *, executions: int, seconds: float, seed: int) -> Outcome:
    """Run *target* so often, or so long, whichever ends first; 0 is no bound.

    Args:
        name: of the target; part of what decides the inputs.
        target: what is run.
        executions: how often at most.
        seconds: processor time at most.
        seed: the same seed gives the same inputs.
    """
    shared = mmap.mmap(-1, _ROOM)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        status = 1
        try:
            # A process that ran thousands of tests has a gigabyte of its own.
            most = MEMORY_OCTETS + _taken()[0]
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            told = _run(name, target, executions=executions, seconds=seconds, seed=seed, shared=shared)
            os.write(writer, told.encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    size = int.from_bytes(shared[:4], "big")
    octets = bytes(shared[4 : 4 + size])
    if not told:
        what = signal.Signals(status & 127).name if status & 127 else f"status {status >> 8}"
        return Outcome(executions=0, cpu_s=0.0, longest_s=0.0, memory_mb=0.0, failure=f"ended by {what}", octets=octets)
    count, cpu_s, longest_s, memory_mb, failure = told.split("\n", maxsplit=4)
    return Outcome(
        executions=int(count),
        cpu_s=float(cpu_s),
        longest_s=float(longest_s),
        memory_mb=float(memory_mb),
        failure=failure,
        octets=octets,
    )


def _taken() -> tuple[int, int]:
    """Return the octets of address space and of memory that this process has now."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 -- no path of ours
        space, resident, *_ = (int(pages) * resource.getpagesize() for pages in file.read().split())
    return space, resident


def _run(name: str, target: Target, *, executions: int, seconds: float, seed: int, shared: mmap.mmap) -> str:
    random = Random(f"{seed}/{name}")  # noqa: S311 -- inputs, no secrets
    mutator = (TalkMutator if target.talk else Mutator)(random, seeds=target.seeds())
    failure, done, longest, worst = "", 0, 0.0, b""
    begin = time.process_time()
    _, had = _taken()
    clock = time.thread_time
    while not failure:
        signal.setitimer(signal.ITIMER_VIRTUAL, HANG_S)  # without a handler it ends the process
        for _ in range(min(_BATCH, executions - done) if executions else _BATCH):
            octets = mutator.next()
            size = len(octets)
            shared[:4] = size.to_bytes(4, "big")
            shared[4 : 4 + size] = octets
            started = clock()
            try:
                target.run(octets)
            except BaseException as error:  # noqa: BLE001 -- whatever it is, it is what was looked for
                failure = f"{type(error).__name__}: {error}"
                break
            took = clock() - started
            done += 1
            if took > longest:
                longest, worst = took, octets
                if took > EXECUTION_S:
                    failure = f"took {took:.2f} s of processor time"
                    break
        spent = time.process_time() - begin
        if (executions and done >= executions) or (seconds and spent >= seconds):
            break
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    memory = most / (1 << 20)
    if not failure and most - had > RESIDENT_OCTETS:
        failure = f"took {(most - had) / (1 << 20):.0f} MB of memory"
    if not failure:
        shared[:4] = len(worst).to_bytes(4, "big")
        shared[4 : 4 + len(worst)] = worst
    return f"{done}\n{time.process_time() - begin}\n{longest}\n{memory}\n{failure}"
