"""`schoolgate run` on a live interface: rights given up, a school day seen as it passes by, a clean stop."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import signal
import struct
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.privileges import rights
from tests.parts.patience import PATIENCE_S
from tests.parts.program import Program
from tests.system.product import (
    CAPTURE,
    ROOT,
    command,
    copy_district,
    folder_for_all,
    schoolgate,
    scrape,
    stored_report,
    until,
)
from tests.system.veth_for_tests import Lab, inside, made_lab

LISTEN = "127.0.0.1:9464"


@pytest.fixture
def lab() -> Iterator[Lab]:
    with made_lab() as made:
        made.plug(mtu=65_535)
        yield made


@pytest.fixture
def open_folder() -> Iterator[Path]:
    with folder_for_all() as folder:
        yield folder


def frames() -> list[bytes]:
    """Return the frames of the sample day."""
    day = gzip.decompress(CAPTURE.read_bytes())
    found, at = [], 24
    while at < len(day):
        caught = struct.unpack_from("<I", day, at + 8)[0]
        found.append(day[at + 16 : at + 16 + caught])
        at += 16 + caught
    return found


def watching(folder: Path, interface: str) -> Path:
    """Return a configuration that watches *interface*."""
    config = folder / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(re.sub(r"source: .*", f"source: {{interface: {interface}}}", text), encoding="utf-8")
    return config


def closed_command(folder: Path, *words: str | Path) -> list[str]:
    """Return the command line of one verb, run from folders that only root may enter: program, packages, Python."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    library = Path(sysconfig.get_path("stdlib"))
    for name in ("program", "python", "library"):
        (closed / name).mkdir()
    run = [closed / "python" / Path(sys.executable).relative_to(sys.prefix), "-m", "schoolgate", *words]
    steps: list[list[str | Path]] = [
        ["mount", "--bind", ROOT, closed / "program"],
        ["mount", "--bind", sys.prefix, closed / "python"],
        ["mount", "--bind", library, closed / "library"],
        ["mount", "-t", "tmpfs", "-o", "mode=700", "closed", library],
        ["ln", "-s", *(closed / "library" / each.name for each in library.iterdir()), library],
        ["cd", closed / "program"],
        ["exec", *run],
    ]
    return ["unshare", "--mount", "sh", "-c", " && ".join(shlex.join(map(str, step)) for step in steps)]


def test_a_school_day_that_passes_by_is_judged_without_any_right(lab: Lab, open_folder: Path) -> None:
    folder = copy_district(open_folder / "district")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65_534, 65_534)
    config = watching(folder, "tap0")
    log = open_folder / "service.log"
    words = closed_command(open_folder, "run", "--config", config, "--metrics", LISTEN)
    service = Program(["ip", "netns", "exec", lab.here, *words], log=log)
    try:
        until(lambda: "watching tap0" in log.read_text() or not service.alive, what="the tap to open")
        assert service.alive, log.read_text()
        held = rights(Path(f"/proc/{service.pid}/status").read_text(encoding="ascii"))
        assert held.users == {65_534}
        assert held.capabilities == frozenset()
        assert held.no_new_privs
        with lab.outlet() as outlet:
            for number, frame in enumerate(frames()):
                outlet.send(frame)
                if number % 200 == 0:
                    time.sleep(0.002)  # a burst of a day in a moment would only try the size of the ring
        seen = r"^schoolgate_capture_packets_total (\d+)\.0$"

        def counted() -> int:
            with inside(lab.here):
                found = re.search(seen, scrape(LISTEN), re.MULTILINE)
            return int(found[1]) if found else 0

        until(lambda: counted() >= len(frames()), what="every packet")
        # The desk, too, answers from what it loaded before.
        address = re.search(r"http://\S+/enter/\S+", log.read_text())
        assert address is not None
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with inside(lab.here):
            for screen in ("", "/vendors", "/coverage", "/system", "/access", "/cases/print", "/static/desk.css"):
                where = address[0].partition("/enter/")[0] + screen if screen else address[0]
                with browser.open(where, timeout=PATIENCE_S) as page:
                    assert page.status == 200
                    assert page.url.partition("?")[0].endswith(screen or "/cases")
        network = folder / "network.yaml"
        good = network.read_text(encoding="utf-8")
        for text, told in ((": wrong", "going on with what was read before"), (good, "network read again")):
            network.write_text(text, encoding="utf-8")
            service.signal(signal.SIGHUP)
            until(lambda told=told: told in log.read_text(), what=told)  # type: ignore[misc]
        service.signal(signal.SIGTERM)
        assert service.wait(limit_s=PATIENCE_S) == 0, log.read_text()
    finally:
        service.kill()
    assert "Traceback" not in log.read_text()
    report = stored_report(config)
    assert report["coverage"]["by_name_source"]["tls_sni"]["flows"] > 400
    assert report["coverage"]["by_name_source"]["quic_sni"]["flows"] == 32
    assert "quizgale" in {case["agreement"] for case in report["cases"] if case["rule"] == "use-paused"}


def test_an_interface_that_is_not_there_is_exit_2_with_those_that_are(lab: Lab, tmp_path: Path) -> None:
    config = watching(copy_district(tmp_path), "eth77")
    run = subprocess.run(
        ["ip", "netns", "exec", lab.here, *command("run", "--config", config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 2
    assert "tap0" in run.stderr
    assert "Traceback" not in run.stderr


def test_without_the_right_to_capture_it_is_exit_3_and_says_what_is_missing(tmp_path: Path) -> None:
    config = watching(copy_district(tmp_path), "lo")
    before = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"] if os.geteuid() == 0 else []
    run = subprocess.run(
        [*before, *command("run", "--config", config)], capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 3
    assert "CAP_NET_RAW" in run.stderr or "root" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_slip_in_a_file_shows_before_any_interface_is_opened(tmp_path: Path) -> None:
    folder = copy_district(tmp_path)
    (folder / "network.yaml").write_text("schema: wrong\n", encoding="utf-8")
    run = schoolgate("run", "--config", watching(folder, "nosuch0"))
    assert run.returncode == 2
    assert "network.yaml" in run.stderr
    assert "nosuch0" not in run.stderr
