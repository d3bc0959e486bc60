"""Metrics say when the certificates of our own doors end, and nothing of doors that speak no TLS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from collector.server_tls import ServerTls
from schoolgate.own_doors import show_own_doors
from tests.parts.certificates import Authority


def test_each_door_with_a_certificate_has_a_series(tmp_path: Path) -> None:
    path = Authority("ours", folder=tmp_path).issue("own", ends=timedelta(days=40))
    registry = CollectorRegistry()
    show_own_doors(registry, doors={"metrics": ServerTls(certificate=path.name), "desk": None}, folder=tmp_path)
    (family,) = registry.collect()
    (sample,) = family.samples
    assert (sample.name, sample.labels) == (
        "schoolgate_certificate_expiry_timestamp_seconds", {"source": "metrics"},
    )  # fmt: skip
    left = datetime.fromtimestamp(sample.value, tz=UTC) - datetime.now(UTC)
    assert timedelta(days=39, hours=23) < left <= timedelta(days=40)
