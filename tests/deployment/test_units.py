"""The systemd units are free of mistakes, leave little open, and the program works inside what they leave."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.deployment.composed import ROOT
from tests.parts.systemd import Systemd

FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(path.name for path in FOLDER.glob("*.service"))
MOST_EXPOSED = 2.0
TAPS = {"schoolgate-collect.service", "schoolgate-run.service"}
EACH = pytest.mark.parametrize("name", UNITS)


def settings(name: str) -> dict[str, list[str]]:
    """Return the values of each key of a unit, in order."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def root(analyzer: Systemd, tmp_path: Path) -> Path:
    """A file system with the units, those that every system has, and the programs that they start."""
    shutil.copytree(analyzer.units, tmp_path / "usr/lib/systemd/system", symlinks=True)
    own = tmp_path / "etc/systemd/system"
    own.mkdir(parents=True)
    for name in UNITS:
        shutil.copy(FOLDER / name, own)
    for program in ("opt/schoolgate/bin/schoolgate", "bin/kill"):
        path = tmp_path / program
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n", encoding="ascii")
        path.chmod(0o755)
    return tmp_path


def test_there_is_a_unit_for_each_verb_that_goes_on() -> None:
    assert [f"schoolgate-{verb}.service" for verb in ("collect", "desk", "judge", "run")] == UNITS
    for name in UNITS:
        verb = name.removeprefix("schoolgate-").removesuffix(".service")
        assert settings(name)["ExecStart"] == [
            f"/opt/schoolgate/bin/schoolgate {verb} --config /etc/schoolgate/schoolgate.yaml"
        ]


@EACH
def test_systemd_finds_no_mistake_in_a_unit(name: str, analyzer: Systemd, root: Path) -> None:
    checked = analyzer.analyze("verify", f"--root={root}", root / "etc/systemd/system" / name)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_mistake_would_be_found(analyzer: Systemd, root: Path) -> None:
    unit = root / "etc/systemd/system" / UNITS[0]
    text = unit.read_text(encoding="utf-8")
    for slip in (text.replace("PrivateTmp=", "PrivatTmp="), text.replace("/bin/schoolgate ", "/bin/schoolgat ")):
        assert slip != text
        unit.write_text(slip, encoding="utf-8")
        assert analyzer.analyze("verify", f"--root={root}", unit).stderr


@EACH
def test_a_unit_leaves_little_open(name: str, analyzer: Systemd, root: Path) -> None:
    told = analyzer.analyze("security", "--offline=true", f"--root={root}", name)
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", told.stdout)
    assert exposure is not None, told.stderr
    assert float(exposure[1]) <= MOST_EXPOSED, told.stdout


@EACH
def test_only_a_tap_has_a_capability_and_none_can_gain_one(name: str) -> None:
    unit = settings(name)
    capability = ["CAP_NET_RAW"] if name in TAPS else [""]
    assert unit["AmbientCapabilities"] == unit["CapabilityBoundingSet"] == capability
    # A user namespace of its own would make the capability count for nothing.
    assert ("PrivateUsers" in unit) == (name not in TAPS)
    assert unit["User"] == ["schoolgate"]
    assert unit["NoNewPrivileges"] == ["yes"]
    # No key and no address in a swap file or a core dump.
    assert (unit["MemorySwapMax"], unit["LimitCORE"]) == (["0"], ["0"])


def test_the_units_differ_only_where_their_work_does() -> None:
    own = {
        "AmbientCapabilities", "CapabilityBoundingSet", "Description", "ExecReload", "ExecStart", "MemoryMax",
        "PrivateUsers", "RestrictAddressFamilies", "SystemCallFilter", "TasksMax",
    }  # fmt: skip
    shared = [{key: value for key, value in settings(name).items() if key not in own} for name in UNITS]
    assert all(each == shared[0] for each in shared)


def test_the_user_and_the_folder_are_those_of_the_units() -> None:
    assert re.search(r"^u schoolgate - ", (FOLDER / "sysusers.conf").read_text(encoding="utf-8"), re.MULTILINE)
    folders = re.findall(
        r"^d (\S+) \d{4} root schoolgate$", (FOLDER / "tmpfiles.conf").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert folders == ["/etc/schoolgate", "/etc/schoolgate/agreements"]
