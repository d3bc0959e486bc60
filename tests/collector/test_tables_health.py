"""What the doctor says of full tables and rings: what the metrics of a collector that runs say, and no more."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry, Gauge

from collector.health.tables import tables
from collector.metrics import CollectorMetrics
from collector.tables import Tables
from schoolgate.metrics_server import serve_metrics
from tests.parts.ports import free_ports


@contextmanager
def served(registry: CollectorRegistry) -> Iterator[str]:
    (port,) = free_ports(1)
    listen = f"127.0.0.1:{port}"
    server = serve_metrics(listen, registry=registry)
    try:
        yield listen
    finally:
        server.shutdown()
        server.server_close()


def told(*, flows: int = 0, overflows: dict[str, int] | None = None, lost: int = 0) -> list[tuple[str, str]]:
    """Return what is said of a collector with room for 100 flows."""
    registry = CollectorRegistry()
    metrics = CollectorMetrics(registry)
    metrics.tables(Tables(flows=flows, flows_capacity=100, overflows=overflows or {}))
    metrics.capture(packets=1_000, dropped={"kernel": lost} if lost else {})
    with served(registry) as listen:
        return [(outcome.state, outcome.what) for outcome in tables(listen)]


def test_a_collector_with_room_is_well() -> None:
    said = "12% of the room for open flows is taken; nothing was let go since the start"
    assert told(flows=12) == [("ok", said)]


def test_a_table_that_is_nearly_full_was_full_and_a_full_ring_are_each_told() -> None:
    assert told(flows=89)[0][0] == "ok"
    assert told(flows=90) == [("warning", "90% of the room for open flows is taken")]
    assert told(overflows={"macs": 3, "answers": 1_200}) == [
        ("warning", "tables were full since the start and let go: answers 1,200, macs 3")
    ]
    assert told(lost=2_048) == [("warning", "the rings were full since the start, and 2,048 packets lost")]
    assert len(told(flows=100, overflows={"flows": 1}, lost=1)) == 3


def test_where_no_collector_runs_nothing_is_known() -> None:
    (port,) = free_ports(1)
    (away,) = tables(f"127.0.0.1:{port}")
    assert away.state == "not applicable"
    assert away.what.startswith(f"no collector tells of itself at 127.0.0.1:{port} (")
    registry = CollectorRegistry()
    Gauge("other", "Of something else.", registry=registry).set(1)
    with served(registry) as listen:
        assert [outcome.what for outcome in tables(listen)] == [f"what answers at {listen} is no collector"]


@pytest.mark.parametrize("words", [b"SSH-2.0-other\r\n", b"HTTP/1.1 200 OK\r\n\r\nlist{of{other words\n"])
def test_what_speaks_otherwise_is_no_collector_and_no_fault(words: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(words)

        speaker = threading.Thread(target=answer)
        speaker.start()
        (outcome,) = tables(f"127.0.0.1:{server.getsockname()[1]}")
        speaker.join()
    assert outcome.state == "not applicable"
    assert outcome.what.startswith("no collector tells of itself at ")
