"""Whether the logs of another sensor are there, can be read and say what is needed, and NetFlow's port can be had."""

from __future__ import annotations

import errno
import os
import socket
import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from collector.health.rights import may_read
from collector.outcomes import failed, misconfigured, warning, well
from collector.sensor_records import Answer, RecordError, Saying, SensorFlow
from collector.settings import listen_address
from collector.sources.netflow_listener import BUFFER_OCTETS
from collector.sources.suricata_eve import EveLog
from collector.sources.zeek_log import ZeekLog

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from collector.health.rights import Account
    from collector.outcomes import Outcome
    from collector.sensor_records import Record
    from collector.settings import Netflow
    from collector.sources.sensor_log import LineLog

# On a school day a sensor writes every second; in a night or a weekend it may well write nothing.
QUIET_S: Final = 3_600.0
# Some thousand lines of either sensor: what is not among them is seldom, or not logged at all.
LOOKED_AT: Final = 1 << 20
LINES: Final = 5_000
# What a look needs of a log: all that is written of flows, or the look-ups alone beside NetFlow.
FLOWS: Final = "flows"
LOOK_UPS: Final = "look-ups"
# Zeek makes a log when it first has something to write there; these two it has within a minute.
_ZEEK_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {FLOWS: ("conn", "ssl", "dns"), LOOK_UPS: ("dns",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the lines of a log say that were looked at."""

    flows: bool
    """Of flows."""
    names: bool
    """Of hellos and requests."""
    answers: bool
    """Of look-ups."""
    refused: str | None
    """Why the first line that is no record cannot be read; None: there is none such."""


def zeek(folder: Path, *, needs: str, who: Account) -> Iterator[Outcome]:
    """Yield whether Zeek's logs in *folder* can be followed.

    Args:
        folder: where Zeek writes.
        needs: FLOWS or LOOK_UPS.
        who: the user that the service goes on as.
    """
    if not folder.is_dir():
        yield misconfigured(f"there is no folder {folder}", remedy="name the one in which Zeek writes, such as current")
        return
    for name in _ZEEK_NEEDED[needs]:
        path = folder / f"{name}.log"
        if not path.exists():
            yield warning(
                f"{path} is not there", remedy="see whether Zeek runs and logs it; it is read as soon as it is there"
            )
            continue
        yield from _log(path, log=ZeekLog(), whole=True, who=who)


def suricata(paths: Sequence[Path], *, needs: str, who: Account) -> Iterator[Outcome]:
    """Yield whether EVE logs of Suricata can be followed, and whether they say what is needed; as `zeek`."""
    told: list[Written] = []
    for path in paths:
        if not path.exists():
            yield warning(f"{path} is not there", remedy="see whether Suricata runs, and its `eve-log` has this name")
            continue
        yield from _log(path, log=EveLog(), whole=False, who=who, told=told)
    if not told or any(each.refused for each in told):
        return
    if needs == FLOWS and not any(each.flows for each in told):
        yield warning("no `flow` event is in the log", remedy="add `flow` to the types of `eve-log`")
    if needs == FLOWS and not any(each.names for each in told):
        yield warning("no name is in the log", remedy="add `tls`, `quic` and `http` to the types of `eve-log`")
    if not any(each.answers for each in told):
        yield warning("no look-up is in the log", remedy="add `dns` to the types of `eve-log`")


def netflow(settings: Netflow) -> Iterator[Outcome]:
    """Yield whether NetFlow can be listened to, and whether somebody else could send it."""
    host, port = listen_address(settings.listen) or ("", 0)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, port))
        except OSError as error:
            yield _bound(error, where=settings.listen)
        else:
            yield well(f"{settings.listen} can be listened to")
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_OCTETS)
        room = probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # Linux tells twice what it gives (socket(7))
    if room < BUFFER_OCTETS:
        yield warning(
            f"only {room >> 10} KiB of NetFlow may wait to be read",
            remedy=f"run: sysctl -w net.core.rmem_max={BUFFER_OCTETS}; and keep it in /etc/sysctl.d",
        )
    if not settings.exporters:
        yield warning(
            "whoever reaches the port is believed",
            remedy="name your routers in `exporters`; datagrams are easily forged",
        )
    if settings.dns is None:
        yield warning("NetFlow carries no names", remedy="say in `netflow.dns` where the look-ups are")


def _bound(error: OSError, *, where: str) -> Outcome:
    if error.errno == errno.EADDRINUSE:
        return well(f"{where} is taken, by this service if it runs")
    if error.errno == errno.EADDRNOTAVAIL:
        return misconfigured(f"{where} is no address of this machine", remedy="name one of its own, or 0.0.0.0")
    return failed(f"{where} cannot be listened to ({error.strerror})", remedy="choose a port above 1023")


def _log(
    path: Path, *, log: LineLog, whole: bool, who: Account, told: list[Written] | None = None
) -> Iterator[Outcome]:
    """Yield how one log is; *whole*: its first lines say how the others are read."""
    try:
        status = path.stat()
        octets = _octets(path, begins=0 if whole else max(0, status.st_size - LOOKED_AT))
    except OSError as error:
        yield failed(f"{path} cannot be read ({error.strerror})", remedy="run this as root or as the service's user")
        return
    if not may_read(path, who=who):
        yield failed(f"{who.name} cannot read {path}", remedy=f"run: setfacl -R -m u:{who.name}:rX {path.parent}")
        return
    written = _written(octets, log=log)
    if told is not None:
        told.append(written)
    silent_s = time.time() - status.st_mtime
    if written.refused and not (written.flows or written.names or written.answers):
        yield misconfigured(f"{path} cannot be used: {written.refused}", remedy="see docs/other-sensors.md")
    elif silent_s > QUIET_S:
        yield warning(
            f"{path} was last written {silent_s / 3_600:.0f} h ago",
            remedy="see whether the sensor runs; at night it may be right",
        )
    else:
        yield well(f"{who.name} can read {path}")


def _octets(path: Path, *, begins: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        octets = os.pread(descriptor, LOOKED_AT, begins)
    finally:
        os.close(descriptor)
    return octets.partition(b"\n")[2] if begins else octets


def _written(octets: bytes, *, log: LineLog) -> Written:
    found: list[Record] = []
    refused = None
    for line in islice(octets.split(b"\n")[:-1], LINES):
        try:
            found += log.read(line, at=0) if line.strip() else ()
        except RecordError as error:
            refused = refused or str(error)
    return Written(
        flows=any(isinstance(each, SensorFlow) for each in found),
        names=any(isinstance(each, Saying) for each in found),
        answers=any(isinstance(each, Answer) for each in found),
        refused=refused,
    )
