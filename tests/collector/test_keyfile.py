"""The sealed file of the open keys."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from collector.keyfile import KeyFileError, load_keys, save_keys


def test_keys_survive_a_restart_in_a_file_only_its_owner_may_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    assert load_keys(path) == {}
    save_keys(path, {"2026-10-06T00": b"\1" * 32})
    assert load_keys(path) == {"2026-10-06T00": b"\1" * 32}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_destroyed_key_is_in_no_file_any_more(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    save_keys(path, {"2026-10-05T00": b"\2" * 32})
    save_keys(path, {"2026-10-06T00": b"\1" * 32})
    assert [file.name for file in tmp_path.iterdir()] == ["keys"]
    assert b"02" * 32 not in path.read_bytes()


def dying_at(step: str, path: Path) -> bool:
    """Replace the keys in a process that is killed at its first, second, ... call of the system with this name."""
    program = (
        "import os, pathlib, signal, sys\n"
        "from collector.keyfile import save_keys\n"
        "name, number = sys.argv[2].split()\n"
        "calls = []\n"
        "def watch(event, arguments):\n"
        "    if event == name and str(arguments[0]).startswith(sys.argv[1]):\n"
        "        calls.append(event)\n"
        "        if len(calls) == int(number):\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(watch)\n"
        "save_keys(pathlib.Path(sys.argv[1]), {'2026-10-07T00': bytes([3]) * 32})\n"
    )
    done = subprocess.run([sys.executable, "-c", program, path, step], check=False, timeout=60)
    return done.returncode == -signal.SIGKILL


def test_whoever_is_killed_while_the_keys_are_replaced_leaves_the_old_ones_or_the_new_ones(tmp_path: Path) -> None:
    before, after = {"2026-10-06T00": b"\1" * 32}, {"2026-10-07T00": b"\3" * 32}
    deaths = 0
    for event in ("open", "os.link", "os.rename", "os.remove"):
        for number in range(1, 5):
            path = tmp_path / f"{event}-{number}"
            save_keys(path, before)
            deaths += dying_at(f"{event} {number}", path)
            assert load_keys(path) in (before, after)
            save_keys(path, after)
            assert [file.name for file in tmp_path.glob(f"{path.name}*")] == [path.name]
    assert deaths >= 4


def test_a_file_that_others_may_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    save_keys(path, {})
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_keys(path)


@pytest.mark.parametrize("octets", [b"", b"[]", b'{"a": 1}', b'{"a": "zz"}', b"\xff\xfe"])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "keys"
    path.write_bytes(octets)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="remove it to start new keys"):
        load_keys(path)
