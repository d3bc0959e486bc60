"""Captures or live interfaces to Kafka, with a durable spool in between: what `schoolgate collect` starts."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from prometheus_client import CollectorRegistry, disable_created_metrics

from collector.brokers import BrokerError, connection
from collector.capture import CaptureInput
from collector.collect import Filler, FillHooks, NetworkFile
from collector.documents import DocumentError, Problem
from collector.flows import COMPILED
from collector.kafka import Delivery, DeliveryHooks
from collector.keyfile import KeyFile
from collector.live_input import LiveInput
from collector.metrics import CollectorMetrics, DeliveryMetrics
from collector.overdue_keys import OverdueKeys
from collector.pace import Pace
from collector.periods import Periods
from collector.progress import ReadingBar
from collector.sensor_input import SensorInput
from collector.server_tls import server_context
from collector.sources.errors import TapError
from collector.sources.tap import open_tap
from collector.spool import Spool
from collector.spool_file import SpoolError
from collector.watch import KEY_GRACE_NS, KEY_OVERDUE_NS, new_pseudonyms
from schoolgate.configuration import configuration_at
from schoolgate.configured import rulebook_files
from schoolgate.glass_socket import open_door
from schoolgate.inputs import open_input
from schoolgate.listed import ListedFiles
from schoolgate.metrics_server import serve_metrics
from schoolgate.own_doors import show_own_doors
from schoolgate.release import VERSION
from schoolgate.releasing import ListedWatch, Release, ReleasedFile, ReleasedLive, prepare_release
from schoolgate.rights import give_up_rights, give_up_system_calls, keep_memory_private
from schoolgate.sensor_source import SensorSource, open_sensor
from schoolgate.shell import EnvironmentFailedError, Exit, new_key, say, tell_warning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from collector.brokers import Connection
    from collector.sources.tap import Tap
    from schoolgate.configuration import Configuration
    from schoolgate.inputs import Input

# Asked to stop, it hands over what it can in this time; the rest waits in the spool for the next start.
GRACE_S = 10.0


def collect(config: Path, *, listen: str | None) -> Exit:
    """Do what `schoolgate collect` does, and return how it ends.

    Args:
        config: the configuration file.
        listen: HOST:PORT of the metrics, over the configuration.

    Raises:
        DocumentError: a file is wrong.
        EnvironmentFailedError: spool, broker, port or rights are not as they must be.
    """
    keep_memory_private()
    settings = configuration_at(config)
    source = settings.source
    if source is None:
        what, remedy = "`source` is missing", "write source: {interface: eth1} or source: {capture: [day.pcap]}"
        raise DocumentError([Problem(path=str(config), line=1, what=what, remedy=remedy)])
    network = NetworkFile(config.parent / settings.network, off_schools=settings.privacy.off_schools)
    listed = ListedFiles(rulebook_files(settings, folder=config.parent))
    tell_warning(listed.warning)
    prepare_release()
    broker = connection(settings.kafka, config=config)
    with ExitStack() as held:
        tap: Tap[Any] | SensorSource | None = None
        if source.interface is not None:
            names = [source.interface] if isinstance(source.interface, str) else source.interface
            tap = held.enter_context(open_tap(names, processes=source.processes, say=say))
            give_up_rights(config.parent)
            tap.start(confine=partial(give_up_system_calls, settings.hardening))
        elif source.is_sensor:
            tap = held.enter_context(open_sensor(source, folder=config.parent))
        give_up_system_calls(settings.hardening)
        try:
            with Collector(settings, folder=config.parent, network=network, listed=listed, listen=listen) as collector:
                asyncio.run(collector.run(broker, tap=tap))
                return Exit.WRONG_INPUT if collector.wrong_lines else Exit.DONE
        except (SpoolError, BrokerError) as error:
            raise EnvironmentFailedError(str(error)) from error


class Collector:
    """Everything of one `collect`: spool, keys, metrics, and the two that fill and empty the spool.

    Args:
        settings: the configuration.
        folder: where relative paths in it start.
        network: the network file.
        listed: the names that may leave whole.
        listen: HOST:PORT of the metrics, over the configuration.
    """

    def __init__(
        self,
        settings: Configuration,
        *,
        folder: Path,
        network: NetworkFile,
        listed: ListedFiles,
        listen: str | None,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._network = network
        self._listed = listed
        self._release = Release(settings.privacy, folder=folder, network=network.network, listed=listed.names)
        self._names = ListedWatch(listed, release=self._release, say=say)
        self._held = ExitStack()
        self._stop = threading.Event()
        self._stop_tap: Callable[[], None] = lambda: None
        self.wrong_lines = 0
        """Lines of files of events that are no events."""
        self._current: Input | LiveInput | SensorInput | None = None
        # Keys of tokens belong to `run`, which may share the file.
        self._keys = KeyFile(folder / settings.privacy.key_file, mine=lambda name: not name.startswith("token"))
        self._pseudonyms, self._ring = new_pseudonyms(
            network.network,
            make_key=new_key,
            keys=self._keys.load(),
            agree=self._keys.agree,
            hours=settings.privacy.pseudonym_hours,
        )
        self._overdue = OverdueKeys(
            self._keys,
            periods=Periods(network.network.time_zone, hours=settings.privacy.pseudonym_hours),
            held_ns=lambda: self._pseudonyms.oldest_key_ns,
            say=say,
        )
        self._spool = self._held.enter_context(self._open_spool())
        self._spool.expire()
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no hints here
        registry = CollectorRegistry()
        self._capture_metrics = CollectorMetrics(registry)
        self._capture_metrics.follow_keys(lambda: self._overdue.oldest_ns)
        self._metrics = DeliveryMetrics(
            registry,
            spooled=lambda: self._spool.events,
            dropped=lambda: self._spool.dropped_events,
            version=VERSION,
            compiled=COMPILED,
        )
        tls = server_context(settings.metrics.tls, folder=folder)
        show_own_doors(registry, doors={"metrics": settings.metrics.tls}, folder=folder)
        server = serve_metrics(listen or settings.metrics.listen, registry=registry, tls=tls)
        self._held.callback(server.server_close)
        self._held.callback(server.shutdown)
        if settings.privacy.break_glass:
            door = open_door(
                settings.privacy.break_glass,
                folder=folder,
                network=lambda: network.network,
                pseudonyms=self._pseudonyms,
                registry=registry,
            )
            self._held.callback(door.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let everything go."""
        self._held.close()

    async def run(self, broker: Connection, *, tap: Tap[Any] | SensorSource | None) -> None:
        """Fill the spool and empty it; return when nothing comes any more and the broker has everything, or when asked.

        Raises:
            BrokerRefusedError: the broker does not let us in.
            SpoolError: the disk of the spool failed.
        """
        loop = asyncio.get_running_loop()
        asked = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop, asked)
        loop.add_signal_handler(signal.SIGHUP, self._asked_to_read_again)
        delivery = Delivery(
            self._spool,
            to=broker,
            collector=self._settings.sensor,
            hooks=DeliveryHooks(say=say, delivered=self._metrics.delivered),
        )
        sending = asyncio.create_task(delivery.run())
        filling = asyncio.create_task(asyncio.to_thread(self._fill, tap))
        try:
            await asyncio.wait({filling, sending}, return_when=asyncio.FIRST_COMPLETED)
            self._raise_fault(sending)
            await filling
            delivery.finish()
            await self._until_sent(sending, asked=asked)
        finally:
            self._asked_to_stop(asked)
            await asyncio.wait({filling})
            sending.cancel()
            await heard(filling, sending)
        if self._spool.events:
            say(f"stopped as asked; {self._spool.events:,} events wait in the spool for the next start")

    async def _until_sent(self, sending: asyncio.Task[None], *, asked: asyncio.Event) -> None:
        waiting = asyncio.create_task(asked.wait())
        await asyncio.wait({sending, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not sending.done():
            await asyncio.wait({sending}, timeout=GRACE_S)
        self._raise_fault(sending)

    def _raise_fault(self, sending: asyncio.Task[None]) -> None:
        if sending.done():
            sending.result()

    def _open_spool(self) -> Spool:
        spool, source = self._settings.spool, self._settings.source
        # A file does not run away: reading waits for the broker, and nothing of it is ever dropped.
        waits = source is not None and (source.interface or source.netflow) is None
        return Spool(
            self._folder / spool.path,
            max_bytes=spool.max_bytes,
            when_full="stop" if waits else spool.when_full,
            origin=int(datetime.now(UTC).timestamp() * 1_000_000),
            keep_s=self._settings.privacy.flow_retention_hours * 3600.0,
        )

    def _fill(self, tap: Tap[Any] | SensorSource | None) -> None:
        hooks = FillHooks(say=say, before_append=self._before_append)
        filler = Filler(self._spool, stop=self._stop, network=self._network, hooks=hooks)
        if isinstance(tap, SensorSource):
            self._follow_sensor(tap, filler=filler)
        elif tap is not None:
            self._follow(tap, filler=filler)
        else:
            self._read(filler)

    def _follow(self, tap: Tap[Any], *, filler: Filler) -> None:
        live = LiveInput(
            tap,
            sensor=self._settings.sensor,
            network=self._network.network,
            pseudonyms=self._pseudonyms,
            show=self._tend,
        )
        self._destroy_overdue_keys()
        self._current, self._stop_tap = live, tap.stop
        say("collecting until Ctrl-C")
        if not self._stop.is_set():
            filler.follow(ReleasedLive(live, release=self._release, look=self._names.look))
        if tap.fault:
            raise TapError(tap.fault)

    def _follow_sensor(self, source: SensorSource, *, filler: Filler) -> None:
        live = source.input(self._settings, network=self._network.network, pseudonyms=self._pseudonyms, show=self._tend)
        self._destroy_overdue_keys()
        self._current, self._stop_tap = live, live.stop
        say(f"collecting from {source.words} until Ctrl-C")
        # What the spool did not take is read again at the next start.
        released = ReleasedLive(live, release=self._release, look=self._names.look)
        if not self._stop.is_set() and filler.follow(released):
            live.settle()

    def _read(self, filler: Filler) -> None:
        source = self._settings.source
        speed = source.speed if source else 0.0
        for path in (source.capture or ()) if source else ():
            self._capture_metrics.next_capture()
            with ReadingBar() as bar:
                capture = self._current = self._open(
                    path, pace=Pace(speed, wait=self._stop.wait) if speed else None, bar=bar
                )
                released = ReleasedFile(
                    capture,
                    ahead=partial(self._open, path, pace=None, bar=bar),
                    release=self._release,
                    stopped=self._stop.is_set,
                    look=self._names.look,
                )
                try:
                    done = filler.take(released)
                finally:
                    capture.close()
            tell_warning(capture.warning)
            self.wrong_lines += capture.wrong_lines
            if not done:
                say("stopped as asked; the next run goes on with this capture")
                return
        # Nothing of a past day comes any more: its keys are destroyed, and its pseudonyms mean nothing from now on.
        now_ns = _now_ns()
        self._pseudonyms.forget_before(now_ns)
        self._before_append()
        self._overdue.destroy(now_ns)

    def _open(self, path: str, *, pace: Pace | None, bar: ReadingBar) -> Input:
        return open_input(
            str(self._folder / path),
            sensor=self._settings.sensor,
            network=self._network.network,
            pseudonyms=self._pseudonyms,
            pace=pace,
            show=bar.show,
        )

    def _before_append(self) -> None:
        current = self._current
        if isinstance(current, LiveInput | SensorInput):
            # A flow belongs to the day on which it began; an hour after that day its last parts have come.
            self._pseudonyms.forget_before(current.reached_ns - KEY_GRACE_NS)
            self._release.rule.forget_before(current.reached_ns - KEY_GRACE_NS)
        self._show_capture()
        self._save_keys()

    def _destroy_overdue_keys(self) -> None:
        """Destroy at start what a run that was ended before its time has left."""
        self._pseudonyms.forget_before(_now_ns() - KEY_OVERDUE_NS)
        self._save_keys()

    def _save_keys(self) -> None:
        if self._ring.changed:
            self._keys.save(self._ring.snapshot())

    def _tend(self) -> None:
        """Do what must be done twice a second, events or none: a key is destroyed in a quiet night as well."""
        self._before_append()
        self._overdue.destroy(_now_ns())

    def _show_capture(self) -> None:
        if self._current is not None:
            self._capture_metrics.capture(packets=self._current.packets, dropped=self._current.dropped)
        if isinstance(self._current, CaptureInput | LiveInput):
            self._capture_metrics.openings(self._current.affected)
        if isinstance(self._current, LiveInput):
            self._capture_metrics.tables(self._current.tables)
        if isinstance(self._current, SensorInput):
            self._capture_metrics.sensor(self._current.losses)
        self._capture_metrics.release(self._release.rule.counters, names=self._release.rule.names)

    def _asked_to_read_again(self) -> None:
        self._network.ask()
        self._listed.ask()

    def _asked_to_stop(self, asked: asyncio.Event) -> None:
        asked.set()
        self._stop.set()
        self._stop_tap()


def _now_ns() -> int:
    return int(datetime.now(UTC).timestamp()) * 1_000_000_000


async def heard(*tasks: asyncio.Task[None]) -> None:
    """Wait until all have ended, and take note of how.

    A disk that is full fails whoever fills and whoever sends at once: one error is told, and the other would come out
    as a traceback.
    """
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()
