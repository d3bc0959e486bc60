"""What a piece of work cost a process, and what it says of it to the process that started it."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One piece of work."""

    cpu_s: float
    """Processor seconds of all threads of the process, user and system."""
    wall_s: float
    """Seconds that went by."""
    memory_mb: float
    """Largest resident size of the process so far."""
    told: dict[str, Any] = field(default_factory=dict)
    """What the worker counted."""

    def cpu_us(self, events: int) -> float:
        """Return processor microseconds for each of *events*."""
        return self.cpu_s / events * 1e6


class Meter:
    """Measures from its making on."""

    def __init__(self) -> None:
        self._cpu_s = cpu_s()
        self._began = time.perf_counter()

    def read(self, **told: Any) -> Cost:
        """Return the cost so far, together with what was counted."""
        wall_s = time.perf_counter() - self._began
        return Cost(cpu_s=cpu_s() - self._cpu_s, wall_s=wall_s, memory_mb=_peak_mb(), told=told)


def _peak_mb() -> float:
    # `ru_maxrss` begins with what the parent had when it forked; this line of proc(5) begins with exec.
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def cpu_s() -> float:
    """Return the processor seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def tell(cost: Cost) -> None:
    """Write *cost* as the last line that this process prints."""
    print(json.dumps(asdict(cost)))
    sys.stdout.flush()


def hear(text: str) -> Cost:
    """Return what a process told in its last line."""
    return Cost(**json.loads(text.strip().splitlines()[-1]))


def process_cpu_s(pid: int) -> float:
    """Return the processor seconds that another process has used so far (Linux: proc(5), stat, fields 14 and 15)."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


TICKS = 100
"""USER_HZ: what the kernel counts processor time in for other programs, on every Linux there is."""
