"""What metrics tell of the doors that we open: when the certificates end that they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Gauge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from collector.server_tls import ServerTls


def show_own_doors(registry: CollectorRegistry, *, doors: Mapping[str, ServerTls | None], folder: Path) -> None:
    """Let metrics tell when the certificates end that our own doors show; they are read once, as the doors do.

    Args:
        registry: where they are registered.
        doors: name of a door -> what it shows; None: it speaks no TLS and has no series.
        folder: where relative paths start.
    """
    ends = certificate_ends(registry)
    for door, tls in doors.items():
        if tls is not None:
            from collector.certificates import valid_until  # noqa: PLC0415 -- few need it, and it is large

            ends.labels(source=door).set(valid_until(folder / tls.certificate).timestamp())


def certificate_ends(registry: CollectorRegistry) -> Gauge:
    """Return the gauge of when certificates end, by door, in seconds since 1970."""
    return Gauge(
        "schoolgate_certificate_expiry_timestamp_seconds",
        "When the certificate ends that a door of ours shows.",
        ("source",),
        registry=registry,
    )
