"""Compiles the code of a fresh checkout once: each process of a test run takes a share of it.

Without this all of them compile all of it at the same time, since they all begin with the same file.
"""

from __future__ import annotations

import compileall
import sys
from typing import TYPE_CHECKING, Final

from _pytest.assertion import rewrite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

OURS: Final = ("collector", "rules", "schoolgate", "tests")


def compile_share(config: pytest.Config, *, number: int, of: int) -> None:
    """Write the compiled form of every *of*-th file, where it is not there yet.

    Args:
        config: the run.
        number: of this process, from 0.
        of: how many there are.
    """
    if sys.dont_write_bytecode:
        return
    for path in list(_code(config.rootpath))[number::of]:
        if path.name.startswith("test_"):
            _rewrite(path, config=config)
        else:
            compileall.compile_file(path, quiet=2)


def _code(root: Path) -> Iterator[Path]:
    for folder in OURS:
        yield from sorted((root / folder).rglob("*.py"))


def _rewrite(path: Path, *, config: pytest.Config) -> None:
    """Write the form in which `assert` tells what it saw, as pytest itself does when it imports the file."""
    folder = rewrite.get_cache_dir(path)
    compiled = folder / (path.name.removesuffix(".py") + rewrite.PYC_TAIL)
    if rewrite.try_makedirs(folder) and rewrite._read_pyc(path, compiled) is None:
        source_hash, code = rewrite._rewrite_test(path, config)
        rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, source_hash, compiled)
