"""The page that Prometheus reads: `/metrics` on one address."""

from __future__ import annotations

import socket
import sys
import threading
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app, start_http_server

from collector.documents import DocumentError, Problem
from schoolgate.shell import EnvironmentFailedError

if TYPE_CHECKING:
    import ssl

    from prometheus_client import CollectorRegistry

SILENT_S: Final = 10.0
"""Seconds after which a client that says nothing is hung up on."""


def serve_metrics(listen: str, *, registry: CollectorRegistry, tls: ssl.SSLContext | None = None) -> WSGIServer:
    """Serve /metrics on HOST:PORT.

    Args:
        listen: HOST:PORT.
        registry: what is told.
        tls: our certificate; None: over HTTP.

    Raises:
        EnvironmentFailedError: the port is taken or not ours.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise DocumentError(
            [Problem(path="--metrics", line=1, what=f"`{listen}` is no HOST:PORT", remedy="write 127.0.0.1:9464")]
        )
    try:
        if tls is not None:
            return _serve_by_tls(host, port=int(port), registry=registry, tls=tls)
        server, _thread = start_http_server(int(port), addr=host, registry=registry)
    except (OSError, OverflowError) as error:
        raise EnvironmentFailedError(
            f"cannot serve metrics on {listen} ({error}); choose another with --metrics"
        ) from error
    return server


# Not by the library's own `certfile`: it shakes hands in the thread that accepts, so that one client which connects and
# says nothing would keep everybody else from the page for good.
def _serve_by_tls(host: str, *, port: int, registry: CollectorRegistry, tls: ssl.SSLContext) -> WSGIServer:
    kind = _Server6 if ":" in host else _Server
    server = make_server(host.strip("[]"), port, make_wsgi_app(registry), kind, handler_class=_Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Who breaks off or trusts somebody else is no news; whatever else it is, is ours.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = SILENT_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the library's name
        """Say nothing: every scrape would be a line."""
