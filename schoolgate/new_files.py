"""Writes files that people rely on: whole or not at all, and never over another without being told."""

from __future__ import annotations

import os
from contextlib import suppress
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from collector.problems import DocumentError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_READABLE = 0o644


def refuse_existing(paths: Iterable[Path]) -> None:
    """Refuse when any of *paths* is there already.

    Raises:
        DocumentError: with every one that is.
    """
    problems = [_exists(path) for path in paths if path.exists() or path.is_symlink()]
    if problems:
        raise DocumentError(problems)


def write_files(texts: Mapping[Path, str], *, overwrite: bool) -> None:
    """Write each text; at every moment a file is there whole or not at all, also when the process is killed.

    Args:
        texts: path -> text.
        overwrite: replace a file that is there; otherwise that is refused before anything is written.

    Raises:
        DocumentError: a file is there already.
        OSError: the folder cannot be written.
    """
    if not overwrite:
        refuse_existing(texts)
    for path, text in texts.items():
        _write(path, text.encode(), overwrite=overwrite)


def _write(path: Path, octets: bytes, *, overwrite: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A hidden name: a folder of agreements is read again when it changes, and hidden files are left alone.
    with NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", suffix=".new", delete=False) as file:
        try:
            file.write(octets)
            file.flush()
            os.fchmod(file.fileno(), _READABLE)
            os.fsync(file.fileno())
            if overwrite:
                os.replace(file.name, path)  # noqa: PTH105 -- a name as the standard library gave it
            else:
                # A link fails where somebody wrote the file in the meantime; a rename would replace it.
                os.link(file.name, path)
        except FileExistsError:
            raise DocumentError([_exists(path)]) from None
        finally:
            with suppress(FileNotFoundError):
                os.unlink(file.name)  # noqa: PTH108 -- the same


def _exists(path: Path) -> Problem:
    what, remedy = "this file is there already", "look at it; then move it away, or say --overwrite"
    return Problem(path=str(path), line=1, what=what, remedy=remedy)
