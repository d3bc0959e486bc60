"""`schoolgate parties`, and `check` with lists of others, as a user meets them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from collector.documents import parse
from rules.lists.formats import FORMATS
from rules.party_file import PartyFile
from schoolgate.parties import app
from tests.system.product import CAPTURE, SAMPLE, schoolgate

LISTS = Path(__file__).resolve().parents[1] / "rules" / "party_lists"


def run(*words: str | Path, code: int = 0) -> str:
    return invoked(*words, code=code).output


def as_json(*words: str | Path, code: int = 0) -> Any:
    return json.loads(invoked(*words, "--json", code=code).stdout)


def invoked(*words: str | Path, code: int) -> Result:
    found = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert found.exit_code == code, found.output
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(LISTS, tmp_path, dirs_exist_ok=True)
    return tmp_path


def add(folder: Path, name: str, form: str, *more: str) -> str:
    return run(
        "add", folder / name, "--format", form, "--licence", "CC BY-SA 4.0", "--date", "2026-07-01",
        "--to", folder / "lists.yaml", *more,
    )  # fmt: skip


def test_lists_are_entered_checked_and_asked(folder: Path) -> None:
    told = add(folder, "companiesdb", "adguard-companiesdb", "--name", "companiesdb")
    assert "companiesdb of 2026-07-01 entered: 9 domains, 1 skipped, 2 broken" in told
    assert "trackers.json:30: `broken host` is not a host name" in told
    add(folder, "services.json", "disconnect")
    assert "entered again" in add(folder, "services.json", "disconnect")

    checked = run("check", folder / "lists.yaml")
    assert "companiesdb of 2026-07-01 (adguard-companiesdb, CC BY-SA 4.0): used" in checked
    assert "the category `Telepathy` is not known here; its 1 domains count as `other`" in checked

    asked = as_json("who", "T.AdCo.example", "--parties", folder / "lists.yaml")
    assert asked["party"] == {
        "name": "AdCo", "owner": "AdCo", "kind": "advertising", "list": "Disconnect", "date": "2026-07-01",
    }  # fmt: skip
    assert [each["list"] for each in asked["said"]] == ["Disconnect", "companiesdb"]


def test_a_list_that_is_not_the_one_entered_ends_the_check_with_2(folder: Path) -> None:
    add(folder, "services.json", "disconnect")
    (folder / "services.json").write_text("{}")
    told = "lists.yaml:3: the list services.json is not the one that was entered here"
    assert told in run("check", folder / "lists.yaml", code=2)
    document = as_json("check", folder / "lists.yaml", code=2)
    assert [each["usable"] for each in document["lists"]] == [False]
    assert told in document["problems"][0]


def test_many_files_are_packed_into_one_that_says_the_same(folder: Path) -> None:
    assert "packed.json: 5 domains" in run("pack", folder / "radar", "--to", folder / "packed.json")
    add(folder, "packed.json", "tracker-radar")
    asked = run("who", "x.fastedge.example", "--parties", folder / "lists.yaml")
    assert asked.startswith("x.fastedge.example: FastEdge Inc.; cdn\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--format", "adblock"), "there is no format 'adblock'; one of adguard-companiesdb, "),
        (("--date", "July"), "`July` is not a date; write a date such as 2026-08-01"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_told_and_writes_nothing(
    folder: Path, words: tuple[str, str], told: str
) -> None:
    options = {"--format": "disconnect", "--licence": "x", "--date": "2026-07-01", "--to": str(folder / "new.yaml")}
    options |= dict([words])
    output = run("add", folder / "services.json", *(word for pair in options.items() for word in pair), code=2)
    assert told in " ".join(output.replace("│", " ").split())
    assert not (folder / "new.yaml").exists()


def test_the_help_names_every_format() -> None:
    words = " ".join(run("add", "--help").replace("│", " ").split())
    assert all(name in words for name in FORMATS)


def test_check_goes_on_without_a_list_that_cannot_be_used_and_says_which_list_decided(tmp_path: Path) -> None:
    own = parse((SAMPLE / "parties.yaml").read_text(), path="parties.yaml", model=PartyFile)
    services: dict[str, list[object]] = {}
    for row in own.parties:
        category = {"advertising": "Advertising", "analytics": "Analytics"}.get(row.kind, "Content")
        services.setdefault(category, []).append({row.name: {"https://site.example/": row.domains}})
    (tmp_path / "services.json").write_text(json.dumps({"categories": services}))
    (tmp_path / "map.json").write_text('{"x.example": {"entityName": "X"}}')
    add(tmp_path, "services.json", "disconnect")
    add(tmp_path, "map.json", "tracker-radar")
    (tmp_path / "map.json").unlink()

    done = schoolgate(
        "check", CAPTURE, "--agreements", SAMPLE / "agreements", "--network", SAMPLE / "network.yaml",
        "--parties", tmp_path / "lists.yaml", "--json",
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stderr
    unused = "the list map.json cannot be used: there is no such file or folder; its hosts are of unknown kind"
    assert f"warning: {tmp_path}/lists.yaml:8: {unused}; get the list, or correct its path\n" in done.stderr
    report = json.loads(done.stdout)
    assert any(unused in error for error in report["errors"])
    cloaked = [case for case in report["cases"] if case["rule"] == "cname-cloaked-third-party"]
    assert cloaked
    assert any("in Disconnect of 2026-07-01)" in case["summary"] for case in cloaked)
