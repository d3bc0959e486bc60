"""The page that Prometheus reads: `/metrics` on one address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import start_http_server

from collector.documents import DocumentError, Problem
from schoolgate.shell import EnvironmentFailedError

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

    from prometheus_client import CollectorRegistry


def serve_metrics(listen: str, *, registry: CollectorRegistry) -> WSGIServer:
    """Serve /metrics on HOST:PORT.

    Raises:
        EnvironmentFailedError: the port is taken or not ours.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise DocumentError(
            [Problem(path="--metrics", line=1, what=f"`{listen}` is no HOST:PORT", remedy="write 127.0.0.1:9464")]
        )
    try:
        server, _thread = start_http_server(int(port), addr=host, registry=registry)
    except (OSError, OverflowError) as error:
        raise EnvironmentFailedError(
            f"cannot serve metrics on {listen} ({error}); choose another with --metrics"
        ) from error
    return server
