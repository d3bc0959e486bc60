"""The sealed file of the open keys."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.keyfile import KeyFile, KeyFileError, load_keys, save_keys

if TYPE_CHECKING:
    from collections.abc import Callable


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


@pytest.mark.parametrize("step", ["os.link 1", "os.rename 1"])
@pytest.mark.parametrize("heir", [load_keys, lambda path: save_keys(path, {})], ids=["load", "save"])
def test_new_keys_that_a_killed_run_never_put_in_place_are_overwritten_by_whoever_comes_next(
    tmp_path: Path, heir: Callable[[Path], object], step: str
) -> None:
    path = tmp_path / "keys"
    save_keys(path, {"2026-10-06T00": b"\1" * 32})
    assert dying_at(step, path)
    with (tmp_path / "keys.new").open("rb") as left:
        # Open, the file can be read when it has no name any more, as its blocks can on the disk.
        assert b"03" * 32 in left.read()
        heir(path)
        left.seek(0)
        assert set(left.read()) == {0}
    assert [file.name for file in tmp_path.iterdir()] == ["keys"]


def test_a_disk_that_takes_half_of_the_keys_keeps_the_old_file_and_none_of_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    save_keys(path, {"2026-10-06T00": b"\1" * 32})
    program = (
        "import pathlib, resource, sys\n"
        "from collector.keyfile import KeyFile\n"
        "file = KeyFile(pathlib.Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "file.agree('2026-10-07T00', bytes([3]) * 32)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
    assert "OSError: [Errno 27]" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["keys"]
    assert load_keys(path) == {"2026-10-06T00": b"\1" * 32}


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


def test_of_two_that_need_a_key_at_once_both_get_the_one_that_was_first(tmp_path: Path) -> None:
    first, second = KeyFile(tmp_path / "keys"), KeyFile(tmp_path / "keys")
    assert first.load() == second.load() == {}
    assert first.agree("2026-10-06T00", b"\1" * 32) == b"\1" * 32
    assert second.agree("2026-10-06T00", b"\2" * 32) == b"\1" * 32


def test_many_processes_that_share_a_file_agree_on_every_key_and_none_is_lost(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys\n"
        "from collector.keyfile import KeyFile\n"
        "file = KeyFile(pathlib.Path(sys.argv[1]))\n"
        "file.load()\n"
        "print([file.agree(f'2026-10-{day:02}T00', os.urandom(32)).hex() for day in range(1, 21)])\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "keys")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = {each.communicate(timeout=60)[0] for each in running}
    assert len(told) == 1
    assert str([key.hex() for _name, key in sorted(load_keys(tmp_path / "keys").items())]) == told.pop().strip()


def test_a_key_that_one_has_destroyed_is_not_brought_back_by_another(tmp_path: Path) -> None:
    save_keys(tmp_path / "keys", {"2026-10-05T00": b"\1" * 32})
    quick, slow = KeyFile(tmp_path / "keys"), KeyFile(tmp_path / "keys")
    held = quick.load()
    assert slow.load() == held
    quick.agree("2026-10-06T00", b"\2" * 32)
    quick.save({"2026-10-06T00": b"\2" * 32})
    assert slow.agree("2026-10-06T00", b"\3" * 32) == b"\2" * 32
    # It still holds the old one when what it holds has changed.
    slow.save({**held, "2026-10-06T00": b"\2" * 32})
    assert load_keys(tmp_path / "keys") == {"2026-10-06T00": b"\2" * 32}
    slow.save({"2026-10-06T00": b"\2" * 32})
    assert load_keys(tmp_path / "keys") == {"2026-10-06T00": b"\2" * 32}


def test_a_file_that_somebody_removed_comes_back_with_the_next_key_and_without_those_it_held(tmp_path: Path) -> None:
    collector = KeyFile(tmp_path / "keys")
    collector.agree("2026-10-05T00", b"\1" * 32)
    (tmp_path / "keys").unlink()
    collector.save(["2026-10-05T00"])
    collector.save([])
    assert not (tmp_path / "keys").exists()
    collector.agree("2026-10-06T00", b"\2" * 32)
    collector.save(["2026-10-05T00", "2026-10-06T00"])
    assert load_keys(tmp_path / "keys") == {"2026-10-06T00": b"\2" * 32}


def test_overdue_keys_of_ours_are_destroyed_whoever_made_them(tmp_path: Path) -> None:
    one = KeyFile(tmp_path / "keys", mine=lambda name: not name.startswith("token"))
    assert one.load() == {}
    another = KeyFile(tmp_path / "keys")
    for name in ("2026-10-05T00", "2026-10-06T00", "token/2026-10-05"):
        another.agree(name, b"\1" * 32)
    assert sorted(one.names()) == ["2026-10-05T00", "2026-10-06T00"]
    one.destroy(lambda name: "2026-10-05" in name)
    assert sorted(load_keys(tmp_path / "keys")) == ["2026-10-06T00", "token/2026-10-05"]


def test_keys_of_others_in_the_file_stay_as_they_are(tmp_path: Path) -> None:
    save_keys(tmp_path / "keys", {"2026-10-05T00": b"\1" * 32, "token/2026-10-05": b"\2" * 32})
    collector = KeyFile(tmp_path / "keys", mine=lambda name: not name.startswith("token"))
    assert collector.load() == {"2026-10-05T00": b"\1" * 32}
    collector.save({})
    assert load_keys(tmp_path / "keys") == {"token/2026-10-05": b"\2" * 32}


def test_a_link_in_place_of_the_file_is_refused_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    save_keys(precious, {"2026-10-05T00": b"\1" * 32})
    (tmp_path / "keys").symlink_to(precious)
    with pytest.raises(KeyFileError, match="remove it to start new keys"):
        KeyFile(tmp_path / "keys").load()


@pytest.mark.parametrize("name", ["keys.new", "keys.old"])
def test_what_lies_in_the_place_of_a_file_that_a_killed_run_left_is_never_written_to(tmp_path: Path, name: str) -> None:
    precious = tmp_path / "precious"
    save_keys(precious, {"2026-10-05T00": b"\1" * 32})
    for lay in (lambda place: place.symlink_to(precious), os.mkfifo):
        lay(tmp_path / name)
        KeyFile(tmp_path / "keys").agree("2026-10-06T00", b"\2" * 32)
        assert load_keys(precious) == {"2026-10-05T00": b"\1" * 32}
        assert load_keys(tmp_path / "keys") == {"2026-10-06T00": b"\2" * 32}
        assert not os.path.lexists(tmp_path / name)


def test_a_folder_that_others_may_write_is_refused_with_the_remedy(tmp_path: Path) -> None:
    tmp_path.chmod(0o757)
    with pytest.raises(KeyFileError, match="chmod go-w"):
        KeyFile(tmp_path / "keys").load()
    # In /tmp nobody can put another file in the place of ours.
    tmp_path.chmod(0o1777)
    assert KeyFile(tmp_path / "keys").load() == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    save_keys(tmp_path / "keys", {})
    os.chown(tmp_path / "keys", 65_534, -1)
    with pytest.raises(KeyFileError, match="another user"):
        load_keys(tmp_path / "keys")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_another_user_left_beside_the_file_is_taken_away_and_not_written_to(tmp_path: Path) -> None:
    theirs = tmp_path / "keys.new"
    theirs.write_bytes(b"of another user")
    os.chown(theirs, 65_534, -1)
    with theirs.open("rb") as left:
        assert load_keys(tmp_path / "keys") == {}
        assert left.read() == b"of another user"
    assert not theirs.exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="create it"):
        KeyFile(tmp_path / "nowhere" / "keys").load()
