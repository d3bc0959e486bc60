"""Runs the product as a user does, on copies of the bundled sample district."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rules.lab_evidence import EVIDENCE
from rules.service import stored_report as report_of
from rules.store import Store
from schoolgate.configuration import configuration_at, store_address
from tests.parts.patience import PATIENCE_S
from tests.parts.verbs import run_verb

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "rules" / "sample"
CAPTURE = SAMPLE / "day.pcap.gz"
# Names of the day in no agreement and no list: what leaves of each under the release rule, by how many devices ask.
UNLISTED = {
    "www.factbarn.example": "factbarn.example",
    "www.dailyprairie.example": "dailyprairie.example",
    "www.skyglance.example": "skyglance.example",
    "scores.cityscores.example": None,
}
DEAR_LOOK_S = 0.5
"""How often a report is made to see whether it is there: each takes a tenth of a second from whoever is waited for."""


def command(*words: str | Path) -> list[str]:
    """Return the command line of one verb."""
    return [sys.executable, "-m", "schoolgate", *map(str, words)]


def schoolgate(
    *words: str | Path, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one verb to its end, in *folder* and with *environment* where they are given."""
    done = run_verb(words, folder=folder, environment=environment)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def copy_district(folder: Path) -> Path:
    """Lay a copy of the sample district into *folder*, with a configuration file, and return the folder."""
    shutil.copytree(SAMPLE / "agreements", folder / "agreements")
    for name in ("network.yaml", "parties.yaml", "day.pcap.gz"):
        shutil.copy(SAMPLE / name, folder)
    configure(folder)
    return folder


def configure(folder: Path, *, captures: tuple[str, ...] = ("day.pcap.gz",), speed: float = 0) -> Path:
    """Write the configuration file and return its path."""
    path = folder / "config.yaml"
    path.write_text(
        f"""schema: schoolgate/config/1
sensor: lakeview-tap
source: {{capture: [{", ".join(captures)}], speed: {speed}}}
network: network.yaml
agreements: agreements/
parties: [parties.yaml]
store: sqlite:///cases.db
metrics: {{listen: "127.0.0.1:{free_port()}"}}
desk: {{listen: "127.0.0.1:{free_port()}"}}
""",
        encoding="utf-8",
    )
    return path


@contextlib.contextmanager
def folder_for_all() -> Iterator[Path]:
    """Make a folder that every user may enter, and take it away: pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory(prefix="schoolgate-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def stray_evidence(folder: Path) -> str:
    """Lay lab evidence about nobody into the district in *folder*, and return what is to be told of it."""
    path = folder / "agreements" / EVIDENCE / "gone.yaml"
    path.parent.mkdir()
    path.write_text(
        "schema: schoolgate/evidence/1\nagreement: gone\nrecorded: 2026-09-01\nhar: []\npages: 3\nparties: []\n"
        "referrals: []\n",
        encoding="utf-8",
    )
    return (
        f"{path}:1: evidence about `gone`, which no agreement file has as its id; correct `agreement`, or remove the "
        "file"
    )


def check_report(folder: Path, *, name: str = "day.pcap.gz") -> dict[str, Any]:
    """Return the report of `check --json` over the file *name* of the district in *folder*."""
    run = schoolgate(
        "check", folder / name, "--agreements", folder / "agreements", "--network", folder / "network.yaml",
        "--parties", folder / "parties.yaml", "--json",
    )  # fmt: skip
    assert run.returncode == 1, run.stderr
    report: dict[str, Any] = json.loads(run.stdout)
    return report


def stored_report(config: Path) -> dict[str, Any]:
    """Return the report of `cases --json`."""
    run = schoolgate("cases", "--config", config, "--json")
    assert run.returncode == 0, run.stderr
    report: dict[str, Any] = json.loads(run.stdout)
    return report


def report_now(config: Path) -> dict[str, Any]:
    """Return what `stored_report` returns, without a process of its own: for tests that ask again and again."""
    store = Store(store_address(configuration_at(config).store, folder=config.parent))
    try:
        report: dict[str, Any] = json.loads(json.dumps(report_of(store)))
    finally:
        store.close()
    return report


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def scrape(listen: str) -> str:
    """Return what /metrics says."""
    with urllib.request.urlopen(f"http://{listen}/metrics", timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def until(holds: Callable[[], bool], *, what: str) -> None:
    """Wait for *holds*, and fail when it does not within the time that even a loaded machine needs.

    What costs much to look at is looked at less often: whoever is waited for needs the processor more.
    """
    deadline = time.monotonic() + PATIENCE_S
    began = time.process_time()
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {what}"
        time.sleep(max(0.05, 3 * (time.process_time() - began)))
        began = time.process_time()


def until_equal(look: Callable[[], object], wanted: object, *, what: str) -> None:
    """Wait until *look* tells what is wanted, and show what it tells instead when it does not in time."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := look()) != wanted and time.monotonic() < deadline:
        time.sleep(DEAR_LOOK_S)
    assert found == wanted, f"waited {PATIENCE_S} s for {what}"
