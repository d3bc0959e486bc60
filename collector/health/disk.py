"""Whether there is room for what is written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collector.outcomes import failed, not_applicable, warning, well

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from collector.outcomes import Outcome

# With less SQLite cannot even tidy up.
LEAST_OCTETS: Final = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that grows."""

    what: str
    """What it is, for a person."""
    file: Path
    """Where; it need not be there yet."""
    octets: int
    """How large it may become."""


def disk(needs: Iterable[Need]) -> Iterator[Outcome]:
    """Yield for each file whether it can become as large as it may."""
    for need in needs:
        folder = need.file.parent
        try:
            room = os.statvfs(folder)
            there = need.file.stat().st_size if need.file.exists() else 0
        except OSError as error:
            yield not_applicable(f"{folder} ({need.what}) cannot be looked at ({error.strerror})")
            continue
        free = room.f_bavail * room.f_frsize
        told = f"{_shown(free)} free in {folder} ({need.what})"
        if free < LEAST_OCTETS or (room.f_files and not room.f_favail):
            yield failed(f"the disk is full: {told}", remedy="free some, or name another place in the configuration")
        elif free < need.octets - there:
            yield warning(
                f"{told}, and it may grow to {_shown(need.octets)}",
                remedy="free some, name another place, or allow it less",
            )
        else:
            yield well(told)


def _shown(octets: int) -> str:
    return f"{octets / 1e9:.1f} GB" if octets >= 1e9 else f"{octets / 1e6:.0f} MB"
