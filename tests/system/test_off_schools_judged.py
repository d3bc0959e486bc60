"""A school that is switched off, for `run` and for the judge: what others still send of it is not judged either."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from collector.capture import CaptureInput
from collector.segments import load_network
from collector.watch import new_pseudonyms
from rules.judgement import Judgement
from rules.rulebook import RulebookFiles, load_rulebook
from tests.system.product import SAMPLE, copy_district, schoolgate, stored_report

if TYPE_CHECKING:
    from pathlib import Path

OFF = "meadow-es"


def test_run_keeps_nothing_of_it(tmp_path: Path) -> None:
    folder = copy_district(tmp_path)
    config = folder / "config.yaml"
    config.write_text(f"{config.read_text()}privacy: {{off_schools: [{OFF}]}}\n")
    run = schoolgate("run", "--config", config)
    assert run.returncode == 0, run.stderr
    report = stored_report(config)
    assert report["cases"]
    assert all(OFF not in case["schools"] for case in report["cases"])
    for path in folder.glob("cases.db*"):
        assert OFF.encode() not in path.read_bytes()


def test_a_slip_in_its_name_is_told_and_nothing_runs(tmp_path: Path) -> None:
    config = copy_district(tmp_path) / "config.yaml"
    config.write_text(f"{config.read_text()}privacy: {{off_schools: [meadow]}}\n")
    for verb in ("run", "collect", "judge"):
        run = schoolgate(verb, "--config", config)
        assert run.returncode == 2, run.stderr
        assert "the ids are lakeview-ms, meadow-es" in run.stderr


def test_an_engine_counts_no_event_of_it() -> None:
    reports = []
    for off in ((), (OFF,)):
        book = load_rulebook(
            RulebookFiles(agreements=SAMPLE / "agreements", network=SAMPLE / "network.yaml", off_schools=off)
        )
        network = load_network(SAMPLE / "network.yaml")
        pseudonyms, _ = new_pseudonyms(network, make_key=lambda: b"k" * 32)
        judging = Judgement(book, token_key=lambda _day: b"key", today=date(2026, 10, 14))
        capture = CaptureInput(
            str(SAMPLE / "day.pcap.gz"), sensor="tap", network=network, pseudonyms=pseudonyms, pace=None,
            show=lambda _file: None,
        )  # fmt: skip
        for batch in capture.batches():
            judging.judge(batch)
        reports.append(judging.report())
    assert 0 < reports[1]["coverage"]["flows"] < reports[0]["coverage"]["flows"]
    assert all(OFF not in case["schools"] for case in reports[1]["cases"])
