"""`schoolgate privacy report` beside what is really in files, tables and topics; and the purge that runs alone."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from collector.segments import load_network
from rules.case_keys import task_day_id
from rules.retention import Policy
from rules.store import Store, schema
from rules.store.retention import last_purge, purge, read_ledger
from rules.versions import CaseVersion
from schoolgate.held import SLACK, look
from schoolgate.held_topics import WORDS
from schoolgate.purging import Purger
from tests.rules.fifth_store import build_fifth_store
from tests.rules.first_store import a_case
from tests.system.product import copy_district, schoolgate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.parts.broker import Broker
    from tests.parts.postgres import Postgres

LONG = timedelta(days=91)
DELETED = "at most: judges delete what they have judged when its day is over"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample district after its day."""
    folder = copy_district(tmp_path_factory.mktemp("district"))
    run = schoolgate("run", "--config", folder / "config.yaml")
    assert run.returncode == 0, run.stderr
    return folder


def reported(config: Path, *, exit_code: int = 0) -> list[dict[str, Any]]:
    run = schoolgate("privacy", "report", "--config", config, "--json")
    assert run.returncode == exit_code, run.stdout + run.stderr
    told: dict[str, Any] = json.loads(run.stdout)
    assert told["overdue"] == (exit_code == 1)
    held: list[dict[str, Any]] = told["held"]
    return held


def by_name(held: list[dict[str, Any]], place: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in held if each["place"] == place}


def test_every_table_is_named_with_its_rows_and_so_is_all_state(judged: Path) -> None:
    held = reported(judged / "config.yaml")
    tables, state = by_name(held, "table"), by_name(held, "state")
    with closing(sqlite3.connect(judged / "cases.db")) as there:
        names = [row[0] for row in there.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for name in names:
            (rows,) = there.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608 -- names of its own
            assert tables[name]["count"] == rows, name
        assert tables.keys() == set(names)
        kept = [row[0] for row in there.execute("SELECT name FROM engine_state")]
    assert sum(each["count"] for each in state.values()) == len(kept)
    assert tables["findings"]["count"] > 0
    assert state["engine_state counted/"]["count"] > 0


def test_every_table_of_this_version_has_words_and_a_policy(judged: Path) -> None:
    tables = by_name(reported(judged / "config.yaml"), "table")
    for name in schema.tables.tables:
        assert tables[name]["what"] != "unknown", name
        assert tables[name]["keep"], name


def test_every_file_that_was_written_is_named(judged: Path) -> None:
    held = reported(judged / "config.yaml")
    given = {"config.yaml", "network.yaml", "parties.yaml", "day.pcap.gz", "agreements"}
    # Beside its file SQLite keeps what is about to be written into it.
    written = {path.name.removesuffix("-wal").removesuffix("-shm") for path in judged.iterdir()} - given
    named = {name.rpartition("/")[2] for name in by_name(held, "file")} | {"cases.db"}
    assert written <= named


def test_keys_of_open_days_of_judges_are_counted_and_an_old_one_is_wrong(tmp_path: Path) -> None:
    folder = copy_district(tmp_path)
    store = Store(f"sqlite:///{folder / 'cases.db'}", clock=lambda: datetime.now(UTC) - timedelta(days=9))
    days = [date(2026, 10, 14), date(2026, 10, 15)]
    keys = store.keys_for([task_day_id("schoolgate.case-state/1", day) for day in days])
    (held,) = by_name(reported(folder / "config.yaml", exit_code=1), "key").values()
    assert (held["count"], held["since"][:10]) == (2, (datetime.now(UTC) - timedelta(days=9)).date().isoformat())
    assert "see whether judges run" in held["overdue"]
    store.destroy(keys)
    store.close()
    (held,) = by_name(reported(folder / "config.yaml"), "key").values()
    assert (held["count"], held["since"], held["overdue"]) == (0, None, "")


def test_a_table_and_a_state_that_nobody_knows_are_wrong(judged: Path, tmp_path: Path) -> None:
    folder = copy_district(tmp_path)
    with closing(sqlite3.connect(judged / "cases.db")) as there, closing(sqlite3.connect(folder / "cases.db")) as copy:
        there.backup(copy)
        copy.execute("CREATE TABLE browsing (who TEXT, what TEXT)")
        copy.execute("INSERT INTO engine_state VALUES ('diary', x'00')")
        copy.commit()
    run = schoolgate("privacy", "report", "--config", folder / "config.yaml")
    assert run.returncode == 1, run.stdout
    assert "wrong: browsing: nobody knows what this is" in run.stdout
    assert "wrong: engine_state diary: nobody knows what this is" in run.stdout
    assert "Verdict: something is kept for longer than it may be" in run.stdout


LOOKING = (
    ("privacy", "report"), ("privacy", "purge"), ("privacy", "certificate", "--year", "2026"),
    ("cases",), ("cases", "list"), ("cases", "show", "aa"), ("cases", "verify"),
    ("cases", "export", "--out", "pack.zip"), ("cases", "forget", "aa", "--reason", "Because.", "--yes"),
    ("store", "backup", "backup.gz", "--keys", "keys.gz"), ("store", "scrub"),
)  # fmt: skip


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_a_store_that_is_not_there_is_told_with_its_line_and_is_never_made_by_who_looks(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    config = copy_district(tmp_path) / "config.yaml"
    line = config.read_text().splitlines().index("store: sqlite:///cases.db") + 1
    before = {path.name for path in tmp_path.iterdir()}
    run = schoolgate(*words, "--config", config, folder=tmp_path)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (
        f"{config}:{line}: no store at sqlite:///{tmp_path}/cases.db; start `schoolgate run`, which makes it, or "
        "correct `store:`\n"
    )
    assert {path.name for path in tmp_path.iterdir()} == before
    # Nor is a file made one that is none.
    (tmp_path / "cases.db").touch()
    assert schoolgate(*words, "--config", config, folder=tmp_path).stderr == run.stderr


def test_an_empty_database_of_a_server_is_no_store_either(postgres: Postgres, tmp_path: Path) -> None:
    config, address = copy_district(tmp_path) / "config.yaml", postgres.database()
    config.write_text(config.read_text().replace("sqlite:///cases.db", address))
    for words in (("privacy", "report"), ("cases",), ("store", "backup", tmp_path / "backup.gz")):
        run = schoolgate(*words, "--config", config)
        assert (run.returncode, run.stdout) == (2, "")
        assert ": no store at postgresql+psycopg://" in run.stderr
    engine = sa.create_engine(address)
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


def test_where_no_store_is_named_as_on_a_tap_the_report_tells_of_the_rest(tmp_path: Path) -> None:
    config = copy_district(tmp_path) / "config.yaml"
    config.write_text(config.read_text().replace("store: sqlite:///cases.db\n", ""))
    (told,) = by_name(reported(config), "table").values()
    assert told["what"] == "the case store: none is there, and the configuration names none"


def test_a_report_brings_no_older_store_up_to_date(tmp_path: Path) -> None:
    folder = copy_district(tmp_path)
    build_fifth_store(f"sqlite:///{folder / 'cases.db'}")
    with closing(sqlite3.connect(folder / "cases.db")) as there:
        # As every store is that a program of ours has opened.
        there.execute("PRAGMA journal_mode=WAL")
    before = (folder / "cases.db").read_bytes()
    run = schoolgate("privacy", "report", "--config", folder / "config.yaml")
    assert run.returncode == 3
    assert "start `schoolgate run`, which brings it up to date" in run.stdout
    assert (folder / "cases.db").read_bytes() == before


def aged(folder: Path, by: timedelta) -> None:
    """Let everything in the store be as if it had been taken in so long ago."""
    with closing(sqlite3.connect(folder / "cases.db")) as there:
        kept = dict(there.execute("SELECT name, value FROM meta WHERE name LIKE 'retention/%'"))
        days = json.loads(kept["retention/days"])
        since = {day: (datetime.fromisoformat(on) - by).date().isoformat() for day, on in days["since"].items()}
        seen = {
            name: (datetime.fromisoformat(at) - by).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            for name, at in json.loads(kept["retention/seen"]).items()
        }
        for name, value in (("days", {**days, "since": since}), ("seen", seen)):
            there.execute("UPDATE meta SET value = ? WHERE name = ?", (json.dumps(value), f"retention/{name}"))
        there.commit()


def dates(folder: Path) -> dict[str, Any]:
    """Return since when everything in the store is held, as it is noted there."""
    with closing(sqlite3.connect(folder / "cases.db")) as there:
        kept = dict(there.execute("SELECT name, value FROM meta WHERE name LIKE 'retention/%'"))
    return {**json.loads(kept["retention/days"])["since"], **json.loads(kept["retention/seen"])}


def test_a_run_that_ends_leaves_nothing_without_a_date(judged: Path) -> None:
    held, noted = reported(judged / "config.yaml"), dates(judged)
    tables, state = by_name(held, "table"), by_name(held, "state")
    today = datetime.now(UTC).date().isoformat()
    for place in (tables["findings"], tables["inputs"], state["engine_state counted/"]):
        assert place["count"]
        assert place["since"][:10] == today
    assert sum(name.startswith("input/") for name in noted) == tables["inputs"]["count"]


def test_a_date_in_the_future_is_wrong_until_a_purge(judged: Path, tmp_path: Path) -> None:
    folder = copy_district(tmp_path)
    with closing(sqlite3.connect(judged / "cases.db")) as there, closing(sqlite3.connect(folder / "cases.db")) as copy:
        there.backup(copy)
    aged(folder, -timedelta(days=3650))
    held = reported(folder / "config.yaml", exit_code=1)
    for name in ("findings", "inputs"):
        assert "dated in the future" in by_name(held, "table")[name]["overdue"]
    assert "dated in the future" in by_name(held, "state")["engine_state counted/"]["overdue"]
    assert schoolgate("privacy", "purge", "--config", folder / "config.yaml").stdout == "nothing is due\n"
    reported(folder / "config.yaml")
    assert {at[:10] for at in dates(folder).values()} == {datetime.now(UTC).date().isoformat()}


def test_what_is_to_be_told_next_week_is_rightly_ahead(tmp_path: Path) -> None:
    config = copy_district(tmp_path) / "config.yaml"
    store = Store(f"sqlite:///{tmp_path / 'cases.db'}")
    monday = int((datetime.now(UTC) + timedelta(days=6)).timestamp())
    with store.database.writing() as connection:
        connection.execute(
            sa.insert(schema.outbox).values(channel="mail", item="digest/x", seq=0, case_id="", due_at=monday)
        )
    store.close()
    assert by_name(reported(config), "table")["outbox"]["count"] == 1


def test_what_a_killed_process_left_is_dated_when_the_next_one_starts(judged: Path, tmp_path: Path) -> None:
    folder = copy_district(tmp_path)
    with closing(sqlite3.connect(judged / "cases.db")) as there, closing(sqlite3.connect(folder / "cases.db")) as copy:
        there.backup(copy)
    store = Store(f"sqlite:///{folder}/cases.db")
    purge(store, policy=Policy(), now=datetime.now(UTC))
    with store.database.writing() as connection:
        connection.execute(sa.delete(schema.meta).where(schema.meta.c.name.in_(["retention/days", "retention/seen"])))
    purger = Purger(store, policy=Policy(), say=lambda _line: None)
    purger.start()
    for _ in range(600):
        if read_ledger(store.database).since:
            break
        purger._stop.wait(0.1)
    assert read_ledger(store.database).since
    purger.stop()
    store.close()


def test_a_case_that_is_there_for_longer_than_the_district_keeps_it_is_named(tmp_path: Path) -> None:
    config = copy_district(tmp_path) / "config.yaml"
    config.write_text(f"{config.read_text()}privacy: {{case_retention_days: 30}}\n")
    for case_id, ago in (("aa01", timedelta(days=31, hours=3)), ("aa02", timedelta(days=31, hours=1))):
        store = Store(f"sqlite:///{tmp_path / 'cases.db'}", clock=lambda ago=ago: datetime.now(UTC) - ago)  # type: ignore[misc]
        body = json.dumps(a_case(case_id, subject=f"{case_id}.example"))
        store.keep([CaseVersion(id=case_id, version=1, state="open", body=body)], parts=())
        store.act(case_id, act="closed", by="ada", text="", reason="explained")
        store.close()
    cases = by_name(reported(config, exit_code=1), "table")["cases"]
    # The other one is due, too, and goes within the hours that a purge may take.
    assert (
        cases["overdue"]
        == "kept for longer than 30 days after their end: aa01; see `schoolgate privacy purge --dry-run`"
    )
    assert "case aa01 is due" in schoolgate("privacy", "purge", "--dry-run", "--config", config).stdout
    config.write_text(config.read_text().replace("case_retention_days: 30", "case_retention_days: 60"))
    reported(config)


@pytest.mark.parametrize("name", ["2026-10-12T00", "token/2026-10-12"])
def test_a_key_is_wrong_once_a_purge_has_passed_since_the_hour_after_its_period(name: str, tmp_path: Path) -> None:
    config = copy_district(tmp_path) / "config.yaml"
    Store(f"sqlite:///{tmp_path / 'cases.db'}").close()
    (tmp_path / "keys").write_text(json.dumps({name: "00" * 32}), encoding="ascii")
    zone = load_network(tmp_path / "network.yaml").time_zone
    over = datetime(2026, 10, 13, 1, tzinfo=zone) + SLACK
    for at, wrong in ((over, False), (over + timedelta(minutes=1), True)):
        (held, *_) = asyncio.run(look(config, now=at.astimezone(UTC)))
        assert (held.count, bool(held.overdue)) == (1, wrong)


def test_what_is_too_old_is_told_goes_by_hand_and_no_case_with_it(judged: Path, tmp_path: Path) -> None:
    folder = copy_district(tmp_path)
    config = folder / "config.yaml"
    with closing(sqlite3.connect(judged / "cases.db")) as there, closing(sqlite3.connect(folder / "cases.db")) as copy:
        there.backup(copy)
    assert schoolgate("privacy", "purge", "--config", config).stdout == "nothing is due\n"
    cases = json.loads(schoolgate("cases", "--config", config, "--json").stdout)["cases"]
    assert cases
    aged(folder, LONG + timedelta(days=2))
    tables = by_name(reported(config, exit_code=1), "table")
    assert "kept for longer than 90 days" in tables["findings"]["overdue"]
    assert "kept for longer than 90 days" in tables["inputs"]["overdue"]
    dry = schoolgate("privacy", "purge", "--config", config, "--dry-run")
    assert f"findings: {tables['findings']['count']:,} rows would go" in dry.stdout
    done = schoolgate("privacy", "purge", "--config", config)
    assert done.stdout == dry.stdout.replace("would go", "gone")
    after = by_name(reported(config), "table")
    assert (after["findings"]["count"], after["inputs"]["count"]) == (0, 0)
    assert json.loads(schoolgate("cases", "--config", config, "--json").stdout)["cases"] == cases
    # The next run finds nothing that would support them, and the day again: nothing is withdrawn, nothing is more.
    run = schoolgate("run", "--config", config)
    assert run.returncode == 0, run.stderr
    again = json.loads(schoolgate("cases", "--config", config, "--json").stdout)["cases"]
    assert [(case["id"], case["devices"]) for case in again] == [(case["id"], case["devices"]) for case in cases]


def test_of_two_processes_one_purges_and_both_know_of_it(tmp_path: Path) -> None:
    stores = [Store(f"sqlite:///{tmp_path}/cases.db") for _ in range(2)]
    clock = [datetime(2026, 10, 14, 15, 0, tzinfo=UTC)]
    purgers = [Purger(each, policy=Policy(), say=lambda _line: None, clock=lambda: clock[0]) for each in stores]
    assert purgers[0].turn() is not None
    assert purgers[1].turn() is None
    clock[0] += timedelta(minutes=59)
    assert purgers[1].turn() is None
    clock[0] += timedelta(minutes=2)
    assert purgers[1].turn() is not None
    assert last_purge(stores[0].database).at == clock[0]
    # A clock that was set back must not put it off for ever.
    clock[0] -= timedelta(days=30)
    assert purgers[0].turn() is not None
    for each in stores:
        each.close()


def test_it_runs_by_itself_in_the_desk_and_forgets_what_is_due(judged: Path, tmp_path: Path) -> None:
    folder = copy_district(tmp_path)
    with closing(sqlite3.connect(judged / "cases.db")) as there, closing(sqlite3.connect(folder / "cases.db")) as copy:
        there.backup(copy)
    assert schoolgate("privacy", "purge", "--config", folder / "config.yaml").returncode == 0
    aged(folder, LONG)
    store = Store(f"sqlite:///{folder}/cases.db")
    said: list[str] = []
    later = datetime.now(UTC) + timedelta(hours=2)
    purger = Purger(store, policy=Policy(), say=said.append, clock=lambda: later)
    purger.start()
    for _ in range(600):
        if days := purger.take_days():
            break
        purger._stop.wait(0.1)
    purger.stop()
    assert days
    assert read_ledger(store.database).horizon == max(days)
    with store.database.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.findings)).scalar_one() == 0
    store.close()


@pytest.mark.kafka
def test_every_topic_is_named_with_the_retention_that_the_broker_has(tmp_path: Path, broker: Broker) -> None:
    folder = copy_district(tmp_path)
    config = folder / "config.yaml"
    config.write_text(
        f"{config.read_text()}kafka: {{bootstrap: ['{broker.bootstrap}']}}\n"
        "privacy: {flow_retention_hours: 48, finding_retention_days: 60}\n"
    )
    Store(f"sqlite:///{folder / 'cases.db'}").close()
    assert schoolgate("kafka", "setup", "--config", config).returncode == 0
    assert schoolgate("collect", "--config", config).returncode == 0
    topics = by_name(reported(config), "topic")
    assert topics.keys() >= WORDS.keys()
    flows = topics["schoolgate.flows"]
    assert flows["keep"] == f"every record, 48 hours {DELETED}"
    assert flows["count"] > 0
    assert datetime.now(UTC) - datetime.fromisoformat(flows["since"]) < timedelta(hours=1)
    assert topics["schoolgate.findings"]["keep"] == f"every record, 72 hours {DELETED}"
    # A broker that keeps more than was promised is told, whatever the configuration of ours says.
    config.write_text(config.read_text().replace("flow_retention_hours: 48", "flow_retention_hours: 24"))
    topics = by_name(reported(config, exit_code=1), "topic")
    assert "keeps it for longer than the policy" in topics["schoolgate.flows"]["overdue"]


def test_a_broker_that_is_away_is_told_and_is_no_clean_verdict(tmp_path: Path) -> None:
    config = copy_district(tmp_path) / "config.yaml"
    Store(f"sqlite:///{tmp_path / 'cases.db'}").close()
    config.write_text(f"{config.read_text()}kafka: {{bootstrap: ['127.0.0.1:1']}}\n")
    run = schoolgate("privacy", "report", "--config", config)
    assert run.returncode == 3, run.stdout
    assert "not seen: 127.0.0.1:1" in run.stdout
