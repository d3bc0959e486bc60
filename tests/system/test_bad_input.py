"""What a user gets wrong comes back as exit code 2 and one clear message a problem, never as a traceback."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.parts.verbs import run_verb

SAMPLE = Path(__file__).resolve().parents[2] / "rules" / "sample"
CAPTURE = SAMPLE / "day.pcap.gz"
ONE_LINE = re.compile(r"^[^\n:]+:\d+: [^\n;]+; [^\n]+$")


# Root reads every folder by a capability; without it, it is an owner like any other.
WITHOUT_OVERRIDE = (
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
    if os.geteuid() == 0
    else []
)


def schoolgate(
    *words: str | Path, octets: bytes = b"", before: Sequence[str] = ()
) -> subprocess.CompletedProcess[bytes]:
    if not before:
        return run_verb(words, octets=octets)
    command = [*before, sys.executable, "-m", "schoolgate", *map(str, words)]
    return subprocess.run(command, input=octets, capture_output=True, check=False)


def check(
    folder: Path, capture: Path = CAPTURE, *, options: Sequence[str] = (), before: Sequence[str] = ()
) -> subprocess.CompletedProcess[bytes]:
    return schoolgate(
        "check", capture, "--agreements", folder / "agreements", "--network", folder / "network.yaml",
        "--parties", folder / "parties.yaml", *options, before=before,
    )  # fmt: skip


@pytest.fixture
def district(tmp_path: Path) -> Path:
    """A copy of the sample district, to spoil."""
    shutil.copytree(SAMPLE / "agreements", tmp_path / "agreements")
    for name in ("network.yaml", "parties.yaml"):
        shutil.copy(SAMPLE / name, tmp_path)
    return tmp_path


def problems(run: subprocess.CompletedProcess[bytes]) -> list[str]:
    lines = run.stderr.decode().splitlines()
    assert run.returncode == 2, lines
    assert b"Traceback" not in run.stderr
    assert run.stdout == b""
    return lines


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"hello, this is no capture\n" * 9,
        b"\xd4\xc3\xb2\xa1\x02\x00",
        b"\x0a\x0d\x0d\x0a\x1c",
        b"\x1f\x8b\x08\x00",
    ],
    ids=["empty", "text", "pcap shorter than its header", "pcapng shorter than its header", "gzip that breaks off"],
)
@pytest.mark.parametrize("verb", ["flows", "check"])
def test_what_is_no_capture_is_one_message(district: Path, octets: bytes, verb: str) -> None:
    capture = district / "day.pcap"
    capture.write_bytes(octets)
    run = (
        schoolgate("flows", "--network", district / "network.yaml", capture)
        if verb == "flows"
        else check(district, capture)
    )
    lines = problems(run)
    assert len(lines) == 1
    assert "day.pcap" in lines[0]


def test_a_file_that_is_not_there_is_one_message(district: Path) -> None:
    assert len(problems(check(district, district / "nosuch.pcap"))) == 1


def test_a_directory_given_as_a_capture_is_one_message(district: Path) -> None:
    assert "directory" in problems(check(district, district))[0]


def test_an_empty_agreement_folder_says_what_to_put_there(district: Path) -> None:
    shutil.rmtree(district / "agreements")
    (district / "agreements").mkdir()
    lines = problems(check(district))
    assert len(lines) == 1
    assert "*.yaml" in lines[0]


def test_a_folder_without_read_permission_is_one_message(district: Path) -> None:
    (district / "agreements").chmod(0)
    try:
        lines = problems(check(district, before=WITHOUT_OVERRIDE))
    finally:
        (district / "agreements").chmod(0o755)
    assert len(lines) == 1
    assert "may not read the folder" in lines[0]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("  legal_name:", "\tlegal_name:", "tab"),
        ("entered_on: 2026-", "entered_on: 2026-02-31-", "date"),
        ("vendor:", "vendr: {}\nvendor:", "vendr"),
        ("under_13: true", "under_13: maybe", "true or false"),
    ],
    ids=["a tab", "a date that is no date", "an unknown key", "under_13: maybe"],
)
def test_a_slip_in_an_agreement_is_shown_with_file_line_and_remedy(
    district: Path, old: str, new: str, says: str
) -> None:
    path = next(p for p in sorted((district / "agreements").iterdir()) if old in p.read_text(encoding="utf-8"))
    spoil(path, old, new)
    for run in (check(district), schoolgate("agreements", "validate", district / "agreements")):
        lines = problems(run)
        assert len(lines) == 1
        assert ONE_LINE.match(lines[0])
        assert lines[0].startswith(f"{path}:")
        assert says in lines[0]


def test_every_problem_of_every_file_is_shown_at_once(district: Path) -> None:
    spoiled = sorted((district / "agreements").iterdir())[:3]
    for path in spoiled:
        spoil(path, "agreement:", "agrement: {}\nagreement:")
    spoil(district / "network.yaml", "time_zone: America/Chicago", "time_zone: America/Chicagoo")
    lines = problems(check(district))
    assert len(lines) == 4
    assert {line.split(":")[0] for line in lines} == {*map(str, spoiled), str(district / "network.yaml")}


def test_a_capture_that_breaks_off_is_read_to_that_point_and_judged(district: Path) -> None:
    whole = gzip.decompress(CAPTURE.read_bytes())
    cut = district / "cut.pcap"
    cut.write_bytes(whole[: len(whole) * 2 // 3 + 7])
    run = check(district, cut)
    assert run.returncode == 1
    assert b"warning: " in run.stderr
    assert b"breaks off" in run.stderr
    assert b"case" in run.stdout


def test_a_capture_on_standard_input_is_read() -> None:
    from_file = schoolgate("flows", "--addresses", CAPTURE)
    from_pipe = schoolgate("flows", "--addresses", "-", octets=gzip.decompress(CAPTURE.read_bytes()))
    assert from_file.returncode == from_pipe.returncode == 0
    assert from_file.stdout == from_pipe.stdout


def test_a_capture_without_a_packet_gives_an_empty_report(district: Path) -> None:
    empty = district / "empty.pcap"
    empty.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    run = check(district, empty)
    assert run.returncode == 0
    assert b"No case" in run.stdout


def test_a_poisoned_event_is_set_aside_named_and_the_rest_is_judged(district: Path) -> None:
    good = schoolgate("flows", "--network", district / "network.yaml", CAPTURE).stdout.splitlines()
    reports = []
    for name, lines in {
        "good": good,
        "poisoned": [*good[:3], b'{"v": 1, "id": 7}', b"not json", *good[3:]],
    }.items():
        events = district / f"{name}.jsonl"
        events.write_bytes(b"\n".join(lines))
        run = check(district, events, options=("--json",))
        reports.append(json.loads(run.stdout))
    told = run.stderr.decode().splitlines()
    assert run.returncode == 2
    assert [line.split(":")[1] for line in told] == ["4", "5"]
    assert all(ONE_LINE.match(line) for line in told)
    whole, poisoned = reports
    assert poisoned.pop("errors") == [*whole.pop("errors"), *told]
    assert whole["cases"]
    # The key of a run is its own, so that ids differ; nothing else does.
    assert poisoned == whole


def test_a_line_with_an_address_or_name_that_is_none_is_set_aside_and_not_quoted(district: Path) -> None:
    good = schoolgate("flows", "--network", district / "network.yaml", CAPTURE).stdout.splitlines()
    poison = [
        {**json.loads(good[0]), "id": "f" * 20, **changes}
        for changes in ({"src_ip": "10.20.9.9%emma", "device": None}, {"server_name": "EMMA.example"}, {"emma": 1})
    ]
    events = district / "poisoned.jsonl"
    events.write_bytes(b"\n".join([*good, *(json.dumps(line).encode() for line in poison)]))
    run = check(district, events, options=("--json",))
    told = run.stderr.decode().splitlines()
    assert run.returncode == 2
    assert [line.split(":")[1] for line in told] == [str(len(good) + n) for n in (1, 2, 3)]
    assert all(ONE_LINE.match(line) for line in told)
    assert b"emma" not in (run.stdout + run.stderr).lower()
    assert json.loads(run.stdout)["cases"]


def test_a_file_without_an_event_is_no_input(district: Path) -> None:
    events = district / "events.jsonl"
    events.write_bytes(b'{"v": 1, "id": 7}\n[]\n')
    lines = problems(check(district, events))
    assert [line.split(":")[1] for line in lines] == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("schema: schoolgate/config/1\nnetwork: n.yaml\nsorce: {}\n", "source"),
        ("schema: schoolgate/config/1\nnetwork: n.yaml\nsource: {capture: [a], interface: b}\n", "not both"),
        ("schema: schoolgate/config/1\nnetwork: n.yaml\nsource: {capture: [a], processes: 2}\n", "remove `processes`"),
        ("schema: schoolgate/config/1\nnetwork: n.yaml\nsource: {interface: b, processes: 65}\n", "64"),
        ("schema: schoolgate/config/2\nnetwork: n.yaml\n", "schoolgate/config/1"),
        ("schema: schoolgate/config/1\nnetwork: n.yaml\nprivacy: {pseudonym_hours: 5}\n", "6"),
    ],
)
def test_a_slip_in_the_configuration_is_shown_with_file_and_line(tmp_path: Path, text: str, says: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text, encoding="utf-8")
    lines = problems(schoolgate("run", "--config", config))
    assert len(lines) == 1
    assert ONE_LINE.match(lines[0])
    assert says in lines[0]
