"""The sealed file of the open keys."""

from __future__ import annotations

import stat
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
