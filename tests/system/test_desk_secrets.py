"""What somebody types at the desk, or is given there to come back with, is in no log and in no store."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.desk_visitor import Visitor, field_of
from tests.system.product import ROOT, command, configure, copy_district, free_port, schoolgate, until
from tests.system.test_desk_users import with_desk
from tests.system.test_secrets import clean, whole


@pytest.fixture
def desk_log(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A desk of its own process, with an officer, and where its words go."""
    folder = copy_district(tmp_path / "desk")
    config = with_desk(configure(folder), f'{{listen: "127.0.0.1:{(port := free_port())}", users: users.yaml}}')
    (folder / "password").write_text("PLANTED-right-password-x7\n", encoding="utf-8")
    added = schoolgate("desk", "users", "add", "ada", "--config", config, "--password-file", folder / "password")
    whole(added)
    log = folder / "desk.log"
    with log.open("wb") as out:
        service = subprocess.Popen(command("desk", "--config", config), cwd=ROOT, stdout=out, stderr=out)
        try:
            until(lambda: b"until Ctrl-C" in log.read_bytes() or service.poll() is not None, what="the desk")
            yield port, log
        finally:
            service.kill()
            service.wait()


class _There:
    """Where the desk of another process listens, for a visitor."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.origin = f"http://127.0.0.1:{port}"


def test_cookies_tokens_and_typed_passwords_are_in_no_log_of_the_desk(desk_log: tuple[int, Path]) -> None:
    port, log = desk_log
    visitor = Visitor(desk=_There(port))  # all of a desk that a visitor needs
    typed = "PLANTED-mistyped-x7"
    assert visitor.sign_in("ada", password=typed).status != 303
    assert visitor.sign_in(typed, password=typed).status != 303
    assert visitor.sign_in("ada", password="PLANTED-right-password-x7").status == 303  # noqa: S106 -- planted
    page = visitor.ask("/cases").text
    cookie, token = visitor.cookie.partition("=")[2], field_of(page, "csrf")
    assert len(cookie) > 20
    # What it does not know, refuses and cannot read, each with the session's own cookie.
    statuses = {
        visitor.ask("/nowhere").status,
        visitor.ask("/cases/none").status,
        visitor.send("/cases/none/act", csrf="wrong").status,
        visitor.send("/cases/none/act", csrf=token).status,
        visitor.ask("/cases", method="PUT", body=b"\xff" * 64).status,
        visitor.ask("/cases?q=" + "x" * 9000).status,
        visitor.send_with({"Origin": "https://elsewhere.example"}, "/sign-out", csrf=token).status,
    }
    assert not statuses & {200, 303}
    said = clean(log.read_text(encoding="utf-8"), more=(cookie, token))
    assert "until Ctrl-C" in said
    for path in log.parent.glob("cases.db*"):
        octets = path.read_bytes()
        for secret in (typed, cookie, token, "PLANTED"):
            assert secret.encode() not in octets, path
