"""What a stranger sees first."""

from __future__ import annotations

import re
import signal
import urllib.request
from pathlib import Path

from tests.parts.patience import PATIENCE_S
from tests.parts.program import Program
from tests.system.product import command, free_port, schoolgate, scrape, until


def test_demo_once_prints_the_cases_and_exits() -> None:
    run = schoolgate("demo", "--once")
    assert run.returncode == 0, run.stderr
    assert "15 cases: 1 critical, 14 warning, 0 info" in run.stdout
    for words in ("The agreement says", "What was seen", "What cannot be seen", "Blind share"):
        assert words in run.stdout


def test_demo_serves_desk_and_metrics_until_it_is_stopped(tmp_path: Path) -> None:
    listen, desk = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    log = tmp_path / "log"
    program = Program(command("demo", "--metrics", listen, "--desk", desk), log=log)
    try:
        until(lambda: "until Ctrl-C" in log.read_text(encoding="utf-8"), what="the demo to serve")
        text = scrape(listen)
        found = re.search(rf"http://{desk}/enter/\S+", log.read_text(encoding="utf-8"))
        assert found is not None
        with urllib.request.build_opener(urllib.request.HTTPCookieProcessor()).open(found[0], timeout=60) as page:
            cases = page.read().decode()
        program.signal(signal.SIGINT)
        assert program.wait(limit_s=PATIENCE_S) == 0
    finally:
        program.kill()
    assert "schoolgate_open_cases" in text
    assert "A paused or prohibited product is used" in cases
    assert "Traceback" not in log.read_text(encoding="utf-8")


def test_every_verb_has_a_help_that_says_what_it_does() -> None:
    verbs = (
        ("flows",), ("check",), ("run",), ("demo",), ("cases",), ("cases", "list"), ("cases", "show"), ("agreements",),
        ("agreements", "validate"), ("agreements", "explain"), ("agreements", "gaps"), ("agreements", "schema"),
    )  # fmt: skip
    for verb in verbs:
        run = schoolgate(*verb, "--help")
        assert run.returncode == 0, verb
        assert len(run.stdout) > 200, verb
