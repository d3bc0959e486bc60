"""The door of break-glass where its own file of used approvals will not do: it names nobody, and goes on answering."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.break_glass import Approval, signed
from collector.glass_door import GlassDoor, ask

DEVICE = "00c0ffee00c0ffee"
MAC = "02:00:00:00:00:02"
NOW = datetime(2026, 10, 14, 15, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def told() -> list[str]:
    """What the operator is told, and the word `named` for each device that was named."""
    return []


@pytest.fixture
def path(tmp_path: Path, told: list[str]) -> Iterator[Path]:
    """The socket of a door that is open."""
    own = tmp_path / "glass.sock"
    door = GlassDoor(
        own, key=KEY.public_key(), today=lambda: date(2026, 10, 14), clock=lambda: NOW,
        device={DEVICE: b"m" + bytes.fromhex(MAC.replace(":", ""))}.get, answered=lambda: told.append("named"),
        say=told.append,
    )  # fmt: skip
    yield own
    door.close()


def approval(request: str) -> str:
    """Return an approval that holds."""
    return signed(
        Approval(
            request=request, device=DEVICE, day="2026-10-14", asked_by="ivo", allowed_by="ada",
            issued_at=NOW.isoformat(), expires_at=(NOW + timedelta(hours=1)).isoformat(),
        ), key=KEY,
    )  # fmt: skip


@pytest.mark.parametrize(
    "octets",
    [
        b"", b"{", b"[]", b"null", b"7", b'{"a": 1}', b'{"a": "soon"}', b'{"a": "2026-10-14T15:00:00"}', b"\xff\x00",
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_file_of_used_approvals_names_nobody_until_a_person_removed_it(
    path: Path, told: list[str], octets: bytes
) -> None:
    used = path.with_name("glass.sock.used")
    used.write_bytes(octets)
    for number in range(2):
        answer = ask(path, approval=approval(f"glass-{number}"))
        assert list(answer) == ["refused"]
        assert "glass.sock.used, which says what was used, cannot be read; nobody is named" in answer["refused"]
    assert used.read_bytes() == octets  # for whoever looks what happened
    assert len(told) == 2
    assert all(line.startswith("break-glass: ") and DEVICE not in line for line in told)
    used.unlink()
    assert ask(path, approval=approval("glass-0"))["mac"] == MAC
    assert "used before" in ask(path, approval=approval("glass-0"))["refused"]
    assert told[2:] == ["named"]


@pytest.mark.parametrize(("name", "says"), [("used", "cannot be read"), ("used.new", "cannot be written")])
def test_a_disk_that_keeps_nothing_names_nobody_and_whoever_asks_is_told(
    path: Path, told: list[str], name: str, says: str
) -> None:
    in_the_way = path.with_name(f"glass.sock.{name}")
    in_the_way.mkdir()
    assert says in ask(path, approval=approval("glass-1"))["refused"]
    assert says in told[0]
    assert "named" not in told
    in_the_way.rmdir()
    assert ask(path, approval=approval("glass-1"))["mac"] == MAC


def test_a_time_long_ago_is_let_go_and_one_of_the_hour_is_kept(path: Path) -> None:
    used = path.with_name("glass.sock.used")
    old, young = NOW - timedelta(hours=26), NOW - timedelta(minutes=1)
    used.write_text(f'{{"old": "{old.isoformat()}", "young": "{young.isoformat()}"}}', encoding="ascii")
    assert ask(path, approval=approval("glass-1"))["mac"] == MAC
    kept = used.read_text(encoding="ascii")
    assert "young" in kept
    assert "old" not in kept
