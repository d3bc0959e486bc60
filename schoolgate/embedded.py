"""Capture, rules, case store and metrics in one process: what `run` and `demo` start."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from prometheus_client import CollectorRegistry, disable_created_metrics

from collector.capture import CaptureInput
from collector.flows import COMPILED
from collector.keyfile import DAY_KEYS, KeyFile, KeyFileError
from collector.live_input import LiveInput
from collector.metrics import CollectorMetrics
from collector.overdue_keys import OverdueKeys
from collector.pace import Pace
from collector.periods import Periods
from collector.progress import ReadingBar
from collector.sensor_input import SensorInput
from collector.server_tls import server_context
from collector.watch import KEY_GRACE_NS, KEY_OVERDUE_NS, new_pseudonyms
from rules.case_metrics import CaseMetrics
from rules.day_keys import DayKeys
from rules.metrics import RulesMetrics
from rules.notify.metrics import NotifyMetrics
from rules.notify.service import Notifier
from rules.replay import Hooks, Replay
from rules.rule_metrics import RuleMetrics
from rules.rulebook import RulebookWatch, load_rulebook
from rules.service import EmbeddedService
from rules.store import Store
from schoolgate.configuration import store_address
from schoolgate.configured import rulebook_files
from schoolgate.configured_desk import desk_server
from schoolgate.due_cases import due_cases_of
from schoolgate.inputs import open_input
from schoolgate.listed import listed_names
from schoolgate.metrics_server import serve_metrics
from schoolgate.own_doors import show_own_doors
from schoolgate.purging import PurgeMetrics, Purger, policy_of
from schoolgate.release import VERSION
from schoolgate.releasing import Release, ReleasedFile, ReleasedLive
from schoolgate.shell import new_key, say, tell_warning, today

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import FrameType

    from collector.sources.tap import Tap
    from rules.notify.channels import Channels
    from rules.rulebook import Rulebook
    from rules.settings import Desk
    from schoolgate.configuration import Configuration
    from schoolgate.inputs import Input
    from schoolgate.sensor_source import SensorSource


# A notifier that died a moment ago holds its lease for a while, and a mail server may take its time.
TELL_LIMIT_S = 30.0


class Embedded:
    """Capture, rules, store and metrics in one process.

    Args:
        settings: the configuration.
        folder: where relative paths in it start.
        listen: HOST:PORT of the metrics; None: they are not served.
        channels: who is told of cases; None: nobody.
        desk: the case desk's part of the configuration; None: it is not served.
    """

    def __init__(
        self,
        settings: Configuration,
        *,
        folder: Path,
        listen: str | None,
        channels: Channels | None = None,
        desk: Desk | None = None,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._stop = threading.Event()
        self.wrong_lines = 0
        """Lines of files of events that are no events."""
        where = rulebook_files(settings, folder=folder)
        self._watch = RulebookWatch(where)
        rulebook = load_rulebook(where)
        for warning in rulebook.warnings:
            tell_warning(str(warning))
        self.network = rulebook.network
        self._keys = KeyFile(folder / settings.privacy.key_file)
        keys = self._keys.load()
        # Beside the keys of pseudonyms lie those of the tokens in findings, one a day, destroyed with them.
        self._tokens = DayKeys(
            new_key, keys=_token_keys(keys), agree=lambda day, fresh: self._keys.agree(_token_name(day), fresh)
        )
        keys = {name: key for name, key in keys.items() if not name.startswith(DAY_KEYS.rstrip("/"))}
        self._pseudonyms, self._ring = new_pseudonyms(
            rulebook.network,
            make_key=new_key,
            keys=keys,
            agree=self._keys.agree,
            hours=settings.privacy.pseudonym_hours,
        )
        self._overdue = OverdueKeys(
            self._keys,
            periods=Periods(rulebook.network.time_zone, hours=settings.privacy.pseudonym_hours),
            held_ns=lambda: self._pseudonyms.oldest_key_ns,
            say=say,
        )
        self._release = Release(
            settings.privacy,
            folder=folder,
            network=rulebook.network,
            listed=listed_names(rulebook.agreements, parties=rulebook.parties),
        )
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no hints here
        registry = CollectorRegistry()
        self._collector_metrics = CollectorMetrics(registry)
        self._collector_metrics.follow_keys(lambda: self._overdue.oldest_ns)
        rules_metrics = RulesMetrics(registry, rules=rulebook.rule_ids, version=VERSION, compiled=COMPILED)
        self.store = Store(store_address(settings.store, folder=folder))
        self._service = EmbeddedService(
            store=self.store,
            rulebook=rulebook,
            token_key=self._tokens.of,
            today=today(rulebook.network),
            metrics=rules_metrics,
        )
        CaseMetrics(registry, rules=rulebook.rule_ids, store=self.store, clauses=lambda: self._service.clause_states)
        RuleMetrics(registry, rules=lambda: self._service.rules)
        notify_metrics = NotifyMetrics(registry)
        PurgeMetrics(registry, store=self.store)
        due = due_cases_of(settings, folder=folder, store=self.store, say=say)
        self._purger = Purger(self.store, policy=policy_of(settings), say=say, due=due)
        self._notifier = (
            None if channels is None else Notifier(self.store, channels=channels, metrics=notify_metrics, say=say)
        )
        if settings.privacy.break_glass:
            say("privacy.break_glass: `run` names nobody, for no number of a device leaves it; see docs/break-glass.md")
        self._current: Input | LiveInput | SensorInput | None = None
        self._live: LiveInput | SensorInput | None = None
        self._stop_tap: Callable[[], None] = lambda: None
        hooks = Hooks(say=say, before_commit=self._before_commit, rulebook=self._take_rulebook)
        self._replay = Replay(self._service, store=self.store, watch=self._watch, hooks=hooks)
        self._desk = None if desk is None else desk_server(self.store, settings=settings, folder=folder, desk=desk)
        tls = server_context(settings.metrics.tls, folder=folder)
        doors = {"metrics": settings.metrics.tls, "desk": None if desk is None else desk.tls}
        show_own_doors(registry, doors=doors, folder=folder)
        self._server = serve_metrics(listen, registry=registry, tls=tls) if listen else None
        if self._desk is not None:
            self._desk.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        signal.signal(signal.SIGHUP, self._asked_to_read_again)
        if self._notifier is not None:
            self._notifier.start()
        self._purger.start()

    @property
    def desk_words(self) -> str:
        """Where the case desk is, and how to sign in; empty: it is not served."""
        return self._desk.welcome if self._desk is not None else ""

    @property
    def stopped(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stop.is_set()

    def run(self) -> None:
        """Judge every capture of the configuration."""
        source = self._settings.source
        captures = [str(self._folder / path) for path in (source.capture or ())] if source else []
        speed = source.speed if source else 0.0
        for path in captures:
            self._collector_metrics.next_capture()
            with ReadingBar() as bar:
                capture = self._current = self._open(
                    path, pace=Pace(speed, wait=self._stop.wait) if speed else None, bar=bar
                )
                released = ReleasedFile(
                    capture,
                    ahead=partial(self._open, path, pace=None, bar=bar),
                    release=self._release,
                    stopped=self._stop.is_set,
                )
                done = self._replay.take(released)
                capture.close()
            tell_warning(capture.warning)
            self.wrong_lines += capture.wrong_lines
            if not done:
                say("stopped as asked; what was judged is kept, and the next run goes on from there")
                return
        # Nothing of a past day comes any more: its keys are destroyed, and its pseudonyms mean nothing from now on.
        now_ns = _now_ns()
        closed = self._destroy_keys_before(now_ns)
        self._before_commit()
        self._overdue.destroy(now_ns)
        if closed:
            self._service.commit(None)

    def follow(self, tap: Tap[Any]) -> None:
        """Judge what passes by on live interfaces until somebody asks to stop."""
        live = LiveInput(
            tap,
            sensor=self._settings.sensor,
            network=self.network,
            pseudonyms=self._pseudonyms,
            show=self._tend,
        )
        self._destroy_overdue_keys()
        self._current = self._live = live
        self._stop_tap = tap.stop
        if not self.stopped:
            self._replay.follow(ReleasedLive(live, release=self._release))

    def follow_sensor(self, source: SensorSource) -> None:
        """Judge what another sensor tells until somebody asks to stop."""
        live = source.input(self._settings, network=self.network, pseudonyms=self._pseudonyms, show=self._tend)
        self._destroy_overdue_keys()
        self._current = self._live = live
        self._stop_tap = live.stop
        if not self.stopped:
            self._replay.follow(ReleasedLive(live, release=self._release))
            live.settle()

    def tell(self) -> None:
        """Wait until all that is due has been told, and say what could not be."""
        if self._notifier is None or self.stopped:
            return
        for left in self._notifier.finish(limit_s=TELL_LIMIT_S, unless=lambda: self.stopped):
            why = f" ({left.reason})" if left.reason else ""
            say(f"{left.name}: {left.count} not told{why}; it stays in the store until a `run` or `desk` can tell it")

    def serve(self) -> None:
        """Serve until somebody asks to stop."""
        while not self._stop.wait(timeout=0.5):
            self._replay.look()
            if self._let_go():
                self._service.commit(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let everything go."""
        if self._desk is not None:
            self._desk.stop()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._notifier is not None:
            self._notifier.stop()
        self._purger.stop()
        self.store.close()

    def _before_commit(self) -> None:
        self._let_go()
        if self._live is not None:
            # A flow belongs to the day on which it began; an hour after that day its last parts have come.
            self._destroy_keys_before(self._live.reached_ns - KEY_GRACE_NS)
        self._show_capture()
        if self._ring.changed or self._tokens.changed:
            self._keys.save({*self._ring.snapshot(), *map(_token_name, self._tokens.snapshot())})

    def _let_go(self) -> bool:
        """Drop from memory what was let go in the store; return whether there was anything."""
        days = self._purger.take_days()
        if days:
            self._service.let_go(days)
        return bool(days)

    def _show_capture(self) -> None:
        if self._current is not None:
            self._collector_metrics.capture(packets=self._current.packets, dropped=self._current.dropped)
        if isinstance(self._current, CaptureInput | LiveInput):
            self._collector_metrics.openings(self._current.affected)
        if isinstance(self._current, LiveInput):
            self._collector_metrics.tables(self._current.tables)
        if isinstance(self._current, SensorInput):
            self._collector_metrics.sensor(self._current.losses)
        self._collector_metrics.release(self._release.rule.counters, names=self._release.rule.names)

    def _open(self, path: str, *, pace: Pace | None, bar: ReadingBar) -> Input:
        return open_input(
            path,
            sensor=self._settings.sensor,
            network=self.network,
            pseudonyms=self._pseudonyms,
            pace=pace,
            show=bar.show,
        )

    def _tend(self) -> None:
        """Do what must be done twice a second, events or none: a key is destroyed in a quiet night as well."""
        oldest = self._pseudonyms.oldest_key_ns
        if self._live is not None and oldest is not None:
            at_ns = self._live.reached_ns - KEY_GRACE_NS
            if self._pseudonyms.end_ns(oldest) <= at_ns and self._destroy_keys_before(at_ns):
                self._before_commit()
                self._service.commit(None)
        self._before_commit()
        self._overdue.destroy(_now_ns())

    def _destroy_overdue_keys(self) -> None:
        """Destroy at start what a run that was ended before its time has left."""
        closed = self._destroy_keys_before(_now_ns() - KEY_OVERDUE_NS)
        self._before_commit()
        if closed:
            self._service.commit(None)

    def _destroy_keys_before(self, at_ns: int) -> bool:
        """Destroy keys of days that are over; return whether contacts became counts by it."""
        self._pseudonyms.forget_before(at_ns)
        self._release.rule.forget_before(at_ns)
        # Without its pseudonym's key a device cannot be known again on that day, whatever comes.
        day = datetime.fromtimestamp(at_ns // 1_000_000_000, tz=self.network.time_zone).date()
        closed = self._service.close_before(day)
        self._tokens.destroy_before(day)
        return closed

    def _take_rulebook(self, rulebook: Rulebook) -> None:
        for warning in rulebook.warnings:
            tell_warning(str(warning))
        self.network = rulebook.network
        self._release.use(listed_names(rulebook.agreements, parties=rulebook.parties))
        if self._current is not None:
            self._current.use_network(rulebook.network)

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()
        self._replay.stopping = True
        self._stop_tap()

    def _asked_to_read_again(self, _number: int, _frame: FrameType | None) -> None:
        self._watch.ask()


def _now_ns() -> int:
    return int(datetime.now(UTC).timestamp()) * 1_000_000_000


def _token_name(day: date) -> str:
    return f"{DAY_KEYS}{day.isoformat()}"


def _token_keys(keys: Mapping[str, bytes]) -> dict[date, bytes]:
    tokens = {name.removeprefix(DAY_KEYS): key for name, key in keys.items() if name.startswith(DAY_KEYS)}
    try:
        return {date.fromisoformat(day): key for day, key in tokens.items()}
    except ValueError as error:
        raise KeyFileError(f"the key file holds a key of no day ({error}); remove it to start new keys") from error
