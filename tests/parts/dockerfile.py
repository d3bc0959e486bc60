"""Reads a Dockerfile: instructions by stage, as far as ours use the language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ARGUMENT = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One FROM and what follows."""

    base: str
    """Image or earlier stage, with arguments filled in."""
    name: str | None
    """What AS says."""
    instructions: tuple[tuple[str, str], ...]
    """Word and rest of the line, in order."""

    def of(self, word: str) -> list[str]:
        """Return the rests of the lines that begin with *word*."""
        return [rest for each, rest in self.instructions if each == word]


def stages(path: Path) -> list[Stage]:
    """Return the stages of the Dockerfile at *path*.

    Raises:
        ValueError: something stands there that a builder would refuse.
    """
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines))
    arguments: dict[str, str] = {}
    found: list[tuple[str, str | None, list[tuple[str, str]]]] = []
    for line in filter(str.strip, whole.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "ARG" and not found:
            name, _, default = rest.partition("=")
            arguments[name] = default
        elif word == "FROM":
            base, _, name = _ARGUMENT.sub(lambda match: arguments[match[1]], rest).partition(" AS ")
            found.append((base, name or None, []))
        elif word in {"RUN", "COPY", "ENV", "WORKDIR", "USER", "ENTRYPOINT", "CMD"} and found:
            found[-1][2].append((word, rest))
        else:
            raise ValueError(f"{path}: what is `{line}`?")
    return [Stage(base=base, name=name, instructions=tuple(rows)) for base, name, rows in found]
