"""A web server for the tests: takes what is posted, and answers as the path says.

`/status/503` answers 503, `/redirect` points to `/elsewhere`, everything else answers 200.
"""

from __future__ import annotations

import argparse
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.parts.sink import Sink, keep

if TYPE_CHECKING:
    from collections.abc import Sequence


class WebSink(Sink):
    """A web server.

    Args:
        folder: gets what it prints and what it takes.
        certificate: PEM file with key and chain; None: plain HTTP.
    """

    def __init__(self, folder: Path, *, certificate: Path | None = None) -> None:
        options = ["--certificate", str(certificate)] if certificate else []
        super().__init__("tests.parts.web_sink", folder=folder, options=options)
        self.address = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"

    def posts(self) -> list[dict[str, Any]]:
        """Return what was posted, the oldest first: `path`, `headers` (lower case), `body` as text, `at`."""
        return self.taken()


def _handler(box: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            told = {"path": self.path, "headers": headers, "body": body, "at": time.time()}
            keep(box, told)
            status = 302 if self.path == "/redirect" else 200
            if self.path.startswith("/status/"):
                status = int(self.path.rpartition("/")[2])
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


def main(words: Sequence[str]) -> None:
    """Serve until killed."""
    told = argparse.ArgumentParser()
    told.add_argument("--port", type=int, required=True)
    told.add_argument("--box", required=True)
    told.add_argument("--certificate", default="")
    asked = told.parse_args(words)
    server = ThreadingHTTPServer(("127.0.0.1", asked.port), _handler(Path(asked.box)))
    if asked.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(asked.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
