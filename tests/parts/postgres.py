"""PostgreSQL for the tests: the Debian package `postgresql`, as installed or fetched into the cache folder.

Where it is not installed and apt knows it, its packages and those libraries that are missing are downloaded and
unpacked, never installed: no root is needed and nothing of the system changes. PostgreSQL refuses to run as root, so
then it runs as an ordinary user, in a folder of that user's own under the system's folder for temporary files.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.parts.cache import PartMissingError, folder, locked, run, say
from tests.parts.ports import free_ports
from tests.parts.program import Program

PART = "postgresql"
APT_LIMIT_S = 300.0
START_LIMIT_S = 180.0
STOP_LIMIT_S = 60.0
INSTALLED = "/usr/lib/postgresql/*/bin/postgres"
_REMEDY = "install the Debian package postgresql"


class Postgres:
    """A PostgreSQL server of this test run alone, on a free loopback port, in a temporary folder.

    *binaries* is the folder of `postgres` and `initdb`; *durable*: writes reach the disk, as in production (tests do
    without, measurements do not).
    """

    def __init__(self, binaries: Path, *, durable: bool = False) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="schoolgate-postgres-"))
        self._as: list[str] = []
        self._library = binaries
        self._environment = ["env", "LC_ALL=C", "TZ=UTC"]
        if os.geteuid() == 0:
            self._become_ordinary(binaries)
        tree = self._library.parents[3]
        if tree != Path("/usr"):
            libraries = [str(path) for path in (tree / "lib").glob("*-linux-gnu")]
            self._environment.append(f"LD_LIBRARY_PATH={':'.join(libraries)}")
        self.port = free_ports(1)[0]
        self._durable = durable
        self._program: Program | None = None
        self._numbers = itertools.count()
        self.name = "PostgreSQL"

    def start(self) -> None:
        """Make the cluster and start the server.

        Raises:
            PartMissingError: it does not run here.
        """
        data, log = self._home / "data", self._home / "postgres.log"
        initdb = [*self._command("initdb"), "-D", str(data), "-U", "schoolgate", "-A", "trust", "-E", "UTF8"]
        run([*initdb, "--no-locale", "--no-sync"], part=PART, limit_s=START_LIMIT_S, log=self._home / "initdb.log")
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", "jit": "off"}
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._program = Program([*self._command("postgres"), "-D", str(data), *options], log=log)
        self._wait(log)

    def _wait(self, log: Path) -> None:
        import psycopg  # noqa: PLC0415 -- only who starts a server needs its driver

        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                with psycopg.connect(self._dsn("postgres"), connect_timeout=5) as connection:
                    self.name = f"PostgreSQL {connection.info.parameter_status('server_version')}"
                    return
            except psycopg.OperationalError as error:
                assert self._program is not None
                if time.monotonic() > deadline or not self._program.alive:
                    raise PartMissingError(f"{PART}: the server did not start ({error}); see {log}") from error
                time.sleep(0.05)

    def database(self) -> str:
        """Return the SQLAlchemy address of an empty place of its own: a schema, made in a hundredth of the time."""
        import psycopg  # noqa: PLC0415 -- see above

        name = f"store_{next(self._numbers)}"
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())  # the name is ours
        return f"postgresql+psycopg://schoolgate@127.0.0.1:{self.port}/postgres?options=-csearch_path%3D{name}"

    def close(self) -> None:
        """End the server and remove everything of it."""
        if self._program is not None:
            with contextlib.suppress(ProcessLookupError):
                # At once, clients or not; unlike SIGKILL it leaves no shared memory behind.
                self._program.signal(signal.SIGQUIT)
            self._program.stop(limit_s=STOP_LIMIT_S)
        shutil.rmtree(self._home, ignore_errors=True)

    def _dsn(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=schoolgate dbname={database}"

    def _command(self, program: str) -> list[str]:
        return [*self._as, *self._environment, str(self._library / program)]

    def _become_ordinary(self, binaries: Path) -> None:
        try:
            user = pwd.getpwnam("nobody")
        except KeyError:
            raise PartMissingError(f"{PART}: root must not run it, and there is no user `nobody`") from None
        self._as = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
        if not str(binaries).startswith("/usr/"):
            # The cache folder of root is closed to others.
            tree = self._home / "tree"
            shutil.copytree(binaries.parents[4], tree, symlinks=True)
            self._library = tree / binaries.relative_to(binaries.parents[4])
        for path in [self._home, *self._home.rglob("*")]:
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def set_up() -> Path:
    """Return the folder of PostgreSQL's programs; fetch them into the cache folder first if need be.

    Raises:
        PartMissingError: it cannot be had here.
    """
    installed = sorted(Path("/").glob(INSTALLED.lstrip("/")), reverse=True)
    return installed[0].parent if installed else fetched()


def fetched() -> Path:
    """Return the folder of the programs in the cache folder; fetch them first if need be.

    Raises:
        PartMissingError: apt is missing, or does not give them.
    """
    place = folder() / PART
    if not place.is_dir():
        with locked(PART):
            if not place.is_dir():
                _fetch(place)
    found = next(iter(sorted(place.glob(INSTALLED.lstrip("/")))), None)
    if found is None:
        raise PartMissingError(f"{PART}: {place} holds no server; remove it, or {_REMEDY}")
    return found.parent


def _fetch(place: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise PartMissingError(f"{PART}: it is not installed, and this is no Debian; install PostgreSQL")
    fresh = place.with_name(f"{PART}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    packages = fresh / "packages"
    packages.mkdir(parents=True)
    wanted = _packages()
    say(f"fetching {len(wanted)} Debian packages for PostgreSQL into {place} (once)")
    log = place.with_name(f"{PART}.apt.log")
    with contextlib.chdir(packages):
        run(["apt-get", "download", *wanted], part=PART, limit_s=APT_LIMIT_S, log=log)
    for package in sorted(packages.glob("*.deb")):
        run(["dpkg", "-x", str(package), str(fresh)], part=PART, limit_s=APT_LIMIT_S, log=log)
    shutil.rmtree(packages)
    fresh.rename(place)


def _packages() -> list[str]:
    """Return the server's package and those libraries that it needs and that are not installed."""
    needs = _apt_cache("depends", "postgresql")
    server = next((word for word in needs if word.startswith("postgresql-") and word[11:].isdigit()), None)
    if server is None:
        raise PartMissingError(f"{PART}: apt knows no package of it; run apt-get update, or {_REMEDY}")
    flags = [f"--no-{what}" for what in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    libraries = {name for name in _apt_cache("depends", "--recurse", *flags, server) if name.startswith("lib")}
    have = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"], capture_output=True, text=True, check=False
    )
    there = {line.split()[0] for line in have.stdout.splitlines() if line.endswith(" installed")}
    return [server, *sorted(libraries - there)]


def _apt_cache(*words: str) -> list[str]:
    told = subprocess.run(["apt-cache", *words], capture_output=True, text=True, check=False, timeout=APT_LIMIT_S)
    return [line.split()[-1] for line in told.stdout.splitlines() if line.strip() and "<" not in line]


def main() -> int:
    """Set the part up from the command line; 3 says that this machine cannot have it."""
    argparse.ArgumentParser(prog="tests.parts.postgres", description="PostgreSQL for the tests").parse_args()
    try:
        say(f"PostgreSQL is in {set_up()}")
    except PartMissingError as missing:
        say(str(missing))
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
