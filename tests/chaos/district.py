"""The folders of a round: one for the judges, one for each collector, with their configuration files."""

from __future__ import annotations

import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collector.spool import Spool
from tests.chaos.lane import Lane
from tests.chaos.material import SPEED
from tests.chaos.plan import Plan
from tests.system.product import SAMPLE, free_port

ORIGIN: Final = 1_000
SMALLEST_SPOOL: Final = 1 << 20
# Everything of two days and their log fit; a file more fills it.
DISK_OCTETS: Final = 24 << 20
BALLAST: Final = "ballast"


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorFolder:
    """One collector's configuration, spool and keys."""

    sensor: str
    config: Path
    disk: Path
    """Where spool and keys lie; a small disk of its own where the plan fills it."""
    live: bool

    @property
    def spool(self) -> Path:
        """The spool's file."""
        return self.disk / "spool.db"

    @property
    def at_work(self) -> bool:
        """Whether its collector has begun to write events down: keys come first."""
        return self.live or (self.disk / "keys").exists()

    @property
    def octets(self) -> int:
        """What the spool's file and its log take up together."""
        return sum(path.stat().st_size for path in self.disk.glob("spool.db*"))

    def fill(self) -> None:
        """Leave no octet free on the disk."""
        with (self.disk / BALLAST).open("wb", buffering=0) as ballast:
            for size in (1 << 16, 1 << 12, 1):
                _write_until_full(ballast.fileno(), size=size)

    def free(self) -> None:
        """Make room again."""
        (self.disk / BALLAST).unlink(missing_ok=True)

    def account(self) -> tuple[int, int]:
        """Return the next sequence number and the rows that wait, by the word of the spool; nobody may hold it.

        Raises:
            ValueError: it is damaged.
        """
        with sqlite3.connect(self.spool) as db:
            following: int = db.execute("SELECT next FROM counter").fetchone()[0]
            waiting: int = db.execute("SELECT count(*) FROM batch").fetchone()[0]
            whole: str = db.execute("PRAGMA integrity_check").fetchone()[0]
        db.close()
        if whole != "ok":
            raise ValueError(f"{self.spool} is damaged: {whole}")
        return following, waiting


def _write_until_full(handle: int, *, size: int) -> None:
    try:
        while True:
            os.write(handle, b"\0" * size)
    except OSError:
        return


def lay_judge(folder: Path, *, lane: Lane) -> Path:
    """Lay the sample district into *folder* and return its configuration file."""
    folder.mkdir(parents=True)
    shutil.copytree(SAMPLE / "agreements", folder / "agreements")
    for name in ("network.yaml", "parties.yaml"):
        shutil.copy(SAMPLE / name, folder)
    return _configure(
        folder, lane=lane, more="agreements: agreements/\nparties: [parties.yaml]\nstore: sqlite:///cases.db\n"
    )


def lay_collectors(folder: Path, *, plan: Plan, lane: Lane) -> list[CollectorFolder]:
    """Lay a folder for each collector of *plan*."""
    small = any(fault.kind == "disk full" for fault in plan.faults) and lane.networks is not None
    laid = []
    for number, cuts in enumerate(plan.captures):
        place = folder / f"collect-{number}"
        place.mkdir()
        shutil.copy(SAMPLE / "network.yaml", place)
        disk = place / "disk"
        if small:
            lane.mount(disk, octets=DISK_OCTETS)
        else:
            disk.mkdir()
        live = plan.live and lane.networks is not None and number == 0
        if live:
            source = "{interface: tap0}"
        else:
            names = ", ".join(str(lane.material.capture(cut)) for cut in cuts)
            source = f"{{capture: [{names}], speed: {SPEED}}}"
        sensor = f"tap-{number}"
        bound = f", max_bytes: {SMALLEST_SPOOL}, when_full: drop_oldest" if live else ""
        more = f"sensor: {sensor}\nsource: {source}\nspool: {{path: disk/spool.db{bound}}}\n"
        more += "privacy: {key_file: disk/keys}\n"
        config = _configure(place, lane=lane, more=more)
        collector = CollectorFolder(sensor=sensor, config=config, disk=disk, live=live)
        # Made here, so that the first sequence number is known.
        Spool(collector.spool, max_bytes=SMALLEST_SPOOL, origin=ORIGIN).close()
        laid.append(collector)
    return laid


def _configure(folder: Path, *, lane: Lane, more: str) -> Path:
    config = folder / "config.yaml"
    config.write_text(
        f"schema: schoolgate/config/1\nnetwork: network.yaml\nkafka: {{bootstrap: ['{lane.broker.bootstrap}']}}\n"
        f"metrics: {{listen: '127.0.0.1:{free_port()}'}}\n{more}",
        encoding="utf-8",
    )
    return config
