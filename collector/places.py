"""Keeps how far followed logs are read in a small file, so that a restart loses nothing and counts nothing twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from collector.sources.followed_file import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SCHEMA = "schoolgate/places/1"
MAX_OCTETS = 1 << 20
_FIELDS = ("device", "inode", "octets")


class PlaceBook:
    """The file of places.

    Args:
        path: where it lies; it is replaced as a whole each time.
        say: told in one sentence when it cannot be read or written.
    """

    def __init__(self, path: Path, *, say: Callable[[str], None]) -> None:
        self._path = path
        self._say = say
        self._fault = ""
        self._written: Mapping[str, Place] = {}

    def load(self) -> dict[str, Place]:
        """Return the places by file name; none: there is no such file, or it cannot be read."""
        try:
            with self._path.open("rb") as file:
                places = _places(json.loads(file.read(MAX_OCTETS)))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._say(f"{self._path}: does not say how far the logs were read; they are read from their start")
            return {}
        self._written = places
        return places

    def save(self, places: Mapping[str, Place]) -> None:
        """Write the places down, if they changed. What cannot be written is told once, and tried again."""
        if places == self._written:
            return
        rows = {name: {field: getattr(place, field) for field in _FIELDS} for name, place in sorted(places.items())}
        partial = self._path.with_name(self._path.name + ".partial")
        try:
            partial.write_text(json.dumps({"schema": SCHEMA, "files": rows}) + "\n", encoding="utf-8")
            partial.replace(self._path)
        except OSError as error:
            if str(error) != self._fault:
                self._fault = str(error)
                self._say(f"{self._path}: how far the logs are read cannot be kept ({error.strerror})")
            return
        self._fault = ""
        self._written = dict(places)


def _places(told: object) -> dict[str, Place]:
    if not isinstance(told, dict) or told["schema"] != SCHEMA:
        raise ValueError("no file of places")
    return {str(name): _place(row) for name, row in told["files"].items()}


def _place(row: object) -> Place:
    if not isinstance(row, dict):
        raise TypeError("no place")
    numbers = [row[field] for field in _FIELDS]
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise ValueError("no place")
    return Place(device=numbers[0], inode=numbers[1], octets=numbers[2])
