"""Keeps the keys of open periods in one file that only the collector may read, so that a restart goes on.

Collectors of one site on one machine may share it: who reads or writes it holds a lock on its folder. A key comes in by
being agreed on, where there is none, and in no other way: one that is not there any more was destroyed.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from collector.periods import NAME
from collector.wrong_input import WrongInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import tzinfo
    from pathlib import Path

OWNER_ONLY = 0o600
DAY_KEYS = "token/"
"""What the name of a key of tokens in findings begins with; its day follows. Others are keys of pseudonyms."""


class KeyFileError(WrongInputError):
    """The key file cannot be used; the message says what to do."""


class KeyFile:
    """The sealed file of one process, or of several that share it.

    Args:
        path: where it lies.
        mine: tells by its name whether a key is ours to destroy; others in the file stay as they are.
    """

    def __init__(self, path: Path, *, mine: Callable[[str], bool] = lambda _name: True) -> None:
        self._path = path
        self._mine = mine
        self._held: set[str] = set()

    def load(self) -> dict[str, bytes]:
        """Return our keys by name.

        Raises:
            KeyFileError: the file or its folder is open to others, or it is no key file.
        """
        with self._locked():
            keys = {name: key for name, key in load_keys(self._path).items() if self._mine(name)}
        self._held = set(keys)
        return keys

    def agree(self, name: str, fresh: bytes) -> bytes:
        """Return the key of this name that lies in the file, or add *fresh* and return it: one for all who share it.

        Raises:
            KeyFileError: the file cannot be used any more.
            OSError: it cannot be written.
        """
        with self._locked():
            keys = load_keys(self._path)
            if name not in keys:
                save_keys(self._path, {**keys, name: fresh})
        self._held.add(name)
        return keys.get(name, fresh)

    def save(self, names: Collection[str]) -> None:
        """Destroy what we held and is no longer among *names*. Adds nothing, whoever took it out of the file.

        Raises:
            KeyFileError: the file cannot be used any more.
            OSError: it cannot be written.
        """
        gone = self._held.difference(names)
        if gone:
            self._destroy(gone.__contains__)
        self._held = set(names)

    def destroy(self, overdue: Callable[[str], bool]) -> None:
        """Destroy the keys of ours whose names *overdue* tells, whoever made them and holds them.

        Raises:
            KeyFileError: the file cannot be used any more.
            OSError: it cannot be written.
        """
        self._destroy(lambda name: self._mine(name) and overdue(name))

    def names(self) -> list[str]:
        """Return the names of our keys that lie in the file now, whoever made them. From any thread.

        Raises:
            KeyFileError: the file cannot be used any more.
        """
        # Without the lock it could be read while it is overwritten.
        with self._locked():
            return [name for name in load_keys(self._path) if self._mine(name)]

    def _destroy(self, gone: Callable[[str], bool]) -> None:
        with self._locked():
            there = load_keys(self._path)
            left = {name: key for name, key in there.items() if not gone(name)}
            if len(left) < len(there):
                save_keys(self._path, left)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # The folder and not the file, which is replaced; no further file lies about. Closing it lets the lock go.
        try:
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            what = f"{self._path}:1: the folder of the key file cannot be opened ({error.strerror})"
            raise KeyFileError(f"{what}; create it, closed to others") from None
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            _refuse_open_folder(os.fstat(folder), path=self._path)
            yield
        finally:
            os.close(folder)


def load_keys(path: Path) -> dict[str, bytes]:
    """Return the keys of open periods by period name; empty where there is no file yet.

    Destroys what a killed run left beside it.

    Raises:
        KeyFileError: others may read the file, it is somebody else's or a link, or it is no key file.
    """
    # Killed while it replaced the file, a collector leaves the old one or the new one beside it, or both.
    _destroy_left(path)
    try:
        # Whoever could lay a link here could have us read, and overwrite, what it leads to.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), encoding="ascii") as file:
            status, text = os.fstat(file.fileno()), file.read()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path}:1: the key file cannot be read ({error}); remove it to start new keys") from error
    if status.st_uid != os.geteuid():
        raise KeyFileError(f"{path}:1: the key file belongs to another user; remove it to start new keys")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(f"{path}:1: others than its owner may read the key file; run: chmod 600 {path}")
    try:
        return {str(name): bytes.fromhex(key) for name, key in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise KeyFileError(f"{path}:1: this is no key file; remove it to start new keys") from error


def key_names(path: Path) -> list[str]:
    """Return the names of all keys in the file, for whoever only looks: nothing is destroyed, and no right asked for.

    Raises:
        OSError: it is not there, or cannot be read.
        ValueError: it is no key file.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Without the lock it could be read while it is overwritten.
        fcntl.flock(folder, fcntl.LOCK_SH)
        keys = json.loads(path.read_text(encoding="ascii"))
    finally:
        os.close(folder)
    if not isinstance(keys, dict):
        raise ValueError("this is no key file")  # noqa: TRY004 -- the file is wrong, not the call
    return list(keys)


def key_began(name: str, *, zone: tzinfo) -> datetime:
    """Return when the period, or the day, of the key of this name began.

    Raises:
        ValueError: no key is called so.
    """
    begun = name.removeprefix(DAY_KEYS)
    form = NAME if "T" in begun else "%Y-%m-%d"
    return datetime.strptime(begun, form).replace(tzinfo=zone).astimezone(UTC)


def save_keys(path: Path, keys: dict[str, bytes]) -> None:
    """Replace the file at once by one that holds *keys*; the old octets are overwritten before they are let go.

    At every moment, also when the process is killed, the old file or the new one lies there whole.

    Overwriting is the most a program can do: a file system or a disk that keeps old blocks keeps these too.
    """
    _destroy_left(path)
    fresh, spent = _fresh(path), _spent(path)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, OWNER_ONLY)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump({name: key.hex() for name, key in sorted(keys.items())}, file)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        # A full disk takes the first keys and not the last.
        _destroy(fresh, unless=path)
        raise
    if path.exists():
        # By a second name: whoever is killed here leaves a whole file under the first one.
        spent.hardlink_to(path)
    fresh.replace(path)
    _destroy(spent, unless=path)


def _refuse_open_folder(status: os.stat_result, *, path: Path) -> None:
    # Who may write the folder can put another file in the place of the keys, and learn whatever is made with it. With
    # the sticky bit nobody can (/tmp); a group of the user alone is nobody else.
    mode = status.st_mode
    by_group = mode & stat.S_IWGRP and status.st_gid != os.getegid()
    if (mode & stat.S_IWOTH or by_group) and not mode & stat.S_ISVTX:
        folder = path.parent
        raise KeyFileError(f"{path}:1: others may write the folder of the key file; run: chmod go-w {folder}")


def _spent(path: Path) -> Path:
    return path.with_name(path.name + ".old")


def _fresh(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _destroy_left(path: Path) -> None:
    for left in (_spent(path), _fresh(path)):
        _destroy(left, unless=path)


def _destroy(left: Path, *, unless: Path) -> None:
    """Overwrite a file of keys, and remove it; while it is still *unless*, take only the second name away.

    What is a link, no file at all or somebody else's holds no keys of ours: it is taken away, and never written to.
    """
    try:
        # Without O_NONBLOCK a pipe in its place would have us wait for a reader.
        handle = os.open(left, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except OSError:
        left.unlink(missing_ok=True)
        return
    with os.fdopen(handle, "wb") as file:
        status = os.fstat(handle)
        ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if ours and not (unless.exists() and os.path.samestat(status, unless.stat())):
            file.write(b"\0" * status.st_size)
            file.flush()
            os.fsync(handle)
    left.unlink()
