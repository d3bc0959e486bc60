"""What was destroyed in a year is told with its rows of the case log, and whoever changes a word is found out."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.problems import DocumentError
from rules.case_keys import case_of
from rules.export.purges_of_a_year import as_text
from rules.retention import Policy
from rules.store import FindingRow, Store
from rules.store.forgetting import forget
from rules.store.retention import purge
from schoolgate.certificate import borne_out, certificate, put_down
from tests.rules.test_told import finding
from tests.rules.told_cases import Cases, Hands
from tests.system.product import copy_district, schoolgate

TAKEN_IN = datetime(2026, 3, 2, 15, tzinfo=UTC)
PURGED = TAKEN_IN + timedelta(days=91)
PUPILS = 3


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A district in whose store findings and counts went by themselves and a case was forgotten, in 2026."""
    folder, hands = copy_district(tmp_path / "district"), Hands(TAKEN_IN)
    store = Store(f"sqlite:///{folder}/cases.db", clock=hands)
    Cases(store).keep("aa01", subject="zyxgotcha.example")
    found = [finding(f"d{each}") for each in range(PUPILS)]
    rows = {each.id: FindingRow(each.agreement, case_of(each), msgspec.json.encode(each)) for each in found}
    store.commit(findings=rows, cases=(), state={"counted/2026-10-14/1": b"x"}, position=None)
    purge(store, policy=Policy(), now=TAKEN_IN)
    hands.at = PURGED
    assert purge(store, policy=Policy(), now=PURGED).removed == {"findings": PUPILS, "counted": 1}
    assert purge(store, policy=Policy(), now=PURGED + timedelta(hours=1)).removed.total() == 0
    forget(store, ["aa01"], by="ada", reason="The vendor left.")
    hands.at = PURGED + timedelta(days=365)
    Cases(store).keep("bb01", subject="other.example")
    store.close()
    return folder / "config.yaml"


def written(told: dict[str, Any], path: Path) -> Path:
    path.write_text(json.dumps(told), encoding="utf-8")
    return path


def test_a_year_is_told_with_days_cases_and_keys_and_where_the_chain_holds_it(config: Path, tmp_path: Path) -> None:
    told = certificate(config, year=2026, now=PURGED)
    (gone,), (case,) = told["purges"], told["cases"]
    assert gone["removed"] == {"counted": "fewer than 10", "findings": "fewer than 10"}
    assert (gone["days"], gone["at"][:10]) == (["2026-10-14"], "2026-06-01")
    assert gone["rules"]["finding_days"] == 90
    assert (case["case"], case["by"], case["text"]) == ("aa01", "ada", "The vendor left.")
    assert gone["row"] < case["row"] < told["log"]["entries"]
    assert {key["of"] for key in told["keys"]} >= {"aa01", "day-2026-10-14"}
    put_down(config, told=told)
    assert borne_out(config, source=written(told, tmp_path / "2026.json")) == []
    assert {name: certificate(config, year=2025, now=PURGED)[name] for name in ("purges", "cases", "keys")} == {
        "purges": [], "cases": [], "keys": [],
    }  # fmt: skip
    everything = json.dumps(told) + as_text(told)
    assert "gotcha" not in everything
    assert str(config.parent) not in everything


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told["purges"].clear(),
        lambda told: told["purges"][0]["removed"].update(findings="1,600 to 3,199"),
        lambda told: told["purges"][0].update(days=["2026-10-13"]),
        lambda told: told["cases"][0].update(case="bb01"),
        lambda told: told["cases"][0].update(hash="0" * 64),
        lambda told: told["keys"][0].update(destroyed_at="2026-05-01T00:00:00.000000Z"),
        lambda told: told["log"].update(hash="0" * 64),
        lambda told: told.update(year=2027),
        lambda told: told.update(keys=[]),
        lambda told: told["keys"].extend(told["keys"]),
        lambda told: told["keys"].reverse(),
        lambda told: told["rules"].update(findings="9999 days"),
        lambda told: told.update(held=[]),
        lambda told: told["held"][0].update(overdue="never"),
        lambda told: told.update(district="Another District"),
        lambda told: told.update(made_at="2026-06-02T15:00:00Z"),
        lambda told: told.update(software="9.9.9"),
        lambda told: told.update(limits=[]),
        lambda told: told["purges"][0].update(row=float(told["purges"][0]["row"])),
    ],
)
def test_a_changed_certificate_is_not_borne_out(config: Path, tmp_path: Path, change: Any) -> None:
    told = certificate(config, year=2026, now=PURGED)
    put_down(config, told=told)
    change(told)
    assert borne_out(config, source=written(told, tmp_path / "2026.json")) != []


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(year="2026"),
        lambda told: told.update(year=True),
        lambda told: told["log"].update(entries=str(told["log"]["entries"])),
        lambda told: told.update(kind="schoolgate-purge"),
        lambda told: told.update(note="Nothing else was ever held."),
        lambda told: told["keys"][0].update(number=1.0),
        lambda told: told["keys"][0].update(by="nobody"),
        lambda told: told.update(made_at="2026-13-41T25:00:00Z"),
        lambda told: told.pop("held"),
    ],
)
def test_what_no_release_wrote_is_no_certificate(config: Path, tmp_path: Path, change: Any) -> None:
    told = certificate(config, year=2026, now=PURGED)
    put_down(config, told=told)
    change(told)
    with pytest.raises(DocumentError, match="no certificate of a year"):
        borne_out(config, source=written(told, tmp_path / "2026.json"))


def test_a_name_that_stands_there_twice_is_refused_for_people_read_the_first(config: Path, tmp_path: Path) -> None:
    told = certificate(config, year=2026, now=PURGED)
    put_down(config, told=told)
    text = written(told, tmp_path / "2026.json").read_text()
    (tmp_path / "2026.json").write_text(text.replace('{"v": 1,', '{"v": 1, "district": "Another District",', 1))
    with pytest.raises(DocumentError, match="no certificate of a year"):
        borne_out(config, source=tmp_path / "2026.json")


def test_a_certificate_without_a_row_of_its_own_is_told_what_nothing_bears_out(config: Path, tmp_path: Path) -> None:
    """As one of an earlier release: its rows are compared, and what no row tells of is named."""
    told = certificate(config, year=2026, now=PURGED + timedelta(hours=1))
    (open_,) = borne_out(config, source=written(told, tmp_path / "2026.json"))
    assert [name for name in ("made_at", "software", "rules", "held") if f"`{name}`" not in open_] == []
    first, *others = told["keys"]
    told |= {"keys": [*others, others[0]], "district": "Another District", "limits": []}
    wrong = " ".join(borne_out(config, source=written(told, tmp_path / "2026.json")))
    for said in (
        f"the key of {first['of']}, destroyed at {first['destroyed_at']}, is not there",
        f"the key of {others[0]['of']} stands there 2 times", "`district` is not", "`limits` are not",
    ):  # fmt: skip
        assert said in wrong


def test_a_certificate_is_borne_out_later_whatever_was_destroyed_since(config: Path, tmp_path: Path) -> None:
    told = certificate(config, year=2026, now=PURGED)
    put_down(config, told=told)
    store = Store(f"sqlite:///{config.parent}/cases.db", clock=Hands(PURGED + timedelta(hours=1)))
    Cases(store).keep("cc01", subject="third.example")
    forget(store, ["cc01"], by="ada", reason="The vendor left.")
    store.close()
    network = config.parent / "network.yaml"
    network.write_text(network.read_text().replace(told["district"], "Renamed Schools"))
    source = tmp_path / "2026.json"
    source.write_text(json.dumps(told, indent=4, sort_keys=True))
    assert borne_out(config, source=source) == []


def test_the_verbs_print_it_for_people_and_for_programs_and_check_it(config: Path, tmp_path: Path) -> None:
    shown = schoolgate("privacy", "certificate", "--year", "2026", "--config", config)
    assert "findings: fewer than 10; evidence of 2026-10-14" in shown.stdout
    assert "aa01, by ada: The vendor left." in shown.stdout
    given = schoolgate("privacy", "certificate", "--year", "2026", "--json", "--config", config)
    (tmp_path / "2026.json").write_text(given.stdout)
    checked = schoolgate("privacy", "verify", tmp_path / "2026.json", "--config", config)
    assert (checked.returncode, "row by row" in checked.stdout) == (0, True), checked.stderr
    with pytest.raises(DocumentError, match="no certificate of a year"):
        borne_out(config, source=config)


def test_a_purge_that_takes_nothing_writes_no_row(config: Path) -> None:
    store = Store(f"sqlite:///{config.parent}/cases.db")
    before = store.log_end()
    purge(store, policy=Policy(), now=PURGED + timedelta(days=1))
    assert store.log_end() == before
    assert [row.case_id for row in store.log() if row.kind == "purged"] == [""]
    assert date.fromisoformat("2026-10-14") not in purge(store, policy=Policy(), now=PURGED).days
    store.close()
