"""Writes files that people rely on: whole or not at all, and never over another without being told."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Final

from collector.problems import DocumentError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A service of another user must be able to read what an operator writes.
_READABLE: Final = 0o644
_PERMISSIONS: Final = 0o777


def refuse_existing(paths: Iterable[Path]) -> None:
    """Refuse when any of *paths* is there already.

    Raises:
        DocumentError: with every one that is.
    """
    problems = [_exists(path) for path in paths if path.exists() or path.is_symlink()]
    if problems:
        raise DocumentError(problems)


def write_files(texts: Mapping[Path, str], *, overwrite: bool) -> None:
    """Write each text, folders made as needed; at every moment a file is there whole or not at all.

    Args:
        texts: path -> text.
        overwrite: replace a file that is there, as `replace_file` does; otherwise that is refused before anything is
            written.

    Raises:
        DocumentError: a file is there already.
        OSError: the folder cannot be written.
    """
    if not overwrite:
        refuse_existing(texts)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if overwrite:
            replace_file(path, text.encode())
        else:
            _write(path, text.encode(), overwrite=False)


def replace_file(path: Path, octets: bytes) -> None:
    """Write a file whole or not at all; whoever reads it meanwhile, or after a kill, sees the old one or the new one.

    A file that is there keeps its permissions, and its owner where this user may give files away. Behind a symbolic
    link the file that it leads to is replaced, and the link stays.

    Raises:
        OSError: it cannot be written; it stays as it was.
    """
    _write(Path(os.path.realpath(path)), octets, overwrite=True)


def _write(path: Path, octets: bytes, *, overwrite: bool) -> None:
    # A hidden name: a folder of agreements is read again when it changes, and hidden files are left alone.
    with NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", suffix=".new", delete=False) as file:
        try:
            file.write(octets)
            file.flush()
            _allow(file.fileno(), like=path if overwrite else None)
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


def _allow(descriptor: int, *, like: Path | None) -> None:
    """Let read and write whoever may do so with the file *like*; where there is none, whoever may with a new one."""
    try:
        before = None if like is None else like.stat()
    except FileNotFoundError:
        before = None
    if before is None:
        os.fchmod(descriptor, _READABLE)
        return
    with suppress(PermissionError):
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, before.st_mode & _PERMISSIONS)


def _exists(path: Path) -> Problem:
    what, remedy = "this file is there already", "look at it; then move it away, or say --overwrite"
    return Problem(path=str(path), line=1, what=what, remedy=remedy)
