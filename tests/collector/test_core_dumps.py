"""A crash leaves no memory behind, and others of the same user cannot look into it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HELD = "a key that no core dump may hold"

CRASH = """
    import ctypes, os, resource, sys
    from collector.core_dumps import forbid_core_dumps
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    held = sys.argv[1].encode()
    if sys.argv[2] == "private":
        forbid_core_dumps()
        print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)
    os.abort()
"""


def crash(how: str, *, folder: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", textwrap.dedent(CRASH), HELD, how]
    return subprocess.run(
        words, capture_output=True, text=True, timeout=60, check=False, cwd=folder, env={"PYTHONPATH": str(ROOT)}
    )


def test_a_crash_leaves_no_core_dump(tmp_path: Path) -> None:
    done = crash("private", folder=tmp_path)
    assert done.returncode == -signal.SIGABRT, done.stderr
    assert done.stdout.strip() == "(0, 0) 0"
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(
    not Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii").startswith("core")
    or resource.getrlimit(resource.RLIMIT_CORE)[1] == 0,
    reason="this machine writes core dumps elsewhere, or none",
)
def test_without_it_the_same_crash_writes_the_secret_down(tmp_path: Path) -> None:
    crash("open", folder=tmp_path)
    (dump,) = tmp_path.glob("core*")
    assert HELD.encode() in dump.read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming two processes of another user needs root")
def test_another_process_of_the_same_user_reads_neither_memory_nor_environment() -> None:
    # As nobody with nobody's other process: what an intruder in a neighbouring service of the same user could try.
    looks = """
        import os, sys
        from collector.core_dumps import forbid_core_dumps
        os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
        ready, go = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            forbid_core_dumps()
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            os._exit(0)
        os.read(ready[0], 1)
        for name in ("mem", "environ", "maps"):
            try:
                open(f"/proc/{child}/{name}", "rb").close()
            except PermissionError:
                print("refused")
        os.write(go[1], b"x")
        os.waitpid(child, 0)
    """
    words = [sys.executable, "-c", textwrap.dedent(looks)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.stdout.split() == ["refused"] * 3, done.stderr
