"""A collector works inside what its systemd unit and its container leave, and has no right left while it works."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import sysconfig
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.privileges import rights
from collector.seccomp import MODE_FILTER, filter_mode
from tests.deployment.composed import ROOT, SERVICES
from tests.deployment.test_units import TAPS, settings
from tests.parts.ports import free_ports
from tests.parts.program import Program
from tests.parts.systemd import Systemd
from tests.system.product import copy_district, folder_for_all, scrape, until
from tests.system.veth_for_tests import Lab, inside, made_lab

NOBODY = 65_534
LISTEN = "127.0.0.1:9464"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    if any(shutil.which(program) is None for program in ("setpriv", "unshare")):
        pytest.skip("what a unit leaves is tried with setpriv and unshare of util-linux")
    with made_lab() as own:
        own.plug()
        yield own


@pytest.fixture
def open_folder() -> Iterator[Path]:
    with folder_for_all() as folder:
        yield folder


def district(folder: Path) -> Path:
    """Return a configuration that watches tap0, with a broker that is away; everything in it belongs to nobody."""
    own = copy_district(folder / "district")
    config = own / "config.yaml"
    text = re.sub(r"source: .*", "source: {interface: tap0}", config.read_text(encoding="utf-8"))
    config.write_text(f'{text}kafka: {{bootstrap: ["127.0.0.1:{free_ports(1)[0]}"]}}\n', encoding="utf-8")
    for path in (own, *own.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    return config


def started(lab: Lab, folder: Path, verb: str, *, setpriv: list[str], confined: dict[str, list[str]] | None) -> Program:
    """Start a verb in the namespace of the tap with these rights, from folders that everybody may read."""
    places = {"program": str(ROOT), "python": sys.base_prefix, "packages": sysconfig.get_path("purelib")}
    mounts = []
    for name, source in places.items():
        (folder / name).mkdir()
        mounts.append(f"mount --bind {source} {folder / name}")
    python = str(folder / "python" / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")
    words = [
        python,
        "-m",
        "schoolgate",
        verb,
        "--config",
        str(folder / "district" / "config.yaml"),
        "--metrics",
        LISTEN,
    ]
    if confined is not None:
        words = [python, str(folder / "program/tests/deployment/confined.py"), json.dumps(confined), *words]
    script = f'{" && ".join(mounts)} && exec "$@"'
    environment = [f"PYTHONPATH={folder / 'program'}:{folder / 'packages'}", "PYTHONDONTWRITEBYTECODE=1"]
    # A Python with a library of its own looks for it where it was installed, which may be closed to others.
    environment.append(f"LD_LIBRARY_PATH={folder / 'python' / 'lib'}")
    command = ["ip", "netns", "exec", lab.here, "env", *environment, "unshare", "--mount", "sh", "-c", script, "sh"]
    return Program([*command, "setpriv", *setpriv, "--no-new-privs", *words], log=folder / "service.log")


def works_without_rights(service: Program, lab: Lab) -> None:
    """Let a frame pass by, and make sure that it is counted by a program without any right."""

    def counted() -> int:
        try:
            with inside(lab.here):
                text = scrape(LISTEN)
        except OSError:
            return -1
        found = re.search(r"^schoolgate_capture_packets_total (\d+)\.0$", text, re.MULTILINE)
        return int(found[1]) if found else -1

    try:
        until(lambda: counted() >= 0 or not service.alive, what="the metrics")
        assert service.alive, service.log.read_text()
        status = Path(f"/proc/{service.pid}/status").read_text(encoding="ascii")
        held = rights(status)
        assert filter_mode(status) == MODE_FILTER
        # Started with setpriv as an ordinary user, its memory would be open to others of that user.
        assert Path(f"/proc/{service.pid}/environ").stat().st_uid == 0
        assert held.users == held.groups == {NOBODY}
        assert held.capabilities == frozenset()
        assert held.no_new_privs
        with lab.outlet() as outlet:
            for _ in range(3):
                outlet.send(bytes.fromhex("020000000002020000000001") + b"\x08\x00" + bytes(50))
        until(lambda: counted() >= 3, what="the frames")
        assert "Traceback" not in service.log.read_text()
    finally:
        service.kill()


def allowed_calls(unit: dict[str, list[str]], analyzer: Systemd) -> list[str]:
    """Return the system calls that the SystemCallFilter lines of a unit leave, in their order."""

    def calls(words: str) -> set[str]:
        found: set[str] = set()
        for word in words.split():
            told = analyzer.analyze("syscall-filter", word).stdout if word.startswith("@") else ""
            names = [line.strip() for line in told.splitlines()[1:] if line.strip() and "#" not in line]
            found |= calls(" ".join(names)) if names else set() if word.startswith("@") else {word}
        return found

    left: set[str] = set()
    for line in unit["SystemCallFilter"]:
        left = left - calls(line[1:]) if line.startswith("~") else left | calls(line)
    return sorted(left)


def test_a_tap_works_inside_what_its_unit_leaves(lab: Lab, open_folder: Path, analyzer: Systemd) -> None:
    unit, other = (settings(name) for name in sorted(TAPS, reverse=True))
    # What holds for `run`, which does everything, holds for `collect`.
    for key in ("AmbientCapabilities", "CapabilityBoundingSet", "RestrictAddressFamilies", "SystemCallFilter"):
        assert unit[key] == other[key]
    district(open_folder)
    calls = allowed_calls(unit, analyzer)
    assert {"capset", "mmap", "socket", "prctl"} <= set(calls)
    assert not {"bpf", "mount", "reboot", "setuid", "ptrace"} & set(calls)
    (capability,) = unit["AmbientCapabilities"]
    raw = f"-all,+{capability.removeprefix('CAP_').lower()}"
    setpriv = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    setpriv += [f"--bounding-set={raw}", f"--inh-caps={raw}", f"--ambient-caps={raw}"]
    confined = {"calls": calls, "families": unit["RestrictAddressFamilies"][0].split()}
    works_without_rights(started(lab, open_folder, "run", setpriv=setpriv, confined=confined), lab)


def test_the_collector_works_with_what_its_container_leaves(lab: Lab, open_folder: Path) -> None:
    service = SERVICES["collector"]
    district(open_folder)
    capabilities = ",".join(["-all", *(f"+{name.lower()}" for name in service["cap_add"])])
    uid = service["user"].partition(":")[0]
    # The group is that of the image's user; here it is nobody's.
    setpriv = [f"--reuid={uid}", f"--regid={NOBODY}", "--clear-groups", f"--bounding-set={capabilities}"]
    works_without_rights(started(lab, open_folder, "collect", setpriv=setpriv, confined=None), lab)


def test_the_desk_works_inside_what_its_unit_leaves(lab: Lab, open_folder: Path, analyzer: Systemd) -> None:
    unit = settings("schoolgate-desk.service")
    district(open_folder)
    setpriv = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    confined = {"calls": allowed_calls(unit, analyzer), "families": unit["RestrictAddressFamilies"][0].split()}
    service = started(lab, open_folder, "desk", setpriv=setpriv, confined=confined)
    signed_in = re.compile(r"http://127\.0\.0\.1:\d+/enter/\S+")
    try:
        until(lambda: bool(signed_in.search(service.log.read_text())) or not service.alive, what="the desk")
        address = signed_in.search(service.log.read_text())
        assert address is not None, service.log.read_text()
        with inside(lab.here), urllib.request.urlopen(address[0], timeout=30) as answer:  # noqa: S310 -- the desk said http
            assert answer.status == 200
        assert "Traceback" not in service.log.read_text()
    finally:
        service.kill()
