"""Fuzzing led by coverage: a pure copy of the project, and atheris beside it, each in a folder of its own.

atheris is no requirement of the project: it has 35 MB and exists for Linux on x86_64 only. It is fetched (pinned, with
its hash) when this is asked for, and stays in `build/fuzz`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "fuzz"
PACKAGES = ("collector", "rules", "tests/fuzz", "tests/collector")
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_SPEED = re.compile(r"stat::average_exec_per_sec:\s*(\d+)")
_COVERED = re.compile(r"cov: (\d+)")


def guide(names: list[str], *, seconds: float) -> int:
    """Run the targets one after another, *seconds* by the clock each; 1: something was found."""
    pure, atheris = _pure_copy(), _atheris()
    print(f"led by coverage, pure build, Python {sys.version.split()[0]}")
    print(f"{'parser':14} {'executions':>11} {'a second':>9} {'edges':>6}")
    found, total = 0, 0
    for name in names:
        told = _run(name, seconds=seconds, pure=pure, atheris=atheris)
        executed, speed, covered = (_last(pattern, told.stderr) for pattern in (_EXECUTED, _SPEED, _COVERED))
        total += executed
        print(f"{name:14} {executed:11,} {speed:9,} {covered:6,}", flush=True)
        if told.returncode:
            found += 1
            print(told.stderr[-2_000:])
            for path in sorted(OUT.glob(f"{name}-found-*")):
                print(f'  {path}; as a test case:\n  ("{name}", "{path.read_bytes().hex()}"),', flush=True)
    print(f"{total:,} executions, {found} failures")
    return 1 if found else 0


def _run(name: str, *, seconds: float, pure: Path, atheris: Path) -> subprocess.CompletedProcess[str]:
    corpus = OUT / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for good in TARGETS[name].seeds():
        (corpus / sha256(good).hexdigest()[:16]).write_bytes(good)
    command = [
        sys.executable, "-m", "tests.fuzz.coverage_led", name, f"-max_total_time={int(seconds)}", "-rss_limit_mb=1024",
        "-timeout=20", "-max_len=4096", "-print_final_stats=1", f"-artifact_prefix={OUT}/{name}-found-", str(corpus),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": f"{pure}:{atheris}", "SCHOOLGATE_PURE": "1"}
    return subprocess.run(
        command, cwd=pure, env=environment, capture_output=True, text=True, errors="replace", check=False
    )


def _last(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.findall(text)
    return int(found[-1]) if found else 0


def _pure_copy() -> Path:
    """Copy what is run, without compiled modules, so that the pure build is what is imported."""
    pure = OUT / "pure"
    shutil.rmtree(pure, ignore_errors=True)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, pure / package, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
    return pure


def _atheris() -> Path:
    """Fetch atheris if it is not there."""
    folder = OUT / f"atheris-{sys.version_info.major}.{sys.version_info.minor}"
    if not (folder / "atheris").is_dir():
        began = time.monotonic()
        subprocess.run(
            [
                sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                "--require-hashes", "--only-binary=:all:", "--target", str(folder),
                "-r", str(ROOT / "requirements" / "fuzz.txt"),
            ],
            check=True,
        )  # fmt: skip
        print(f"fetched atheris in {time.monotonic() - began:.0f} s")
    return folder
