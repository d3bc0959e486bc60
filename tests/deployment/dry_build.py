"""Builds what an image holds without Docker: the commands of the first stage in a folder, then the program itself.

`python -m tests.deployment.dry_build collector` needs Python of the image's release, gcc and minutes. Left out are
Debian's packages and what only root of an image may do; paths lie under the folder instead of under /.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.deployment.composed import ROOT
from tests.parts.dockerfile import Stage, stages

# What the commands name at the top of the file system.
TOPS = ("/opt/schoolgate", "/tools", "/wheels")
VERBS = (("--version",), ("--help",), ("demo", "--once"))


def main() -> int:
    """Build, run three verbs, and say how long each step took."""
    parser = argparse.ArgumentParser(prog="tests.deployment.dry_build", description=__doc__)
    parser.add_argument("image", choices=["collector", "rules"])
    image = parser.parse_args().image
    build, _ = stages(ROOT / "deploy" / "docker" / f"{image}.Dockerfile")
    wanted = build.base.partition(":")[2].rpartition(".")[0]
    if wanted != f"{sys.version_info.major}.{sys.version_info.minor}":
        sys.stderr.write(f"the image has Python {wanted}, this is {sys.version.split()[0]}; start it with that one\n")
        return 3
    with tempfile.TemporaryDirectory(prefix="schoolgate-image-") as name:
        return _try(build, Path(name))


def _try(build: Stage, top: Path) -> int:
    source = top / "source"
    source.mkdir()
    for word, rest in build.instructions:
        if word == "COPY":
            _copy(rest.split(), source)
        elif word == "RUN" and not rest.startswith("apt-get") and (code := _run(_moved(rest, top), source)):
            return code
    # Nothing of the checkout may help: another folder, and no path to it.
    elsewhere = top / "elsewhere"
    elsewhere.mkdir()
    program = top / "opt" / "schoolgate" / "bin" / "schoolgate"
    return max(_run(f"{program} {' '.join(words)} > /dev/null", elsewhere) for words in VERBS)


def _copy(words: list[str], source: Path) -> None:
    *sources, target = words
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    dropped = [rule.rpartition("/")[2] for rule in rules if "*" in rule and rule != "*"]

    def ignored(_folder: str, names: list[str]) -> list[str]:
        return [name for name in names if any(fnmatch.fnmatch(name, rule) for rule in [*dropped, "__pycache__"])]

    for word in sources:
        place = source / target / Path(word).name if target.endswith("/") else source / target
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / word).is_dir():
            shutil.copytree(ROOT / word, place, ignore=ignored)
        else:
            shutil.copy(ROOT / word, place)


def _moved(command: str, top: Path) -> str:
    for path in TOPS:
        command = command.replace(path, f"{top}{path}")
    return command.replace("python -m venv", f"{sys.executable} -m venv", 1)


def _run(command: str, folder: Path) -> int:
    began = time.monotonic()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    code = subprocess.run(["sh", "-ec", command], cwd=folder, env=kept, check=False).returncode
    sys.stdout.write(f"{time.monotonic() - began:6.1f} s, exit {code}: {command[:100]}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
