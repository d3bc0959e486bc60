"""Opens what `source.zeek`, `source.suricata` and `source.netflow` name: the live logs of other sensors."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from collector.places import PlaceBook
from collector.sensor_input import Eyes, FollowedLog, SensorInput
from collector.sensor_records import KINDS
from collector.settings import listen_address
from collector.sources.followed_file import FollowedFile
from collector.sources.netflow_listener import NetflowListener
from collector.sources.suricata_eve import EveLog
from collector.sources.tap import open_capture
from collector.sources.zeek_log import PATHS, ZeekLog
from schoolgate.rights import give_up_rights
from schoolgate.shell import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from collector.pseudonyms import Pseudonyms
    from collector.segments import Network
    from collector.settings import Netflow, Source
    from collector.sources.followed_file import Place
    from collector.sources.sensor_log import LineLog
    from schoolgate.configuration import Configuration


class SensorSource:
    """What is followed, open, and the file of places.

    Args:
        eyes: what is looked through.
        places: keeps how far logs are read.
        words: what is followed, for people.
    """

    def __init__(self, eyes: Eyes, *, places: PlaceBook, words: str) -> None:
        self.words = words
        self._eyes = eyes
        self._places = places

    def input(
        self, settings: Configuration, *, network: Network, pseudonyms: Pseudonyms, show: Callable[[], None]
    ) -> SensorInput:
        """Return the events that are told; *show* as in LiveInput."""
        return SensorInput(
            self._eyes,
            places=self._places,
            sensor=settings.sensor,
            network=network,
            pseudonyms=pseudonyms,
            show=show,
            say=say,
        )


@contextmanager
def open_sensor(source: Source, *, folder: Path) -> Iterator[SensorSource]:
    """Open what *source* names, and close it at the end; relative paths start at *folder*.

    Raises:
        TapError: a port or an interface cannot be had.
        EnvironmentFailedError: rights could not be given up.
    """
    book = PlaceBook(folder / source.places, say=say)
    with ExitStack() as held:
        if source.netflow is not None:
            eyes, words = _netflow(source.netflow, link_octets=source.link_octets, folder=folder, book=book, held=held)
        else:
            logs = _Logs(folder, places=book.load(), link_octets=source.link_octets, held=held)
            if source.zeek is not None:
                followed = [logs.zeek(source.zeek, path) for path in PATHS]
                awaited = frozenset(kind for kind in PATHS.values() if kind is not None)
                words = f"the logs of Zeek in {source.zeek}"
            else:
                named = [source.suricata] if isinstance(source.suricata, str) else list(source.suricata or ())
                followed = [logs.suricata(each) for each in named]
                # In one file what was said on a flow comes before the flow itself.
                awaited = frozenset(KINDS if len(named) > 1 else ())
                words = f"the EVE log of Suricata in {', '.join(named)}"
            eyes = Eyes(logs=followed, awaited=awaited, by_mac=source.suricata is not None)
        yield SensorSource(eyes, places=book, words=words)


class _Logs:
    """Opens logs to be followed."""

    def __init__(self, folder: Path, *, places: Mapping[str, Place], link_octets: int, held: ExitStack) -> None:
        self._folder = folder
        self._places = places
        self._link_octets = link_octets
        self._held = held

    def zeek(self, folder: str, path: str, *, answers_only: bool = False) -> FollowedLog:
        """Return one log of Zeek in a folder."""
        return self._followed(Path(folder) / f"{path}.log", ZeekLog(), answers_only=answers_only)

    def suricata(self, path: str, *, answers_only: bool = False) -> FollowedLog:
        """Return an EVE log."""
        return self._followed(Path(path), EveLog(link_octets=self._link_octets), answers_only=answers_only)

    def _followed(self, path: Path, log: LineLog, *, answers_only: bool) -> FollowedLog:
        whole = self._folder / path
        file = FollowedFile(whole, place=self._places.get(str(whole)), say=say)
        self._held.callback(file.close)
        if not whole.exists():
            say(f"{whole}: is not there yet; it is read as soon as it is")
        return FollowedLog(file=file, log=log, answers_only=answers_only)


def _netflow(
    settings: Netflow, *, link_octets: int, folder: Path, book: PlaceBook, held: ExitStack
) -> tuple[Eyes, str]:
    host, port = listen_address(settings.listen) or ("", 0)
    listener = held.enter_context(NetflowListener(host, port, exporters=settings.exporters, say=say))
    words = f"NetFlow on {settings.listen}"
    names = settings.dns
    if names is None:
        say("NetFlow carries no names and `netflow.dns` is not given: nearly nothing can be told of what is used")
        return Eyes(netflow=listener), words
    if names.interface is not None:
        tap = held.enter_context(open_capture([names.interface], say=say))
        give_up_rights(folder)
        return Eyes(netflow=listener, tap=tap), f"{words}, with the look-ups on {names.interface}"
    logs = _Logs(folder, places=book.load(), link_octets=link_octets, held=held)
    if names.zeek is not None:
        log, whose = logs.zeek(names.zeek, "dns", answers_only=True), f"{names.zeek}/dns.log"
    else:
        log, whose = logs.suricata(names.suricata or "", answers_only=True), names.suricata or ""
    return Eyes(logs=[log], netflow=listener), f"{words}, with the look-ups in {whose}"
