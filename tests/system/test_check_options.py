"""`check` held to a span of time, `check` against other agreements, and `explain-coverage`, on the sample day."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collector.problems import DocumentError
from rules.rulebook import RulebookFiles
from schoolgate.check import check
from schoolgate.explain_coverage import explain_coverage
from schoolgate.shell import Exit
from tests.parts.verbs import run_verb
from tests.system.product import CAPTURE, SAMPLE, schoolgate

FILES = RulebookFiles(
    agreements=SAMPLE / "agreements", network=SAMPLE / "network.yaml", parties=(SAMPLE / "parties.yaml",)
)
judged = partial(check, [str(CAPTURE)], files=FILES, as_json=True)


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """A copy of the sample's agreements in which one prohibition is lifted and one product is paused."""
    folder = tmp_path / "others"
    shutil.copytree(SAMPLE / "agreements", folder)
    for name, before, after in (
        ("quizgale.yaml", "status: prohibited", "status: approved"),
        ("countwell.yaml", "status: approved, from: 2025-08-01", "status: paused, from: 2025-08-01"),
    ):
        text = (folder / name).read_text(encoding="utf-8")
        assert before in text
        (folder / name).write_text(text.replace(before, after), encoding="utf-8")
    return folder


def test_the_day_of_the_sample_gives_the_whole_report_and_says_what_was_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert judged() is Exit.CASES
    whole = printed(capsys)
    assert "span" not in whole
    assert judged(since="2026-10-06", until="2026-10-06") is Exit.CASES
    held = printed(capsys)
    assert held.pop("span") == {
        "since": "2026-10-06T00:00:00-05:00", "until": "2026-10-07T00:00:00-05:00", "outside": 0,
    }  # fmt: skip
    assert held == whole


def test_the_parts_of_a_day_add_up_in_coverage_and_events(capsys: pytest.CaptureFixture[str]) -> None:
    judged()
    whole = printed(capsys)["coverage"]
    noon = "2026-10-06T12:00:00-05:00"
    judged(until=noon)
    morning = printed(capsys)
    judged(since=noon)
    afternoon = printed(capsys)
    assert morning["coverage"]["flows"] + afternoon["coverage"]["flows"] == whole["flows"]
    assert 0 < morning["coverage"]["bytes"] < whole["bytes"]
    assert morning["span"]["outside"] > 0
    assert afternoon["span"]["outside"] > 0
    assert all(case["first_seen"] >= "2026-10-06T17:00:00" for case in afternoon["cases"])


def test_a_span_in_which_nothing_was_seen_has_no_case_and_says_how_much_lay_outside(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert judged(since="2026-10-07", as_json=False) is Exit.DONE
    text = capsys.readouterr().out
    assert "Span: only flows that began from Wed 07 Oct 2026 00:00:00 CDT." in text
    assert re.search(r"[1-9],[0-9]{3} events lay outside it", " ".join(text.split()))
    assert "0 cases" in text


def test_a_wrong_span_is_one_clear_message_before_anything_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DocumentError, match="does not come after --since"):
        judged(since="2026-10-07", until="2026-10-06")
    assert capsys.readouterr().out == ""


def test_other_agreements_on_standard_input_are_told_case_by_case(others: Path) -> None:
    run = run_verb(
        [
            "check", "-", "--agreements", SAMPLE / "agreements", "--network", SAMPLE / "network.yaml",
            "--parties", SAMPLE / "parties.yaml", "--against", others, "--json",
        ],
        octets=CAPTURE.read_bytes(),
    )  # fmt: skip
    assert run.returncode == 1, run.stderr
    told = json.loads(run.stdout)
    assert told["v"] == 1
    assert told["against"] == str(others)
    assert [(case["agreement"], case["rule"]) for case in told["only_here"]] == [("quizgale", "use-paused")]
    assert [(case["agreement"], case["rule"]) for case in told["only_there"]] == [("countwell", "use-paused")]
    assert told["changed"] == []
    assert told["unchanged"] > 5
    assert told["clauses"] == [
        {"agreement": "countwell", "clause": "R0", "before": "met", "after": "not_met"},
        {"agreement": "quizgale", "clause": "R0", "before": "not_met", "after": "met"},
    ]


def test_the_exit_code_of_a_comparison_is_that_of_the_other_set(
    others: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = (others / "wordloom-2026.yaml").read_text(encoding="utf-8")
    for path in others.iterdir():
        path.unlink()
    # A product that nobody uses, and without the party list none is catalogued: this set has nothing to say.
    (others / "unused.yaml").write_text(kept.replace("wordloom", "unused"), encoding="utf-8")
    strict = RulebookFiles(agreements=FILES.agreements, network=FILES.network)
    mild = RulebookFiles(agreements=others, network=FILES.network)
    assert check([str(CAPTURE)], files=strict, against=others, as_json=True) is Exit.DONE
    told = printed(capsys)
    assert told["only_there"] == []
    assert len(told["only_here"]) > 5
    assert {row["after"] for row in told["clauses"] if row["agreement"] != "unused-2026"} == {None}
    assert check([str(CAPTURE)], files=mild, against=FILES.agreements, as_json=False) is Exit.CASES
    text = capsys.readouterr().out
    assert text.count("opened") > 5
    assert "Cases: " in text


def test_wrong_files_of_both_sets_are_told_at_once(others: Path, tmp_path: Path) -> None:
    (others / "quizgale.yaml").write_text("schema: nonsense\n", encoding="utf-8")
    network = tmp_path / "network.yaml"
    network.write_text("schema: nonsense\n", encoding="utf-8")
    files = RulebookFiles(agreements=FILES.agreements, network=network)
    with pytest.raises(DocumentError) as told:
        check([str(CAPTURE)], files=files, against=others, as_json=True)
    assert {Path(problem.path).name for problem in told.value.problems} == {"quizgale.yaml", "network.yaml"}


def test_explain_coverage_counts_the_agreements_of_a_district_and_names_silent_rules(
    capsys: pytest.CaptureFixture[str],
) -> None:
    explain_coverage(replace(FILES, parties=()), on=date(2026, 10, 6), as_json=True)
    told = printed(capsys)
    count = len(list((SAMPLE / "agreements").glob("*.yaml")))
    assert told["on"] == "2026-10-06"
    assert len(told["clauses"]) == 14
    assert all(sum(row["agreements"].values()) == count for row in told["clauses"])
    silent = {limit["rule"]: limit["silent"] for limit in told["limits"]}
    assert silent["storage-country"] is True
    assert silent["no-agreement"] is False
    explain_coverage(FILES, on=date(2026, 10, 6), as_json=True)
    assert "no-agreement" not in {limit["rule"] for limit in printed(capsys)["limits"]}


def test_explain_coverage_without_a_network_file_says_what_to_add() -> None:
    run = schoolgate("explain-coverage", "--agreements", SAMPLE / "agreements")
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.strip() == (
        "--network:1: the network file is missing, which says what day it is and who is under 13; add --network FILE"
    )
