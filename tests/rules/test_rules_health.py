"""Each look at what the rules side stands on, in a good case and in bad ones, with real parts."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa

from collector.outcomes import Outcome
from collector.segments import Network
from rules.health.alertmanager import alertmanager
from rules.health.lists import lists
from rules.health.mail import mail
from rules.health.rulebook import rulebook
from rules.health.store import store
from rules.rulebook import RulebookFiles
from rules.settings import AlertmanagerPlace, Notify
from rules.store import Store
from rules.store.schema import STORE_VERSION
from tests.parts.mail_sink import PASSWORD, USER, MailSink
from tests.parts.ports import free_ports
from tests.system.product import SAMPLE

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "scenarios" / "seed12-events" / "locations.mmdb"


def one(outcomes: Iterable[Outcome]) -> Outcome:
    (outcome,) = outcomes
    return outcome


def there(port: int) -> AlertmanagerPlace:
    return AlertmanagerPlace(url=f"http://127.0.0.1:{port}")


def states(outcomes: Iterable[Outcome]) -> list[str]:
    return [outcome.state for outcome in outcomes]


@pytest.fixture
def files(tmp_path: Path) -> RulebookFiles:
    """A district with one agreement, in force from 2026-08-01 to 2029-07-31."""
    (tmp_path / "agreements").mkdir()
    shutil.copy(SAMPLE / "agreements" / "choirbox.yaml", tmp_path / "agreements")
    shutil.copy(SAMPLE / "network.yaml", tmp_path)
    return RulebookFiles(agreements=tmp_path / "agreements", network=tmp_path / "network.yaml")


def test_files_that_are_wrong_are_problems_each_with_its_line(files: RulebookFiles) -> None:
    def on(day: date) -> Iterator[Outcome]:
        def today(network: Network) -> date:
            assert network.district
            return day

        return rulebook(files, today=today)

    assert files.agreements is not None
    path = files.agreements / "choirbox.yaml"
    text = path.read_text(encoding="utf-8")
    good = text.replace("effective:", "expires: 2029-07-31, effective:") if "expires:" not in text else text
    ends = date.fromisoformat(good.partition("expires: ")[2][:10])
    path.write_text(good, encoding="utf-8")
    assert states(on(ends - timedelta(days=400))) == ["ok"]
    assert states(on(ends - timedelta(days=30))) == ["ok", "warning"]
    over = list(on(ends + timedelta(days=1)))
    assert states(over) == ["warning", "warning"]
    assert "choirbox" in over[1].what
    path.write_text(good + "colour: red\n", encoding="utf-8")
    wrong = one(on(ends))
    assert (wrong.state, wrong.wrong) == ("problem", "configuration")
    assert wrong.what.startswith(f"{path}:{len(good.splitlines()) + 1}: ")


def lists_file(folder: Path, *, path: str, day: date) -> Path:
    row = f"{{path: {path}, format: disconnect, licence: none, date: {day}, sha256: {'0' * 64}}}"
    (folder / "lists.yaml").write_text(f"schema: schoolgate/lists/1\nlists:\n  - {row}\n")
    return folder / "lists.yaml"


def test_a_list_of_others_is_told_when_it_is_older_than_half_a_year_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "services.json").write_text("{}")
    day = date(2026, 7, 1)
    path = lists_file(tmp_path, path="services.json", day=day)
    for days, state in {-1: "problem", 0: "ok", 180: "ok", 181: "warning"}.items():
        found = list(lists(parties=[path], location=None, today=day + timedelta(days=days)))[1]
        assert found.state == state
        assert "Disconnect" in found.what
    (tmp_path / "services.json").unlink()
    missing = list(lists(parties=[path], location=None, today=day))[1]
    assert missing.state == "problem"
    assert "until then its hosts are of unknown kind" in (missing.remedy or "")


def test_a_list_that_cannot_be_used_is_told_and_the_rest_goes_on(files: RulebookFiles, tmp_path: Path) -> None:
    (tmp_path / "services.json").write_text("{}")
    path = lists_file(tmp_path, path="services.json", day=date(2026, 7, 1))
    unused, *rest = rulebook(replace(files, parties=(path,)), today=lambda _network: date(2026, 9, 1))
    assert unused.state == "warning"
    assert unused.what.startswith(f"{path}:3: the list services.json is not the one that was entered here")
    assert states(rest) == ["ok"]


def test_lists_are_told_when_they_are_old(tmp_path: Path) -> None:
    today = date(2026, 11, 22)
    new, old = tmp_path / "new.yaml", tmp_path / "old.yaml"
    for path, days in ((new, 10), (old, 500)):
        path.write_text("schema: schoolgate/parties/1\nparties: []\n", encoding="utf-8")
        moment = (today - date(1970, 1, 1) - timedelta(days=days)).total_seconds()
        os.utime(path, (moment, moment))
    suffixes, *parties, location = lists(parties=[new, old, tmp_path / "absent"], location=None, today=today)
    assert suffixes.state == "ok"
    assert states(parties) == ["ok", "warning", "problem"]
    assert location.state == "not applicable"
    assert next(lists(parties=[], location=None, today=today + timedelta(days=800))).state == "warning"


@pytest.mark.skipif(
    not SHARED.exists(), reason="needs shared/scenarios/seed12-events/locations.mmdb beside the checkout"
)
def test_a_country_database_is_fresh_old_or_none(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.mmdb"
    wrong.write_bytes(b"no database")
    _, broken = lists(parties=[], location=wrong, today=date(2026, 11, 22))
    assert (broken.state, broken.wrong) == ("problem", "configuration")
    assert [list(lists(parties=[], location=SHARED, today=date(year, 1, 1)))[1].state for year in (2020, 2040)] == [
        "ok", "warning",
    ]  # fmt: skip


def test_a_store_is_looked_at_and_never_made(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'cases.db'}"
    found = one(store(address))
    assert found.state == "ok"
    assert "not there yet" in found.what
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_another_version_is_told_and_left_as_it_is(store_address: str) -> None:
    own = Store(store_address)
    assert one(store(store_address)).what.endswith("holds 0 cases and 0 entries of the log")
    for version, state in ((STORE_VERSION - 1, "warning"), (STORE_VERSION + 1, "problem")):
        with own.database.writing() as connection:
            connection.execute(sa.text("UPDATE meta SET value = :v WHERE name = 'version'"), {"v": str(version)})
        assert one(store(store_address)).state == state
    own.close()


def test_a_store_that_cannot_be_used_says_why_without_its_password(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    away = one(store(f"postgresql+psycopg://user:secret@127.0.0.1:{port}/cases"))
    assert (away.state, away.wrong) == ("problem", "environment")
    assert "secret" not in f"{away.what}{away.remedy}"
    assert one(store("nosuch://x")).wrong == "configuration"
    damaged = tmp_path / "cases.db"
    damaged.write_bytes(b"no database at all" * 100)
    assert one(store(f"sqlite:///{damaged}")).wrong == "environment"


class Pretender(BaseHTTPRequestHandler):
    """Answers as an Alertmanager in trouble would."""

    code, date = 200, "Sun, 22 Nov 2026 00:00:00 GMT"

    def do_GET(self) -> None:
        self.send_response_only(self.code)
        self.send_header("Date", self.date)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("code", "date", "state", "words"),
    [
        (200, "", "ok", "is ready"),
        (200, "Sun, 06 Nov 1994 08:49:37 GMT", "warning", "behind ours"),
        (200, "Sun, 06 Nov 2094 08:49:37 GMT", "warning", "ahead of ours"),
        (404, "", "problem", "no Alertmanager"),
        (503, "", "problem", "not ready"),
    ],
)
def test_an_alertmanager_is_ready_or_not_and_its_clock_right_or_not(
    code: int, date: str, state: str, words: str
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("It", (Pretender,), {"code": code, "date": date}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        found = one(alertmanager([there(server.server_port)], folder=Path()))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert found.state == state
    assert words in found.what


def test_an_alertmanager_that_is_not_there_is_a_problem() -> None:
    (port,) = free_ports(1)
    found = one(alertmanager([there(port)], folder=Path()))
    assert (found.state, found.wrong) == ("problem", "environment")


def test_a_mail_server_takes_mail_refuses_the_login_or_is_away(tmp_path: Path) -> None:
    def told(port: int, **more: object) -> Notify:
        named = {"host": "127.0.0.1", "port": port, "sender": "schoolgate@district.example", **more}
        return Notify.model_validate({"mail": {**named, "to": ["privacy@district.example", "board@district.example"]}})

    sink = MailSink(tmp_path / "sink", full="board@district.example")
    try:
        good, full = mail(told(sink.port), folder=tmp_path)
        refused = list(mail(told(sink.port, user=USER, password=PASSWORD, security="starttls"), folder=tmp_path))
    finally:
        sink.kill()
    assert good.state == "ok"
    assert good.what.endswith("nothing was sent")
    assert (full.state, full.wrong) == ("problem", "environment")
    assert "board@district.example" in full.what
    assert states(refused) == ["problem", "problem"]
    assert sink.taken() == []
    assert states(mail(told(sink.port), folder=tmp_path)) == ["problem", "problem"]
    absent = one(mail(told(sink.port, user=USER, password={"file": "absent"}), folder=tmp_path))
    assert (absent.state, absent.wrong) == ("problem", "configuration")
