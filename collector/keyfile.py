"""Keeps the keys of open periods in one file that only the collector may read, so that a restart goes on."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OWNER_ONLY = 0o600


class KeyFileError(ValueError):
    """The key file cannot be used; the message says what to do."""


def load_keys(path: Path) -> dict[str, bytes]:
    """Return the keys of open periods by period name; empty where there is no file yet. Destroys what was replaced.

    Raises:
        KeyFileError: others may read the file, or it is no key file.
    """
    # Killed while it replaced the file, a collector leaves the old one beside it.
    _destroy(_spent(path), unless=path)
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path}:1: the key file cannot be read ({error}); remove it to start new keys") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(f"{path}:1: others than its owner may read the key file; run: chmod 600 {path}")
    try:
        return {str(name): bytes.fromhex(key) for name, key in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise KeyFileError(f"{path}:1: this is no key file; remove it to start new keys") from error


def save_keys(path: Path, keys: dict[str, bytes]) -> None:
    """Replace the file at once by one that holds *keys*; the old octets are overwritten before they are let go.

    At every moment, also when the process is killed, the old file or the new one lies there whole.

    Overwriting is the most a program can do: a file system or a disk that keeps old blocks keeps these too.
    """
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        json.dump({name: key.hex() for name, key in sorted(keys.items())}, file)
        file.flush()
        os.fsync(file.fileno())
    spent = _spent(path)
    _destroy(spent, unless=path)
    if path.exists():
        # By a second name: whoever is killed here leaves a whole file under the first one.
        spent.hardlink_to(path)
    fresh.replace(path)
    _destroy(spent, unless=path)


def _spent(path: Path) -> Path:
    return path.with_name(path.name + ".old")


def _destroy(spent: Path, *, unless: Path) -> None:
    """Overwrite a file that was replaced, and remove it; while it is still *unless*, take only the second name away."""
    if not spent.exists():
        return
    if not (unless.exists() and spent.samefile(unless)):
        with spent.open("r+b") as old:
            old.write(b"\0" * spent.stat().st_size)
            old.flush()
            os.fsync(old.fileno())
    spent.unlink()
