"""Standard streams that were closed before the program began: their numbers must not go to the files that it opens."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from tests.system.product import CAPTURE, ROOT, command


def run_by_a_shell(redirected: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    line = shlex.join(map(str, command(*words)))
    return subprocess.run(
        ["sh", "-c", f"exec {line} {redirected}"], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )


def test_without_standard_output_it_says_so_and_reads_nothing() -> None:
    run = run_by_a_shell(">&-", "flows", CAPTURE)
    assert run.returncode == 3
    assert run.stderr == "schoolgate: standard output is closed; point it at a file, a program or /dev/null\n"


def test_without_standard_error_it_goes_on(tmp_path: Path) -> None:
    run = run_by_a_shell(f"2>&- >{tmp_path / 'events'}", "flows", CAPTURE)
    assert run.returncode == 0
    assert (tmp_path / "events").read_text(encoding="utf-8").count("\n") > 1_000
