"""The notifier's threads: one sender at a time, no channel waits for another, and nothing is told before the log."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from rules.notify.channels import open_channels
from rules.notify.metrics import NotifyMetrics
from rules.notify.service import Notifier
from rules.settings import Notify
from rules.store import Store
from tests.parts.mail_sink import MailSink
from tests.parts.ports import free_ports
from tests.rules.told_cases import PLACE, Cases
from tests.system.product import until

OFFICER = "privacy@district.example"


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSink]:
    own = MailSink(tmp_path_factory.mktemp("mail"))
    yield own
    own.kill()


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port on which somebody takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


class Service:
    """A notifier of its own over a store of its own connection, as another process would have it."""

    def __init__(self, address: str, notify: dict[str, Any], *, folder: Path) -> None:
        self.store = Store(address)
        self.registry = CollectorRegistry()
        self.said: list[str] = []
        channels = open_channels(Notify.model_validate(notify), folder=folder, place=PLACE)
        metrics = NotifyMetrics(self.registry)
        self.notifier = Notifier(self.store, channels=channels, metrics=metrics, say=self.said.append, lease_s=4)

    def pending(self) -> float:
        return self.registry.get_sample_value("schoolgate_pending_notifications") or 0.0

    def end(self) -> None:
        self.notifier.stop()
        self.store.close()


@pytest.fixture
def start(store_address: str, tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], Service]]:
    services: list[Service] = []

    def begin(notify: dict[str, Any]) -> Service:
        services.append(Service(store_address, notify, folder=tmp_path))
        services[-1].notifier.start()
        return services[-1]

    yield begin
    for service in services:
        service.end()


def mail(sink: MailSink, *to: str) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": sink.port, "sender": "schoolgate@district.example", "to": list(to)}


def test_of_two_notifiers_one_tells_and_the_other_goes_on_when_it_ends(
    start: Callable[[dict[str, Any]], Service], sink: MailSink, store_address: str
) -> None:
    to = f"two-{store_address[:4]}@district.example"
    first, second = start({"mail": mail(sink, to)}), start({"mail": mail(sink, to)})
    cases = Cases(first.store)
    for number in range(4):
        cases.keep(f"a{number}")
    assert first.notifier.finish(limit_s=60) == []
    first.notifier.stop()
    cases.keep("b")
    assert second.notifier.finish(limit_s=60) == []
    told = [str(each["X-Schoolgate-Case"]) for each in sink.mails(to=to)]
    assert sorted(told) == ["a0", "a1", "a2", "a3", "b"]


def test_a_channel_that_hangs_and_one_that_is_away_keep_nothing_back(
    start: Callable[[dict[str, Any]], Service], sink: MailSink, deaf: int, store_address: str
) -> None:
    to = f"others-{store_address[:4]}@district.example"
    (nobody,) = free_ports(1)
    away = [f"http://127.0.0.1:{deaf}/hangs", f"http://127.0.0.1:{nobody}/away"]
    service = start({"mail": mail(sink, to), "webhook": away, "alertmanager": [f"http://127.0.0.1:{nobody}"]})
    Cases(service.store).keep("c")
    until(lambda: len(sink.mails(to=to)) == 1, what="the mail")
    until(lambda: service.pending() == 3, what="what is pending in the metric")
    until(lambda: sum("refused" in line for line in service.said) == 2, what="the reasons")
    left = {one.name.partition(":")[0]: one for one in service.notifier.pending()}
    assert set(left) == {"webhook", "alertmanager"}
    assert "refused" in left["alertmanager"].reason
    began = time.monotonic()
    service.notifier.stop()
    assert time.monotonic() - began < 8


def test_a_store_that_is_away_for_a_while_is_told_once_and_nothing_is_lost(
    start: Callable[[dict[str, Any]], Service], sink: MailSink, store_address: str
) -> None:
    to = f"away-{store_address[:4]}@district.example"
    service = start({"mail": mail(sink, to)})
    assert service.notifier.finish(limit_s=60) == []
    rename(service.store, "outbox", "away")
    Cases(service.store).keep("c")
    until(lambda: bool(service.said), what="the complaint")
    rename(service.store, "away", "outbox")
    until(lambda: len(sink.mails(to=to)) == 1, what="the mail")
    assert all("nothing is lost" in line for line in service.said)


def rename(store: Store, old: str, new: str) -> None:
    with store.database.writing() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")


def test_threads_end_with_the_notifier(start: Callable[[dict[str, Any]], Service], sink: MailSink) -> None:
    service = start({"mail": mail(sink, OFFICER)})
    assert service.notifier.finish(limit_s=60) == []
    names = {thread.name for thread in threading.enumerate()}
    assert {"notifier", f"mail:{OFFICER}"} <= names
    service.notifier.stop()
    assert not {"notifier", f"mail:{OFFICER}"} & {thread.name for thread in threading.enumerate()}
