"""Cases that were kept for long enough are forgotten by themselves, if the district says so, with a certificate."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from collector.problems import DocumentError
from rules.retention import Policy
from rules.store import Store, StoreError
from rules.store.chain import Head
from schoolgate.configuration import configuration_at
from schoolgate.due_cases import DueCases, due_cases_of
from schoolgate.forget import destroyed_keys
from schoolgate.purging import Purger
from tests.parts.small_disk import mounted
from tests.rules.told_cases import Cases, Hands
from tests.system.product import copy_district, schoolgate

DAYS = 30


def district(tmp_path: Path, *, days: int | None = DAYS, folder: str | None = "certificates") -> Path:
    """Return a district that keeps ended cases for so many days; of its two cases one ended long ago."""
    place = copy_district(tmp_path / "district")
    config = place / "config.yaml"
    wanted = {"case_retention_days": days, "case_certificates": folder}
    told = ", ".join(f"{name}: {value}" for name, value in wanted.items() if value is not None)
    config.write_text(f"{config.read_text()}\nprivacy: {{{told}}}\n")
    store = Store(f"sqlite:///{place}/cases.db", clock=Hands(datetime.now(UTC) - timedelta(days=DAYS + 1)))
    cases = Cases(store)
    for case_id in ("ended", "open"):
        cases.keep(case_id, subject=f"{case_id}.example")
    store.act("ended", act="closed", by="ada", text="The vendor changed.", reason="explained")
    store.close()
    return place


def told_in(certificate: Path) -> dict[str, object]:
    with zipfile.ZipFile(certificate) as archive:
        return dict(json.loads(archive.read("purge.json")))


def test_the_purge_forgets_them_with_a_certificate_and_in_the_chain(tmp_path: Path) -> None:
    place = district(tmp_path)
    settings, said = configuration_at(place / "config.yaml"), list[str]()
    store = Store(f"sqlite:///{place}/cases.db")
    due = due_cases_of(settings, folder=place, store=store, say=said.append)
    purger = Purger(store, policy=Policy(case_days=DAYS), say=said.append, due=due)
    found = purger.turn()
    assert found is not None
    assert (found.due_cases, list(store.cases())) == (["ended"], ["open"])
    (certificate,) = (place / "certificates").iterdir()
    told = told_in(certificate)
    assert (told["complete"], told["by"]) == (True, "schoolgate")
    assert "case_retention_days" in str(told["reason"])
    assert {each["what"].partition(":")[0] for each in told["elsewhere"]} == {"not tried"}  # type: ignore[attr-defined]
    head = store.verify()
    assert isinstance(head, Head)
    assert told["log"] == {"entries": head.entries, "hash": head.hash}
    last = store.log()[-1]
    assert (last.case_id, last.kind) == ("ended", "forgotten")
    assert [line for line in said if "1 cases that were due are forgotten" in line]
    store.close()


def test_a_person_is_shown_what_is_due_and_has_to_say_that_it_shall_go(tmp_path: Path) -> None:
    place = district(tmp_path)
    config = place / "config.yaml"
    shown = schoolgate("privacy", "purge", "--config", config, "--dry-run", "--cases")
    assert "case ended is due: schoolgate cases forget ended" in shown.stdout
    assert not (place / "certificates").exists()
    done = schoolgate("privacy", "purge", "--config", config, "--cases")
    assert (done.returncode, "case ended is due" in done.stdout) == (0, False)
    assert "1 cases that were due are forgotten" in done.stderr
    assert len(list((place / "certificates").glob("purge-*.zip"))) == 1


def test_nothing_is_forgotten_where_no_certificate_can_be_written(tmp_path: Path) -> None:
    place, said = district(tmp_path), list[str]()
    (place / "a file").write_text("no folder")
    store = Store(f"sqlite:///{place}/cases.db")
    due = DueCases(store, folder=place / "a file", district="Riverbend", days=DAYS, say=said.append)
    assert due.forget(["ended"]) == 0
    assert set(store.cases()) == {"ended", "open"}
    assert "takes no certificate" in said[0]
    store.close()


def test_a_full_disk_keeps_the_cases_and_the_verb_says_so(tmp_path: Path) -> None:
    place = district(tmp_path)
    folder = place / "certificates"
    folder.mkdir()
    with mounted(folder, "size=8k"):
        (folder / "ballast").write_bytes(b"x" * 8192)
        run = schoolgate("privacy", "purge", "--config", place / "config.yaml", "--cases")
        assert (run.returncode, [path.name for path in folder.iterdir()]) == (3, ["ballast"])
        assert f"1 cases that are due are not forgotten: {folder} takes no certificate (No space left" in run.stderr
        store = Store(f"sqlite:///{place}/cases.db")
        assert set(store.cases()) == {"ended", "open"}
        store.close()


def test_a_disk_that_fills_up_meanwhile_leaves_the_certificate_that_was_begun(tmp_path: Path) -> None:
    """There is room for the certificate, and none for the whole one beside it."""
    place, said = district(tmp_path), list[str]()
    folder = tmp_path / "small"
    folder.mkdir()
    with mounted(folder, "size=1m,nr_inodes=2"):
        store = Store(f"sqlite:///{place}/cases.db")
        due = DueCases(store, folder=folder, district="Riverbend", days=DAYS, say=said.append)
        assert due.forget(["ended"]) == 1
        assert list(store.cases()) == ["open"]
        assert "1 cases that were due are forgotten" in said[0]
        assert "could not be completed (No space left on device)" in said[0]
        (certificate,) = folder.glob("purge-*")
        told = told_in(certificate)
        assert (told["complete"], len(destroyed_keys(certificate).keys)) == (False, 1)
        # What is left is not forgotten without a certificate of its own.
        assert due.forget(["open"]) == 0
        assert list(store.cases()) == ["open"]
        assert "1 cases that are due are not forgotten" in said[-1]
        store.close()


@pytest.mark.parametrize("there", ["before", "after"])
def test_a_database_that_fails_at_the_last_word_leaves_a_certificate_only_of_what_is_gone(
    tmp_path: Path, there: str
) -> None:
    """A server may go away before it has committed, or after."""
    place, said = district(tmp_path), list[str]()
    store = Store(f"sqlite:///{place}/cases.db")
    due = DueCases(store, folder=tmp_path / "certificates", district="Riverbend", days=DAYS, say=said.append)

    def go_away(connection: sa.Connection) -> None:
        if list((tmp_path / "certificates").glob("*")):
            if there == "after":
                connection.exec_driver_sql("COMMIT")
            raise sa.exc.OperationalError("COMMIT", {}, Exception("the connection is lost"))

    sa.event.listen(store.database.engine, "commit", go_away)
    with pytest.raises(StoreError, match="the connection is lost"):
        due.forget(["ended"])
    sa.event.remove(store.database.engine, "commit", go_away)
    left = list((tmp_path / "certificates").iterdir())
    assert ("ended" in store.cases(), len(left)) == ((True, 0) if there == "before" else (False, 1))
    store.close()


def test_a_folder_without_a_time_is_refused_and_neither_leaves_it_to_a_person(tmp_path: Path) -> None:
    place = district(tmp_path, days=None)
    store = Store(f"sqlite:///{place}/cases.db")
    with pytest.raises(DocumentError, match="case_retention_days"):
        due_cases_of(configuration_at(place / "config.yaml"), folder=place, store=store, say=print)
    store.close()
    other = district(tmp_path / "other", folder=None)
    store = Store(f"sqlite:///{other}/cases.db")
    assert due_cases_of(configuration_at(other / "config.yaml"), folder=other, store=store, say=print) is None
    refused = schoolgate("privacy", "purge", "--config", other / "config.yaml", "--cases")
    assert (refused.returncode, "case_certificates" in refused.stderr) == (2, True)
    store.close()
