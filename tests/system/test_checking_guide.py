"""The page on checking shows what the program really prints: its commands run, its outputs are looked for."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.parts.verbs import run_verb
from tests.system.product import ROOT, SAMPLE

PAGE = ROOT / "docs" / "checking.md"


def stories() -> Iterator[tuple[list[str], list[str]]]:
    """Yield the lines of each block of commands, and those of the output that follows it."""
    text = PAGE.read_text(encoding="utf-8")
    for commands, output in re.findall(r"```sh\n(.*?)```\n+```text\n(.*?)```", text, re.DOTALL):
        yield commands.splitlines(), output.splitlines()


def printed(line: str, *, folder: Path) -> str:
    """Run one line of the page in *folder* as if at a terminal of 80 columns, and return all that it prints."""
    words = shlex.split(line)
    here = {"COLUMNS": "80", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    if words[0] == "schoolgate":
        run = run_verb(words[1:], folder=folder, environment=here)
    else:
        run = subprocess.run(words, cwd=folder, capture_output=True, check=False, env=here)
    told = (run.stdout + run.stderr).decode()
    assert "Traceback" not in told
    return told


def plain(text: str) -> list[str]:
    """Return the lines of *text* with one space between columns: their width depends on what else is told."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_every_output_on_the_page_is_really_produced(tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    shutil.copytree(SAMPLE, folder)
    told = list(stories())
    assert len(told) == PAGE.read_text(encoding="utf-8").count("```sh") == 5
    for commands, output in told:
        said = plain("".join(printed(line, folder=folder) for line in commands))
        rest = iter(said)
        for line in plain("\n".join(output)):
            # In this order, with anything in place of `...`; a line may go on after what the page shows of it.
            assert line == "..." or any(each.startswith(line) for each in rest), (line, said)
