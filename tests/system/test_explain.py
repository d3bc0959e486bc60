"""`schoolgate flows CAPTURE --explain FLOW`: both opinions side by side, and what a user may get wrong."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.parts import tshark as tshark_part
from tests.parts.cache import PartMissingError
from tests.parts.verbs import run_verb

SAMPLE = Path(__file__).resolve().parents[2] / "rules" / "sample" / "day.pcap.gz"
PAGE = SAMPLE.parents[2] / "docs" / "second-opinion.md"
SHOWN = "10.50.40.13:58069-198.51.100.53:443"
FLOW = "[2001:db8:40:8::1045]:51758-[2001:db8:f00::1017]:443"


@pytest.fixture(scope="module")
def path() -> str:
    """A PATH with tshark on it; skips where it cannot be had."""
    try:
        return f"{tshark_part.set_up()}{os.pathsep}{os.environ['PATH']}"
    except PartMissingError as missing:
        pytest.skip(str(missing))


def explain(
    *words: str | Path, path: str, flow: str = FLOW, octets: bytes = b"", folder: Path | None = None
) -> tuple[int, str, str]:
    done = run_verb(
        ["flows", *words, "--explain", flow], octets=octets, folder=folder, environment={**os.environ, "PATH": path}
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_both_opinions_stand_side_by_side_as_the_page_shows_and_nothing_is_left_behind(
    path: str, tmp_path: Path
) -> None:
    shutil.copy(SAMPLE, tmp_path)
    code, out, said = explain(SAMPLE.name, path=path, flow=SHOWN, folder=tmp_path)
    assert code == 0, said
    version = re.compile(r"^tshark [0-9.]+", re.MULTILINE)
    page = PAGE.read_text(encoding="utf-8")
    assert f"--explain {SHOWN}" in page
    assert version.sub("tshark", out.strip()) in version.sub("tshark", page)
    assert "lab work, like --addresses" in said
    assert [each.name for each in tmp_path.iterdir()] == [SAMPLE.name]


def test_a_pipe_will_do_and_a_flow_named_backwards_is_found_and_json_has_it_all(path: str) -> None:
    backwards = "-".join(reversed(FLOW.split("-")))
    code, out, said = explain("-", "--json", path=path, flow=backwards, octets=gzip.decompress(SAMPLE.read_bytes()))
    assert code == 0, said
    told = json.loads(out)
    assert (told["v"], told["capture"]) == (1, "standard input")
    (flow,) = told["flows"]
    assert (flow["flow"], flow["proto"], flow["packets_given"]) == (FLOW, "tcp", 16)
    assert flow["differences"] == 0
    facts = {fact["fact"]: fact for fact in flow["facts"]}
    assert facts["tls_version"] == {
        "fact": "tls_version",
        "schoolgate": "1.3",
        "tshark": "1.3",
        "differs": False,
        "why": "",
    }


def test_a_flow_that_is_not_there_is_told_with_those_near_it(path: str) -> None:
    code, out, said = explain(SAMPLE, path=path, flow=FLOW.replace("51758", "51759"))
    assert (code, out) == (2, "")
    assert f"near it are {FLOW} (tcp, 2026-10-06T10:03:03" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "flow", "said"),
    [
        ([SAMPLE], "2001:db8::1:443-2001:db8::2:50000", "IPv6 in brackets"),
        ([SAMPLE, SAMPLE], FLOW, "takes one capture and 2 are named"),
        ([SAMPLE, "--network", "network.yaml"], FLOW, "takes no --network"),
        ([Path(__file__)], FLOW, "holds no packets"),
        ([SAMPLE.with_name("README.md")], FLOW, "is no pcap or pcapng capture"),
        (["-"], FLOW, "is empty"),
        ([SAMPLE], "192.0.2.1:1-192.0.2.2:2", "none of either address"),
    ],
)
def test_what_a_user_gets_wrong_is_told_with_its_remedy(
    words: list[str | Path], flow: str, said: str, path: str
) -> None:
    code, out, told = explain(*words, path=path, flow=flow)
    assert (code, out) == (2, "")
    assert said in told.splitlines()[-1]


def test_without_tshark_the_environment_has_failed(tmp_path: Path) -> None:
    code, out, told = explain(SAMPLE, path=str(tmp_path))
    assert (code, out) == (3, "")
    assert "apt-get install tshark" in told


def test_json_belongs_to_explain() -> None:
    done = run_verb(["flows", SAMPLE, "--json"])
    assert done.returncode == 2
    assert b"belongs to --explain" in done.stderr


def test_help_teaches_the_spelling() -> None:
    told = " ".join(run_verb(["flows", "--help"]).stdout.decode().split())
    assert "CLIENT:PORT-SERVER:PORT" in told
    assert "[2001:db8::10]:50000-[2001:db8::20]:443" in told
