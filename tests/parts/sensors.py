"""Other sensors for the tests: Suricata and softflowd, from Debian's packages, unpacked into the cache folder.

Where the release of this machine has no Suricata, that of its backports is taken, with lists of our own: the machine's
sources are left as they are. Neither program needs root here: both read a capture and write a file or datagrams.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.parts.cache import PartMissingError, folder, locked, run
from tests.parts.debian import APT_LIMIT_S, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN_LIMIT_S = 120.0
_BACKPORTS = "backports"
_CONFIGURATION = """%YAML 1.1
---
vars: {{address-groups: {{HOME_NET: any, EXTERNAL_NET: any}}}}
default-log-dir: {folder}
classification-file: {etc}/classification.config
reference-config-file: {etc}/reference.config
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      ethernet: {ethernet}
      types: [{{tls: {{extended: yes}}}}, quic, {{http: {{extended: yes}}}}, {{dns: {{}}}}, flow]
app-layer:
  protocols:
    tls: {{enabled: yes, detection-ports: {{dp: 443}}}}
    quic: {{enabled: yes}}
    http: {{enabled: yes}}
    dns: {{tcp: {{enabled: yes, detection-ports: {{dp: 53}}}}, udp: {{enabled: yes, detection-ports: {{dp: 53}}}}}}
"""


class Suricata:
    """Suricata as Debian builds it."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree

    @classmethod
    def fetched(cls) -> Suricata:
        """Return it; fetch it first if need be.

        Raises:
            PartMissingError: it cannot be had here.
        """
        with _lists_with_backports() if not _knows("suricata") else contextlib.nullcontext():
            found = cls(unpacked(["suricata"], needs="lib", part="suricata"))
        if "RELEASE" not in found._run(["--build-info"]).stdout:
            raise PartMissingError("suricata: what Debian gives does not run here; look at what its libraries lack")
        return found

    def read(self, capture: Path, *, into: Path, ethernet: bool) -> Path:
        """Read *capture* and return the EVE log; *ethernet*: MAC addresses are logged."""
        into.mkdir()
        settings = into / "suricata.yaml"
        etc = self._tree / "etc" / "suricata"
        words = "yes" if ethernet else "no"
        settings.write_text(_CONFIGURATION.format(folder=into, etc=etc, ethernet=words), encoding="utf-8")
        # One thread: the log has one order. Checksums are not asked for: captures for tests have none.
        done = self._run(
            ["-c", str(settings), "-r", str(capture), "-l", str(into), "-k", "none", "-S", "/dev/null",
             "--set", "runmode=single"]
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return into / "eve.json"

    def _run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        return _ran(self._tree, "usr/bin/suricata", words)


class Softflowd:
    """softflowd, an exporter of NetFlow and IPFIX."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree

    @classmethod
    def fetched(cls) -> Softflowd:
        """Return it; fetch it first if need be. Raises PartMissingError."""
        return cls(unpacked(["softflowd"], needs="lib", part="softflowd"))

    def export(self, capture: Path, *, port: int, version: int) -> None:
        """Read *capture* and send what it counted to *port* of this machine, as NetFlow 9 or as IPFIX (10)."""
        done = _ran(
            self._tree, "usr/sbin/softflowd", ["-r", str(capture), "-n", f"127.0.0.1:{port}", "-v", str(version), "-d"]
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _ran(tree: Path, program: str, words: list[str]) -> subprocess.CompletedProcess[str]:
    libraries = ":".join(str(path) for path in (tree / "usr" / "lib").glob("*-linux-gnu"))
    environment = os.environ | {"LD_LIBRARY_PATH": libraries}
    return subprocess.run(
        [str(tree / program), *words],
        env=environment, capture_output=True, text=True, check=False, timeout=RUN_LIMIT_S,
    )  # fmt: skip


def _knows(package: str) -> bool:
    try:
        told = subprocess.run(
            ["apt-cache", "policy", package], capture_output=True, text=True, check=False, timeout=APT_LIMIT_S
        ).stdout
    except OSError:
        raise PartMissingError(f"{package}: no `apt-cache` here, so Debian's package cannot be had") from None
    return "Candidate:" in told and "Candidate: (none)" not in told


@contextlib.contextmanager
def _lists_with_backports() -> Iterator[None]:
    """Let apt know the backports of this release beside it, from the same places, by lists of our own."""
    place = folder() / "apt-backports"
    with locked("apt-backports"):
        if not (place / "apt.conf").exists():
            _make_lists(place)
    before = os.environ.get("APT_CONFIG")
    os.environ["APT_CONFIG"] = str(place / "apt.conf")
    try:
        yield
    finally:
        if before is None:
            del os.environ["APT_CONFIG"]
        else:
            os.environ["APT_CONFIG"] = before


def _make_lists(place: Path) -> None:
    release = _release()
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"],
        capture_output=True, text=True, check=False, timeout=APT_LIMIT_S,
    ).stdout  # fmt: skip
    places = sorted({line.split()[0] for line in told.splitlines() if line.split()[1:] == [release]})
    if not places:
        raise PartMissingError("suricata: apt names no place of this release's packages; run apt-get update")
    for name in ("lists/partial", "cache/archives/partial"):
        (place / name).mkdir(parents=True, exist_ok=True)
    keys = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    signed = f"[signed-by={keys}] " if keys.exists() else ""
    suites = (release, f"{release}-{_BACKPORTS}")
    rows = [f"deb {signed}{uri} {suite} main" for uri in places for suite in suites]
    (place / "sources.list").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (place / "preferences").write_text(f"Package: *\nPin: release n={suites[1]}\nPin-Priority: 600\n", encoding="utf-8")
    settings = place / "apt.conf.partial"
    settings.write_text(
        f'Dir::Etc::sourcelist "{place}/sources.list";\nDir::Etc::sourceparts "-";\n'
        f'Dir::Etc::preferences "{place}/preferences";\nDir::Etc::preferencesparts "-";\n'
        f'Dir::State::lists "{place}/lists";\nDir::Cache "{place}/cache";\nAPT::Sandbox::User "";\n',
        encoding="utf-8",
    )
    run(["apt-get", "-q", "-c", str(settings), "update"], part="suricata", limit_s=APT_LIMIT_S, log=place / "log")
    settings.rename(place / "apt.conf")


def _release() -> str:
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise PartMissingError("suricata: this is no release of Debian, so its backports cannot be had")
