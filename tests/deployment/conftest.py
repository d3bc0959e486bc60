"""Parts of the tests of this folder, and the files that prepare.sh makes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deployment.composed import ROOT
from tests.parts import prometheus, systemd
from tests.parts.cache import PartMissingError
from tests.parts.prometheus import PrometheusParts
from tests.parts.systemd import Systemd


@pytest.fixture(scope="session")
def prometheus_parts() -> PrometheusParts:
    """The programs; skips where they cannot be had."""
    try:
        return prometheus.set_up()
    except PartMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def analyzer() -> Systemd:
    """systemd-analyze; skips where it cannot be had."""
    try:
        return systemd.set_up()
    except PartMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which prepare.sh has run."""
    if os.geteuid() != 0:
        pytest.skip("prepare.sh gives each secret to its reader, which only root can")
    if shutil.which("openssl") is None:
        pytest.skip("prepare.sh needs openssl")
    top = tmp_path_factory.mktemp("prepared")
    done = prepare(top)
    assert done.returncode == 0, done.stderr
    return top


def prepare(top: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run prepare.sh for the folder *top*, with *more* in its environment."""
    script = ROOT / "deploy" / "compose" / "prepare.sh"
    environment = {"PATH": os.environ["PATH"], **more}
    return subprocess.run(
        ["sh", script, top], capture_output=True, text=True, timeout=120, check=False, env=environment
    )
