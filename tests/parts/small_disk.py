"""A file system of its own, as small as a test wants it."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def mounted(place: Path, options: str) -> Iterator[None]:
    """Lay an empty tmpfs over a folder for a while; a test that may not mount is skipped."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "test", place], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)
