"""One device of today, once, when two people say so; and every way in which it must not be had."""

from __future__ import annotations

import json
import os
import pty
import re
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from collector.break_glass import Approval, ApprovalError, checked, commitment, signed
from collector.glass_door import GlassDoor, ask
from rules.desk.accounts import Account, hashed, save_accounts
from rules.store import Store
from rules.store.glass import GlassLog
from tests.system.desk_visitor import CHEAP, PASSWORD, desk, signed_in
from tests.system.product import ROOT, command, configure, copy_district, schoolgate, until

DEVICE = "00c0ffee00c0ffee"
MAC = bytes.fromhex("6d020000000002")
REASON = "Resolver alarm 4711: command server of the FluBot family, 10:42"
NOW = datetime(2026, 10, 14, 15, 0, tzinfo=UTC)
TODAY = date(2026, 10, 14)
KEY = Ed25519PrivateKey.generate()
GOOD = Approval(
    request="glass-1", device=DEVICE, day="2026-10-14", asked_by="ivo", allowed_by="ada",
    issued_at=NOW.isoformat(), expires_at=(NOW + timedelta(hours=1)).isoformat(),
)  # fmt: skip


def test_an_approval_that_two_people_gave_today_holds_for_an_hour() -> None:
    text = signed(GOOD, key=KEY)
    assert checked(text, key=KEY.public_key(), now=NOW, today=TODAY) == GOOD
    assert checked(text + "\n", key=KEY.public_key(), now=NOW + timedelta(minutes=59), today=TODAY) == GOOD


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"day": "2026-10-13"}, "only devices of today"),
        ({"allowed_by": "ivo"}, "two are needed"),
        ({"expires_at": NOW.isoformat()}, "expired"),
        ({"issued_at": (NOW - timedelta(hours=2)).isoformat()}, "longer than an hour"),
        ({"expires_at": (NOW + timedelta(hours=9)).isoformat()}, "longer than an hour"),
        ({"issued_at": (NOW + timedelta(days=1)).isoformat()}, "longer than an hour"),
        ({"device": "*"}, "names no device"),
        ({"expires_at": "soon"}, "no approval"),
        ({"expires_at": "2026-10-14T16:00:00"}, "no approval"),
    ],
)
def test_what_is_signed_and_should_not_have_been_is_refused_all_the_same(changed: dict[str, str], says: str) -> None:
    with pytest.raises(ApprovalError, match=says):
        checked(signed(replace(GOOD, **changed), key=KEY), key=KEY.public_key(), now=NOW, today=TODAY)


def test_what_others_signed_or_changed_is_no_approval() -> None:
    text = signed(GOOD, key=KEY)
    words, _, signature = text.partition(".")
    other = signed(replace(GOOD, device="f" * 16), key=KEY).partition(".")[0]
    stranger = signed(GOOD, key=Ed25519PrivateKey.generate())
    for wrong in ("", ".", words, f"{other}.{signature}", stranger, text[:-9], "x" * 9000, f"{words}.{words}"):
        with pytest.raises(ApprovalError, match="no approval"):
            checked(wrong, key=KEY.public_key(), now=NOW, today=TODAY)


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(tmp_path: Path, clock: Clock) -> Iterator[Callable[[], GlassDoor]]:
    """Opens the door, again and again if need be."""
    opened: list[GlassDoor] = []
    named: list[int] = []

    def open_it() -> GlassDoor:
        for each in opened:
            each.close()
        opened[:] = [
            GlassDoor(
                tmp_path / "glass.sock", key=KEY.public_key(), today=lambda: TODAY, clock=clock,
                device={DEVICE: MAC, "a" * 16: b"a" + bytes([192, 0, 2, 7])}.get, answered=lambda: named.append(1),
            )
        ]  # fmt: skip
        return opened[0]

    yield open_it
    for each in opened:
        each.close()
    assert not (tmp_path / "glass.sock").exists()


def test_the_collector_names_the_device_once_and_never_again_also_after_a_restart(
    door: Callable[[], GlassDoor], tmp_path: Path
) -> None:
    door()
    path = tmp_path / "glass.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = signed(GOOD, key=KEY)
    assert ask(path, approval=text) == {
        "request": "glass-1",
        "device": DEVICE,
        "mac": "02:00:00:00:00:02"[3:] or "",
    } | {"mac": MAC[1:].hex(":")}
    assert "used before" in ask(path, approval=text)["refused"]
    door()
    assert "used before" in ask(path, approval=text)["refused"]
    # What is kept of it names no device.
    kept = (tmp_path / "glass.sock.used").read_text(encoding="ascii")
    assert DEVICE not in kept
    assert MAC[1:].hex() not in kept
    other = signed(replace(GOOD, request="glass-2", device="a" * 16), key=KEY)
    assert ask(path, approval=other)["address"] == "192.0.2.7"
    gone = signed(replace(GOOD, request="glass-3", device="b" * 16), key=KEY)
    assert "no such device" in ask(path, approval=gone)["refused"]


def test_an_approval_that_has_expired_is_refused_at_the_door(
    door: Callable[[], GlassDoor], tmp_path: Path, clock: Clock
) -> None:
    door()
    clock.now = NOW + timedelta(hours=1)
    assert "expired" in ask(tmp_path / "glass.sock", approval=signed(GOOD, key=KEY))["refused"]


def test_whoever_hangs_or_sends_rubbish_keeps_nobody_else_out(door: Callable[[], GlassDoor], tmp_path: Path) -> None:
    door()
    path = tmp_path / "glass.sock"
    for octets in (b"", b"\xff\x00\n", b"x" * 20_000):
        with socket.socket(socket.AF_UNIX) as rude:
            rude.connect(str(path))
            rude.sendall(octets)
    assert "mac" in ask(path, approval=signed(GOOD, key=KEY))


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_another_user_is_refused_even_where_the_mode_would_let_them() -> None:
    # The collector runs as one ordinary user and another one asks; the socket's mode is opened on purpose.
    trial = """
        import os, sys
        from datetime import date
        from pathlib import Path
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from collector.glass_door import GlassDoor, ask
        path = Path(sys.argv[1])
        os.chown(path.parent, 1234, 1234)
        os.chmod(path.parent, 0o755)
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.setresgid(1234, 1234, 1234); os.setresuid(1234, 1234, 1234)
            door = GlassDoor(path, key=Ed25519PrivateKey.generate().public_key(), today=date.today,
                             device=lambda _: b"m123456", answered=lambda: None)
            os.chmod(path, 0o666)
            os.write(write, b"x")
            import time
            time.sleep(60)
        os.read(read, 1)
        try:
            os.setresgid(4321, 4321, 4321); os.seteuid(4321)
            print(ask(path, approval="x"))
            os.seteuid(0)
            print(ask(path, approval="x"))
        finally:
            os.seteuid(0)
            os.kill(child, 9); os.waitpid(child, 0)
    """
    import tempfile  # noqa: PLC0415 -- pytest's own folders are closed to others

    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        (Path(name) / "in").mkdir()
        words = [sys.executable, "-c", textwrap.dedent(trial), f"{name}/in/s"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "only the collector's own user" in done.stdout.splitlines()[0]
    assert "no approval" in done.stdout.splitlines()[1]


@pytest.fixture
def district(tmp_path: Path) -> Path:
    """A district with break-glass switched on, its keys and three people."""
    folder = copy_district(tmp_path / "district")
    config = configure(folder)
    with_users = re.sub(r"desk: \{", "desk: {users: users.yaml, ", config.read_text(encoding="utf-8"))
    glass = "{socket: glass.sock, public_key: glass.pub, signing_key: glass.key}"
    config.write_text(with_users + f"privacy: {{break_glass: {glass}}}\n", encoding="utf-8")
    password = hashed(PASSWORD, hasher=CHEAP)
    people = {"ada": "officer", "ivo": "it"}
    save_accounts(
        folder / "users.yaml",
        {name: Account(name=name, role=role, password=password) for name, role in people.items()},  # type: ignore[arg-type] # two of the roles
    )
    (folder / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    Store(f"sqlite:///{folder / 'cases.db'}").close()
    made = schoolgate("break-glass", "keys", "--config", config)
    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE((folder / "glass.key").stat().st_mode) == 0o600
    return folder


def verb(district: Path, *words: str, who: str, password: str = "password") -> subprocess.CompletedProcess[str]:  # noqa: S107 -- a file
    config = district / "config.yaml"
    return schoolgate(
        "break-glass",
        *words,
        "--config",
        config,
        "--device",
        DEVICE,
        "--as",
        who,
        "--password-file",
        district / password,
    )


def test_a_request_makes_no_store_in_which_no_officer_would_see_it(district: Path) -> None:
    (district / "cases.db").unlink()
    asked = verb(district, "request", "--reason", REASON, who="ivo")
    assert asked.returncode == 2
    assert "no store at sqlite:///" in asked.stderr
    assert not (district / "cases.db").exists()


def test_from_the_request_to_the_approval_by_the_command_line(district: Path) -> None:
    alone = verb(district, "request", "--reason", REASON, who="ada")
    assert (alone.returncode, alone.stdout) == (2, "")
    (district / "wrong").write_text("not my password\n", encoding="utf-8")
    assert verb(district, "request", "--reason", REASON, who="ivo", password="wrong").returncode == 2  # noqa: S106 -- a file
    asked = verb(district, "request", "--reason", REASON, who="ivo")
    assert asked.returncode == 0, asked.stderr
    named = asked.stdout.strip()
    same = verb(district, "approve", "--yes", "--request", named, who="ivo")
    assert (same.returncode, same.stdout) == (2, "")
    assert "a second person" in same.stderr
    allowed = verb(district, "approve", "--yes", "--request", named, who="ada")
    assert allowed.returncode == 0, allowed.stderr
    assert verb(district, "approve", "--yes", "--request", named, who="ada").returncode == 2
    key = load_pem_private_key((district / "glass.key").read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    network_day = date.fromisoformat(json.loads(_payload(allowed.stdout))["day"])
    held = checked(allowed.stdout, key=key.public_key(), now=datetime.now(UTC), today=network_day)
    assert (held.device, held.asked_by, held.allowed_by, held.request) == (DEVICE, "ivo", "ada", named)
    verified = schoolgate("cases", "verify", "--config", district / "config.yaml")
    assert verified.returncode == 0, verified.stdout
    nobody = schoolgate(
        "break-glass", "open", "--config", district / "config.yaml", "--approval", district / "password"
    )
    assert nobody.returncode == 3
    assert "no collector answers" in nobody.stderr
    assert "only `collect` does" in nobody.stderr


def answered(district: Path, named: str, *, answer: bytes) -> subprocess.CompletedProcess[str]:
    """Approve at a terminal at which the officer types *answer*."""
    theirs, ours = pty.openpty()
    try:
        os.write(theirs, answer)
        words = ("--config", district / "config.yaml", "--device", DEVICE, "--as", "ada")
        password = ("--password-file", district / "password")
        return subprocess.run(
            command("break-glass", "approve", "--request", named, *words, *password),
            stdin=ours, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)


def test_the_officer_sees_what_is_asked_before_it_is_signed_and_says_yes(district: Path) -> None:
    hostile = "Resolver alarm 4711\x1b[2J\x1b[H\r\nreason: none \u202e"
    named = verb(district, "request", "--reason", hostile, who="ivo").stdout.strip()
    # Nobody can be asked: it is shown all the same, and the way is told.
    alone = verb(district, "approve", "--request", named, who="ada")
    assert (alone.returncode, alone.stdout) == (2, "")
    shown = alone.stderr.splitlines()
    assert re.fullmatch(rf"{named}, asked by ivo \(it\) at \S+Z", shown[0])
    assert shown[1] == r"reason: Resolver alarm 4711\u001b[2J\u001b[H\u000d\u000areason: none \u202e"
    assert re.fullmatch(rf"device: {DEVICE}, on \d{{4}}-\d\d-\d\d", shown[2])
    assert "no terminal to ask" in shown[3]
    assert "--yes" in shown[3]
    no = answered(district, named, answer=b"n\n")
    assert (no.returncode, no.stdout.strip()) == (0, "")
    assert "nothing was done" in no.stderr
    with closing(Store(f"sqlite:///{district / 'cases.db'}")) as store:
        assert [entry.kind for entry in store.log(named)] == ["glass_asked"]
    yes = answered(district, named, answer=b"y\n")
    assert yes.returncode == 0, yes.stderr
    assert json.loads(_payload(yes.stdout.strip()))["request"] == named
    assert "\x1b" not in no.stderr + yes.stderr
    assert f"Allow that {DEVICE} is named" in yes.stderr


def _payload(approval: str) -> bytes:
    import base64  # noqa: PLC0415 -- for this line alone

    return base64.urlsafe_b64decode(approval.partition(".")[0])


def test_without_the_configuration_there_is_no_socket_and_no_verb_that_works(tmp_path: Path) -> None:
    folder = copy_district(tmp_path)
    config = configure(folder)
    for words in (
        ("keys",),
        ("request", "--device", DEVICE, "--reason", REASON, "--as", "ivo"),
        ("open", "--approval", "-"),
    ):
        done = schoolgate("break-glass", *words, "--config", config)
        assert done.returncode == 2
        assert "switched off" in done.stderr
    assert not list(folder.glob("*.sock*"))


def test_a_collector_answers_where_it_runs_and_only_when_switched_on(district: Path) -> None:
    config = district / "config.yaml"
    log = district / "collect.log"
    with log.open("wb") as out:
        # No broker is there: it waits, and answers all the same.
        collector = subprocess.Popen(command("collect", "--config", config), cwd=ROOT, stdout=out, stderr=out)
        try:
            until(lambda: (district / "glass.sock").exists() or collector.poll() is not None, what="the socket")
            named = verb(district, "request", "--reason", REASON, who="ivo").stdout.strip()
            allowed = verb(district, "approve", "--yes", "--request", named, who="ada")
            (district / "approval").write_text(allowed.stdout, encoding="ascii")
            opened = schoolgate("break-glass", "open", "--config", config, "--approval", district / "approval")
        finally:
            collector.kill()
            collector.wait()
    # The number is made up, so the collector has seen no such device today: it says so, and nothing else.
    assert opened.returncode == 2, log.read_text(encoding="utf-8")
    assert opened.stderr.strip() == "refused: no such device was seen today since the collector started"
    assert "Traceback" not in log.read_text(encoding="utf-8")


def test_the_officer_sees_it_at_the_desk(tmp_path: Path) -> None:
    with desk(tmp_path) as own:
        log = GlassLog(own.store)
        assert "Break-glass" not in signed_in(own, "ada").ask("/access").text
        named = log.ask(by="ivo", role="it", reason=f"{REASON} <b>", commit=lambda name: commitment(name, DEVICE))
        log.allow(named, by="ada", role="officer", commitment=commitment(named, DEVICE))
        page = signed_in(own, "ada").ask("/access").text
        assert "Break-glass" in page
        assert "command server of the FluBot family, 10:42 &lt;b&gt;" in page
        assert page.count(named) == 2
        assert DEVICE not in page


def test_the_officer_sees_each_approval_apart_and_how_many_requests_there_are(tmp_path: Path) -> None:
    with desk(tmp_path) as own:
        log = GlassLog(own.store)
        asked = [log.ask(by=f"ivo{number}", role="it", reason=REASON, commit=str.upper) for number in range(201)]
        log.allow(asked[0], by="ada", role="officer", commitment=asked[0].upper())
        with own.store.database.writing() as connection:
            connection.execute(sa.text("DELETE FROM case_keys WHERE case_id = :id"), {"id": asked[0]})
        page = signed_in(own, "ada").ask("/access").text
    allowed, _, requests = page.partition("Break-glass: what was asked")
    assert asked[0] in allowed
    assert "Cannot be read: its key is not in this store" in allowed
    assert asked[0] not in requests
    assert "The latest 200 of 201 requests" in requests
