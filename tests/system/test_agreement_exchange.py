"""Agreements in and out by the command line: nothing half done, nothing overwritten, pages that everybody can read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from collector.problems import DocumentError
from rules.agreements.load import load_agreements
from rules.agreements.show import validate
from schoolgate.exchange import Sources, export_agreements, import_agreements
from tests.parts import chromium
from tests.parts.cache import PartMissingError
from tests.system.product import schoolgate

LIMIT_MS = 60_000
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
NETWORK = """\
schema: schoolgate/network/1
district: Riverbend Unified School District (invented)
time_zone: America/Chicago
schools:
  - {id: lincoln, name: Lincoln, segments: [{cidr: 192.0.2.0/24, group: k-5, under_13: true}]}
"""
STATES = ("agreement.kind=ndpa_v2", "third_parties.list_is=partial", "third_parties.unlisted=notify",
          "use_gate.status=paused")  # fmt: skip


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return schoolgate("agreements", *arguments)


def sources(*files: Path, states: tuple[str, ...] = ()) -> Sources:
    return Sources(files=files, format=None, states=states)


def put(source: Sources, to: Path, *, overwrite: bool = False) -> None:
    import_agreements(source, to=to, dry_run=False, overwrite=overwrite)


@pytest.fixture
def spreadsheet(tmp_path: Path) -> Path:
    """Two vendors, as the template shows them."""
    head, row = run("import", "--template").stdout.splitlines()
    other = row.replace("mathtrek", "wordtrek").replace("MathTrek", "WordTrek")
    path = tmp_path / "vendors.csv"
    path.write_text(f"{head}\n{row}\n{other}\n")
    return path


def test_a_spreadsheet_becomes_files_that_validate_and_a_second_time_overwrites_nothing(
    spreadsheet: Path, tmp_path: Path
) -> None:
    to = tmp_path / "agreements"
    looked = run("import", str(spreadsheet), "--to", str(to), "--dry-run")
    assert looked.stdout.splitlines()[0] == f"would write {to / 'mathtrek.yaml'} ({spreadsheet}:2)"
    assert not to.exists()
    done = run("import", str(spreadsheet), "--to", str(to))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == f"written {to / 'wordtrek.yaml'} ({spreadsheet}:3)"
    assert validate(to, network=None, parties=()) == "2 agreements: no problem found"
    (to / "mathtrek.yaml").write_text((to / "mathtrek.yaml").read_text().replace("72", "24"))
    again = run("import", str(spreadsheet), "--to", str(to))
    assert again.returncode == 2
    assert f"{to / 'mathtrek.yaml'}:1: this file is there already" in again.stderr
    assert "breach_notice_hours: 24" in (to / "mathtrek.yaml").read_text()
    put(sources(spreadsheet), to, overwrite=True)
    assert "breach_notice_hours: 72" in (to / "mathtrek.yaml").read_text()
    assert sorted(entry.name for entry in to.iterdir()) == ["mathtrek.yaml", "wordtrek.yaml"]


def test_with_one_bad_row_in_one_file_nothing_is_written_and_every_problem_is_told(
    spreadsheet: Path, tmp_path: Path
) -> None:
    bad, cut = tmp_path / "bad.csv", tmp_path / "cut.xml"
    bad.write_text(spreadsheet.read_text().replace("2029-07-31", "July 2029"))
    cut.write_text("<pod>\n<privacy>")
    with pytest.raises(DocumentError) as caught:
        put(sources(spreadsheet, bad, cut), tmp_path / "agreements")
    told = str(caught.value)
    for start in (f"{bad}:2: row 2, column `expires`", f"{bad}:3: row 3, column `expires`", f"{cut}:2: this is no"):
        assert start in told
    assert not (tmp_path / "agreements").exists()


def test_two_rows_of_one_name_and_a_name_that_another_file_claims_are_refused(
    spreadsheet: Path, tmp_path: Path
) -> None:
    to = tmp_path / "agreements"
    put(sources(spreadsheet), to)
    (to / "wordtrek.yaml").rename(to / "words.yaml")
    (to / "mathtrek.yaml").unlink()
    text = spreadsheet.read_text().splitlines()
    spreadsheet.write_text("\n".join([*text[:2], text[1], text[2].replace("wordtrek,", "third,", 1), text[2]]) + "\n")
    with pytest.raises(DocumentError) as caught:
        put(sources(spreadsheet), to)
    told = str(caught.value)
    assert f"{spreadsheet}:3: row 3 makes the id `mathtrek`, which is already that of {spreadsheet}:2" in told
    assert f"{spreadsheet}:4: `wordtrek.example` is also claimed by {to / 'words.yaml'} for the same time" in told
    assert f"{spreadsheet}:5: row 5 makes the id `wordtrek`, which is already that of {to / 'words.yaml'}" in told
    assert [entry.name for entry in to.iterdir()] == ["words.yaml"]


def test_obligations_go_out_and_come_back_by_the_command_line(spreadsheet: Path, tmp_path: Path) -> None:
    there, back, pod = tmp_path / "agreements", tmp_path / "back", tmp_path / "pod.xml"
    put(sources(spreadsheet), there)
    done = run("export", "--agreements", str(there), "--format", "pod", "--out", str(pod))
    assert done.returncode == 0, done.stderr
    assert "mathtrek: cannot be expressed in POD: agreement.breach_notice_hours, agreement.kind," in done.stderr
    options = [option for state in STATES for option in ("--state", state)]
    assert run("import", str(pod), "--to", str(back), *options).returncode == 0
    for went, came in zip(load_agreements(there), load_agreements(back), strict=True):
        assert (came.id, came.vendor, came.purposes) == (went.id, went.vendor, went.purposes)
        assert (came.agreement.expires, came.use_gate.status) == (went.agreement.expires, "paused")


def test_public_pages_stand_alone_and_are_accessible_and_are_not_overwritten(spreadsheet: Path, tmp_path: Path) -> None:
    there, out, network = tmp_path / "agreements", tmp_path / "public", tmp_path / "network.yaml"
    put(sources(spreadsheet), there)
    network.write_text(NETWORK)
    export_agreements(there, as_="soppa", network=network, out=out, overwrite=False)
    export_agreements(there, as_="ny", network=network, out=out / "ny", overwrite=False)
    pages = [out / "operators.html", out / "ny" / "mathtrek.html", out / "ny" / "wordtrek.html"]
    assert all("Riverbend" in page.read_text() for page in pages)
    assert (out / "operators.csv").read_text().count("\n") == 3
    with pytest.raises(DocumentError, match="there already"):
        export_agreements(there, as_="soppa", network=network, out=out, overwrite=False)
    try:
        part = chromium.set_up()
    except PartMissingError as missing:
        pytest.skip(str(missing))
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(part.program), env={**os.environ, **part.environment}, timeout=LIMIT_MS
        )
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        for path in pages[:2]:
            page.goto(path.as_uri(), timeout=LIMIT_MS)
            found = Axe().run(page, options={"runOnly": {"type": "tag", "values": list(RULES)}})
            assert found.violations_count == 0, found.generate_report()
        browser.close()
    assert asked == [path.as_uri() for path in pages[:2]]
