"""A file of flow events as the source of `run`: judged like a capture, and known again like one."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.system.product import check_report, configure, copy_district, schoolgate, stored_report


@pytest.fixture
def district(tmp_path: Path) -> Path:
    return copy_district(tmp_path / "district")


def write_events(district: Path, *words: str) -> bytes:
    """Write the events of the sample day beside it, compressed, and return them."""
    made = schoolgate("flows", district / "day.pcap.gz", "--network", district / "network.yaml", *words)
    assert made.returncode == 0, made.stderr
    (district / "day.jsonl.gz").write_bytes(gzip.compress(made.stdout.encode()))
    return made.stdout.encode()


@pytest.mark.parametrize("words", [(), ("--addresses",)])
def test_events_give_the_report_of_check_on_the_same_events(district: Path, words: tuple[str, ...]) -> None:
    write_events(district, *words)
    config = configure(district, captures=("day.jsonl.gz",))
    run = schoolgate("run", "--config", config)
    assert run.returncode == 0, run.stderr
    stored = stored_report(config)
    assert len(stored["cases"]) > 5
    assert stored == check_report(district, name="day.jsonl.gz")
    again = schoolgate("run", "--config", config)
    assert "judged before" in again.stderr
    assert stored_report(config) == stored


def test_no_address_of_the_school_is_kept(district: Path) -> None:
    write_events(district, "--addresses")
    config = configure(district, captures=("day.jsonl.gz",))
    assert schoolgate("run", "--config", config).returncode == 0
    assert b"10.50." not in (district / "cases.db").read_bytes()


def test_a_line_that_is_no_event_is_named_with_file_and_line(district: Path) -> None:
    (district / "day.jsonl").write_bytes(write_events(district) + b"{}\n")
    lines = (district / "day.jsonl").read_bytes().count(b"\n")
    run = schoolgate("run", "--config", configure(district, captures=("day.jsonl",)))
    assert run.returncode == 2
    assert f"day.jsonl:{lines}: " in run.stderr
    assert "Traceback" not in run.stderr
