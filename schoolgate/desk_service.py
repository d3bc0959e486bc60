"""What `schoolgate desk` starts: the web page, the notifier and the metrics, over one store."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics

from collector.flows import COMPILED
from collector.server_tls import server_context
from rules.case_metrics import CaseMetrics, stored_clauses
from rules.district.load import load_district_rules
from rules.findings import RULES
from rules.notify.metrics import NotifyMetrics
from rules.notify.service import Notifier
from rules.store import Store
from schoolgate.configuration import configuration_at, store_address
from schoolgate.configured import rulebook_files
from schoolgate.configured_channels import configured_channels
from schoolgate.configured_desk import desk_server
from schoolgate.due_cases import due_cases_of
from schoolgate.metrics_server import serve_metrics
from schoolgate.own_doors import show_own_doors
from schoolgate.purging import PurgeMetrics, Purger, policy_of
from schoolgate.release import VERSION
from schoolgate.rights import keep_memory_private
from schoolgate.shell import say, tell_warning

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def serve(config: Path, *, listen: str | None) -> None:
    """Serve the desk of *config* until somebody asks to stop.

    Args:
        config: the configuration file.
        listen: HOST:PORT of the metrics, over the configuration.

    Raises:
        DocumentError: a file is wrong.
        StoreError: the store cannot be used.
        DeskListenError: the desk's port is taken.
        EnvironmentFailedError: that of the metrics is.
    """
    keep_memory_private()
    settings = configuration_at(config)
    listen = listen or settings.metrics.listen
    channels = configured_channels(settings, folder=config.parent)
    stop = threading.Event()
    with ExitStack() as ending:
        store = Store(store_address(settings.store, folder=config.parent))
        ending.callback(store.close)
        desk = desk_server(store, settings=settings, folder=config.parent, desk=settings.desk)
        own = load_district_rules(rulebook_files(settings, folder=config.parent).rules)
        registry = _registry(store, rules=(*RULES, *(rule.id for rule in own)))
        metrics = NotifyMetrics(registry)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        signal.signal(signal.SIGHUP, lambda *_: desk.read_again())
        tls = server_context(settings.metrics.tls, folder=config.parent)
        doors = {"metrics": settings.metrics.tls, "desk": settings.desk.tls}
        show_own_doors(registry, doors=doors, folder=config.parent)
        server = serve_metrics(listen, registry=registry, tls=tls)
        ending.callback(server.server_close)
        ending.callback(server.shutdown)
        desk.start()
        ending.callback(desk.stop)
        if channels is not None:
            notifier = Notifier(store, channels=channels, metrics=metrics, say=say)
            notifier.start()
            ending.callback(notifier.stop)
        due = due_cases_of(settings, folder=config.parent, store=store, say=say)
        purger = Purger(store, policy=policy_of(settings), say=say, due=due)
        purger.start()
        ending.callback(purger.stop)
        for warning in desk.warnings:
            tell_warning(str(warning))
        say(desk.welcome)
        say(f"serving {settings.metrics.scheme}://{listen}/metrics until Ctrl-C")
        # The kernel may give a signal to any thread; Python acts on it in this one, when this one next runs.
        while not stop.wait(timeout=0.5):
            pass
    say("stopped as asked")


def _registry(store: Store, *, rules: Iterable[str]) -> CollectorRegistry:
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no hints here
    registry = CollectorRegistry()
    CaseMetrics(registry, rules=rules, store=store, clauses=partial(stored_clauses, store))
    PurgeMetrics(registry, store=store)
    build = Gauge("schoolgate_build_info", "Always 1.", ("version", "compiled"), registry=registry)
    build.labels(version=VERSION, compiled=str(COMPILED).lower()).set(1)
    return registry
