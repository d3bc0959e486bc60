"""A web server for the tests: writes what is posted into a file, and answers as the path says.

`/status/503` answers 503, `/redirect` points to `/elsewhere`, everything else answers 200. It is a process of its own,
so that a test can kill it. `python -m tests.parts.web_sink OPTIONS` is that process.
"""

from __future__ import annotations

import argparse
import json
import socket
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.parts.ports import free_ports
from tests.parts.program import Program

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE_S = 60.0


class WebSink:
    """A web server on a port of its own that can be ended and started again.

    Args:
        folder: gets what it prints and what it takes.
        certificate: PEM file with key and chain; None: plain HTTP.
    """

    def __init__(self, folder: Path, *, certificate: Path | None = None) -> None:
        folder.mkdir(exist_ok=True)
        (self.port,) = free_ports(1)
        self.address = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self._box = folder / "posts.jsonl"
        self._log = folder / "web-sink.log"
        self._options = ["--port", str(self.port), "--box", str(self._box)]
        self._options += ["--certificate", str(certificate)] if certificate else []
        self._program: Program | None = None
        self.start()

    def start(self) -> None:
        """Start it, and return when it listens."""
        self._program = Program([sys.executable, "-m", "tests.parts.web_sink", *self._options], log=self._log)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self._program.alive, self._log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, "the web server did not start"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once."""
        if self._program is not None:
            self._program.kill()

    def posts(self) -> list[dict[str, Any]]:
        """Return what was posted, the oldest first: `path`, `headers` (lower case), `body` as text, `at`."""
        if not self._box.exists():
            return []
        whole, _, _torn = self._box.read_text(encoding="utf-8").rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]


def _handler(box: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            told = {"path": self.path, "headers": headers, "body": body, "at": time.time()}
            with box.open("a", encoding="utf-8") as out:
                out.write(json.dumps(told) + "\n")
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
