"""A lab: a real browser opens a product, its recording becomes evidence, and nothing that names a pupil is kept."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from rules.lab_evidence import EVIDENCE, load_lab_evidence
from tests.parts import chromium
from tests.parts.cache import PartMissingError
from tests.system.product import schoolgate

PRODUCT = "app.mathtrek.example"
PUPIL = "otto-bremmel-7b"
LIMIT_MS = 60_000
LOADS = 20
AGREEMENT = f"""\
schema: schoolgate/agreement/1
id: mathtrek
vendor: {{legal_name: MathTrek Learning Inc. (invented)}}
products: [{{name: MathTrek}}]
agreement: {{kind: ndpa_v2, status: active}}
domains: [{{match: {PRODUCT}}}]
third_parties:
  list_is: complete
  unlisted: forbidden
  list: [{{name: HostCo, domains: [hostco.example], relation: subprocessor}}]
purposes: [{{code: instruction, plain: Practice problems chosen by the teacher.}}]
data: {{categories: [{{cat: in_app_performance}}]}}
use_gate: {{status: approved}}
"""
PAGE = f"""<!doctype html><title>{PUPIL}</title>
<script src="http://cdn.hostco.example/lib.js?pupil={PUPIL}"></script>
<img alt="" src="http://pix.adco.example/p.gif?pupil={PUPIL}">"""
FRAMED = PAGE + '<iframe title="video" src="http://frame.video.example/"></iframe>'


class Web(BaseHTTPRequestHandler):
    """Every site of this small web: the product, what it embeds, and where it sends its users."""

    def do_GET(self) -> None:
        host = self.headers["Host"].split(":")[0]
        if host == PRODUCT and self.path.startswith("/go"):
            self._answer(302, location=f"http://www.encyclo.example/?pupil={PUPIL}")
        elif host == PRODUCT:
            self._answer(200, kind="text/html", body=(FRAMED if "framed" in self.path else PAGE).encode())
        elif host.startswith("cdn."):
            self._answer(200, kind="text/javascript", body=b"1")
        elif host.startswith("pix."):
            self._answer(200, kind="image/gif", body=b"GIF89a")
        else:
            self._answer(200, kind="text/html", body=b"<!doctype html><title>x</title>")

    def _answer(self, status: int, *, location: str = "", kind: str = "text/plain", body: bytes = b"") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Type", kind)
        self.send_header("Set-Cookie", f"sid={PUPIL}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *said: object) -> None:
        """Say nothing on the test's own output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the browser wrote down, and the folder of agreements it is about."""

    har: Path
    agreements: Path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """Twenty page loads of the product, one of them with a frame, and one that leads elsewhere."""
    try:
        part = chromium.set_up()
    except PartMissingError as missing:
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("lab")
    (folder / "mathtrek.yaml").write_text(AGREEMENT)
    har = folder / "lab.har"
    web = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=str(part.program), env={**os.environ, **part.environment}, timeout=LIMIT_MS,
                args=[f"--host-resolver-rules=MAP *.example 127.0.0.1:{web.server_port}"],
            )  # fmt: skip
            context = browser.new_context(record_har_path=har)
            context.set_default_timeout(LIMIT_MS)
            page = context.new_page()
            for number in range(LOADS):
                page.goto(f"http://{PRODUCT}/{'framed' if number == 0 else 'lesson'}?pupil={PUPIL}")
            page.goto(f"http://{PRODUCT}/go")
            context.close()
            browser.close()
        yield Recorded(har=har, agreements=folder)
    finally:
        web.shutdown()
        thread.join()
        web.server_close()


def run(recorded: Recorded, *more: str) -> subprocess.CompletedProcess[str]:
    return schoolgate(
        "agreements", "evidence", recorded.har, "--agreement", "mathtrek", "--agreements", recorded.agreements, *more
    )


def test_the_recording_of_a_real_browser_confirms_and_refutes(recorded: Recorded) -> None:
    assert PUPIL in recorded.har.read_text(), "the recording itself must hold what may not come out of it"
    done = run(recorded, "--write", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["pages"], said["other_pages"], said["unclear"]) == (LOADS, 1, 0)
    assert {row["domain"]: (row["pages"], row["declared"]) for row in said["parties"]} == {
        "adco.example": (LOADS, "not_declared"),
        "hostco.example": (LOADS, "declared"),
        "video.example": (1, "not_declared"),
    }
    assert said["referrals"] == [{"domain": "encyclo.example", "pages": 1}]
    kept = load_lab_evidence(recorded.agreements / EVIDENCE)["mathtrek"]
    assert [kept.says(name) for name in ("adco.example", "video.example", "trackly.example", "encyclo.example")] == [
        "confirms", "confirms", "refutes", "silent",
    ]  # fmt: skip
    assert PUPIL not in done.stdout + done.stderr + Path(kept.path).read_text()


def test_evidence_is_not_replaced_unless_that_is_said(recorded: Recorded) -> None:
    path = recorded.agreements / EVIDENCE / "mathtrek.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("what an officer wrote")
    refused = run(recorded, "--write")
    assert refused.returncode == 2
    assert f"{path}:1: this file is there already" in refused.stderr
    assert path.read_text() == "what an officer wrote"
    assert run(recorded, "--write", "--overwrite").returncode == 0
    assert [entry.name for entry in path.parent.iterdir()] == ["mathtrek.yaml"]
    assert load_lab_evidence(path.parent)["mathtrek"].pages == LOADS
