"""Each look at what the collector stands on, in a good case and in bad ones, with real parts."""

from __future__ import annotations

import array
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collector.brokers import Connection
from collector.health import interface
from collector.health.broker import broker
from collector.health.clock import TIME_ERROR, clock, kept
from collector.health.disk import Need, disk
from collector.health.interface import interfaces, offload, traffic
from collector.health.keys import keys
from collector.health.rights import Account, account, capture, folders, secrets
from collector.keyfile import save_keys
from collector.outcomes import Outcome
from collector.sources.interfaces import SIOCETHTOOL
from tests.parts.ports import free_ports
from tests.parts.small_disk import mounted
from tests.system.product import folder_for_all
from tests.system.veth_for_tests import Lab, inside, made_lab

NOBODY = Account(name="nobody", uid=65_534, groups=frozenset({65_534}))
ETHTOOL_SGRO = 0x2C  # linux/ethtool.h
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, and become somebody else and return")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with made_lab() as own:
        own.plug()
        yield own


def one(outcomes: Iterable[Outcome]) -> Outcome:
    (outcome,) = outcomes
    return outcome


def states(outcomes: Iterable[Outcome]) -> list[str]:
    return [outcome.state for outcome in outcomes]


def test_an_interface_is_up_down_or_not_there(lab: Lab) -> None:
    with inside(lab.here):
        up, absent = interfaces(["tap0", "eth77"])
        lab.down()
        try:
            down = one(interfaces(["tap0"]))
        finally:
            lab.up()
    assert up.state == "ok"
    assert (absent.state, absent.wrong, absent.remedy) == ("problem", "configuration", "name one of: lo, tap0")
    assert (down.state, down.wrong) == ("problem", "environment")
    assert "ip link set tap0 up" in str(down.remedy)


def test_a_card_that_joins_packets_is_told_with_the_command_against_it(lab: Lab) -> None:
    with inside(lab.here), socket.socket() as probe:
        for joins in (1, 0):
            value = array.array("I", (ETHTOOL_SGRO, joins))
            fcntl.ioctl(probe, SIOCETHTOOL, struct.pack("16sP16x", b"tap0", value.buffer_info()[0]))
            found = one(offload(["tap0"]))
            assert found.state == ("warning" if joins else "ok")
            assert (found.remedy == "run: ethtool -K tap0 gro off lro off") == bool(joins)
        assert states(offload(["lo", "eth77"])) == ["ok", "not applicable"]


def test_a_silent_interface_is_told_from_one_that_brings_frames(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface, "LISTEN_S", 1.0)
    begun, done = threading.Event(), threading.Event()

    def send() -> None:
        with lab.outlet() as outlet:
            while not done.wait(0.02):
                outlet.send(bytes.fromhex("020000000002020000000001") + b"\x08\x00" + bytes(50))
                begun.set()

    with inside(lab.here):
        assert one(traffic(["tap0"])).state == "warning"
        sender = threading.Thread(target=send)
        sender.start()
        try:
            assert begun.wait(60)
            assert one(traffic(["tap0"])).state == "ok"
        finally:
            done.set()
            sender.join()
        assert one(traffic(["eth77"])).state == "not applicable"


@AS_ROOT
def test_the_right_to_capture_is_there_or_missing() -> None:
    assert one(capture()).state == "ok"
    os.seteuid(NOBODY.uid)
    try:
        missing = one(capture())
    finally:
        os.seteuid(0)
    assert (missing.state, missing.wrong) == ("problem", "environment")
    assert "systemd unit" in str(missing.remedy)


@AS_ROOT
def test_folders_are_judged_by_who_goes_on_without_any_right(tmp_path: Path) -> None:
    own, other, sealed = (tmp_path / name for name in ("own", "other", "sealed"))
    for folder, owner in ((own, NOBODY.uid), (other, 0), (sealed, NOBODY.uid)):
        folder.mkdir()
        os.chown(folder, owner, owner)
    good, bad, absent = folders({"keys": own, "spool": other, "case store": tmp_path / "absent"}, who=NOBODY)
    assert good.state == "ok"
    assert (bad.wrong, bad.remedy) == ("environment", f"run: chown nobody {other}")
    assert (absent.wrong, absent.remedy) == ("configuration", f"make it: install -d -o nobody {tmp_path / 'absent'}")
    other.chmod(0o777)
    assert states(folders({"spool": other}, who=NOBODY)) == ["ok"]
    with mounted(sealed, f"ro,uid={NOBODY.uid},mode=700"):
        assert "can only be read" in one(folders({"keys": sealed}, who=NOBODY)).what


@AS_ROOT
def test_whoever_starts_as_root_goes_on_as_the_owner_of_the_folder() -> None:
    with folder_for_all() as folder:
        os.chown(folder, NOBODY.uid, NOBODY.uid)
        found = account(None, folder=folder)
        assert found is not None
        assert (found.name, found.uid) == ("nobody", NOBODY.uid)
        named = account("root", folder=folder)
        assert named is not None
        assert named.uid == 0
        assert account("no-such-user", folder=folder) is None


def test_a_secret_is_closed_to_others_open_or_not_there(tmp_path: Path) -> None:
    for name, mode in (("closed", 0o640), ("open", 0o644)):
        (tmp_path / name).write_text("secret", encoding="ascii")
        (tmp_path / name).chmod(mode)
    found = list(secrets({name: tmp_path / name for name in ("closed", "open", "absent")}))
    assert states(found) == ["ok", "warning", "problem"]
    assert found[1].remedy == f"run: chmod o= {tmp_path / 'open'}"
    assert found[2].wrong == "configuration"


def test_a_clock_that_nobody_keeps_or_that_may_be_far_off_is_told() -> None:
    assert kept(TIME_ERROR, error_us=16_000_000).state == "warning"
    assert "2.5 s" in kept(0, error_us=2_500_000).what
    assert kept(0, error_us=12_345) == Outcome(state="ok", what="set by NTP, right within 12 ms")
    # What the kernel of this machine says, whatever it is.
    assert one(clock()).state in {"ok", "warning", "not applicable"}


def test_a_disk_has_room_too_little_for_long_or_none(tmp_path: Path) -> None:
    enough, little = (Need(what="spool", file=tmp_path / "spool.db", octets=octets) for octets in (1_000, 1 << 60))
    assert states(disk([enough, little])) == ["ok", "warning"]
    assert states(disk([Need(what="spool", file=tmp_path / "absent" / "spool.db", octets=1)])) == ["not applicable"]


def test_what_a_file_holds_already_it_need_not_find_again(tmp_path: Path) -> None:
    status = os.statvfs(tmp_path)
    file = tmp_path / "spool.db"
    with file.open("wb") as sparse:
        sparse.truncate(1 << 40)
    need = Need(what="spool", file=file, octets=(1 << 40) + status.f_bavail * status.f_frsize // 2)
    assert states(disk([need, replace(need, file=tmp_path / "new.db")])) == ["ok", "warning"]


@AS_ROOT
def test_a_full_disk_is_a_problem(tmp_path: Path) -> None:
    with mounted(tmp_path, "size=1m"):
        found = one(disk([Need(what="case store", file=tmp_path / "cases.db", octets=1)]))
    assert (found.state, found.wrong) == ("problem", "environment")


def test_a_broker_that_is_not_there_is_a_problem_that_says_what_to_do() -> None:
    (port,) = free_ports(1)
    to = Connection(bootstrap=(f"127.0.0.1:{port}",), user=None, client={"security_protocol": "PLAINTEXT"})
    found = one(broker(to, role="collector"))
    assert (found.state, found.wrong) == ("problem", "environment")
    assert str(found.remedy).startswith("start it")


def test_a_key_that_ought_to_be_destroyed_is_warned_of(tmp_path: Path) -> None:
    path, now = tmp_path / "keys", datetime(2026, 10, 7, 1, tzinfo=UTC)
    assert one(keys(path, zone=UTC, now=now)).state == "not applicable"
    save_keys(path, {})
    assert one(keys(path, zone=UTC, now=now)).what == f"no key lies in {path}"
    save_keys(path, {"2026-10-06T00": b"\1" * 32, "2026-10-07T00": b"\1" * 32, "token/2026-10-07": b"\1" * 32})
    young = one(keys(path, zone=UTC, now=now))
    assert (young.state, young.what.partition(" keys ")[0]) == ("ok", "the oldest of 3")
    late = one(keys(path, zone=UTC, now=now + timedelta(hours=2)))
    assert late.state == "warning"
    assert late.what.endswith("of a period that began 27 hours ago")
    save_keys(path, {"token/2026-10-05": b"\1" * 32})
    assert one(keys(path, zone=UTC, now=now)).state == "warning"


def test_looking_at_the_age_of_keys_destroys_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    save_keys(path, {"2026-10-06T00": b"\1" * 32})
    (tmp_path / "keys.new").write_bytes(b"left")
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    list(keys(path, zone=UTC, now=datetime(2026, 12, 1, tzinfo=UTC)))
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


@pytest.mark.parametrize("text", ["[]", "{", '{"a": ""}'])
def test_a_file_in_the_place_of_keys_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text, encoding="ascii")
    assert one(keys(tmp_path / "keys", zone=UTC, now=datetime(2026, 12, 1, tzinfo=UTC))).wrong == "configuration"
