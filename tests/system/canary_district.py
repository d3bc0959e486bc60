"""The sample district on the day of `tests.parts.canary_day`, with every part of the product at work around it.

Both ways, embedded and through Kafka, each with a desk, a mail server, a webhook and an Alertmanager's address, and all
that can be exported afterwards. What was written or served on either way is `evidence` for whoever looks for leaks.
"""

from __future__ import annotations

import asyncio
import gzip
import html
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from rules.desk.accounts import Account, hashed, save_accounts
from rules.store import Store
from tests.parts.broker import KafkaBroker
from tests.parts.canary_day import planted, write_capture
from tests.parts.leak_search import contents_of, opened
from tests.parts.mail_sink import MailSink
from tests.parts.patience import PATIENCE_S
from tests.parts.program import Program
from tests.parts.sealed_pieces import SealedPieces
from tests.system.desk_visitor import CHEAP, PASSWORD, ROLES, Visitor
from tests.system.product import CAPTURE, command, copy_district, free_port, report_now, schoolgate, scrape

INPUTS = frozenset({"day.pcap.gz"})
"""Files of the district that it brings itself: what is in them has not leaked."""
OFFICER = "privacy@district.example"
MOST_LISTINGS = 20
LOOK_S = 0.1
"""How often we look whether something has come: each look costs as much as a page."""
EXPORTS: tuple[tuple[str, ...], ...] = (
    ("cases", "list"), ("cases", "list", "--json"), ("cases", "verify"), ("cases", "export", "--hosts"),
    ("cases", "export", "--out", "pack.zip"), ("cases", "export", "--hosts", "--out", "hosts.zip"),
    ("cases", "export", "--annual", "2026", "--out", "annual.zip"),
    ("cases", "export", "--oversight", "--key", "key.pem", "--out", "oversight.zip"),
    ("store", "backup", "store.backup"), ("privacy", "report"), ("doctor",),
)  # fmt: skip
"""Everything that leaves the store by the command line; what the product does not know yet only says so."""


def until(holds: Callable[[], bool], *, what: str) -> None:
    """Wait until *holds*, and fail when it does not in time."""
    deadline = time.monotonic() + 2 * PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(3 * LOOK_S)


class Listener:
    """Takes what a webhook and an Alertmanager are sent, and answers as an Alertmanager that knows of no silence."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        taken = self.taken

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(b'{"uptime":"2026-01-01T00:00:00Z"}' if self.path.endswith("/status") else b"[]")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                taken.append(f"{self.path}\n{self.headers}".encode() + body)
                self._answer(b"{}")

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Take nothing more."""
        self._server.shutdown()
        self._server.server_close()

    def hooked(self) -> set[str]:
        """Return the ids of the cases of which the webhook was told."""
        bodies = [each.partition(b"\r\n\r\n")[2] or each[each.index(b"\n\n") + 2 :] for each in self._to("/hook")]
        return {json.loads(body)["case"]["id"] for body in bodies}

    def alerted(self) -> bool:
        """Return whether the Alertmanager was told of anything."""
        return bool(self._to("/api/v2/alerts"))

    def _to(self, path: str) -> list[bytes]:
        return [each for each in self.taken if each.startswith(f"{path}\n".encode())]


class CanaryDistrict:
    """One way through the product.

    Args:
        folder: made here; everything that is written lies under it.
        broker: the way through Kafka; None: the embedded one.
    """

    def __init__(self, folder: Path, *, broker: KafkaBroker | None) -> None:
        self.folder = folder
        self.served: dict[str, bytes] = {}
        """Place -> what was served, printed or told there."""
        self.limits: dict[str, str] = {}
        """Verb -> what /proc says of the limits of its process at work."""
        self._held = ExitStack()
        self._broker = broker
        folder.mkdir()
        (folder / "tmp").mkdir()
        copy_district(folder)
        write_capture(folder / "day.pcap.gz", day=gzip.decompress(CAPTURE.read_bytes()), more=planted().frames)
        self._mail = MailSink(folder / "mail")
        self._held.callback(self._mail.kill)
        self.listener = Listener()
        self._held.callback(self.listener.close)
        self._desk_at, self._metrics_at = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.config = self._configure()

    def live(self, *, cases: frozenset[str] = frozenset()) -> None:
        """Let the day pass, look at everything that is served, and end every process in order.

        Args:
            cases: ids of the cases that come of the day; only the way through Kafka needs to be told.
        """
        if self._broker is None:
            self._embedded()
        else:
            self._through_kafka(self._broker, cases=cases)
        for words in EXPORTS if self._broker is None else ():
            done = schoolgate(*words, "--config", self.config, folder=self.folder, environment=self._environment())
            self.served[f"output of {' '.join(words)}"] = f"{done.stdout}\n{done.stderr}".encode()
        self.served |= {f"a mail, {n}": bytes(mail) for n, mail in enumerate(self._mail.mails(to=OFFICER))}
        self.served |= {f"what was posted, {n}": each for n, each in enumerate(self.listener.taken)}

    def evidence(self) -> Iterator[tuple[str, bytes]]:
        """Yield place and octets of everything that was written or served, and of what is sealed in it."""
        store = Store(f"sqlite:///{self.folder / 'cases.db'}")
        sealed = SealedPieces(store.live_keys())
        store.close()
        for place, octets in self._places():
            yield place, octets
            for layer in opened(octets):
                for inner in sealed.inside(layer):
                    yield from ((place, each) for each in opened(inner))

    def _places(self) -> Iterator[tuple[str, bytes]]:
        yield from self.served.items()
        yield from (each for each in contents_of(self.folder) if each[0] not in INPUTS)
        if self._broker is not None:
            folders = self._broker.folder / "data", self._broker.folder / "tmp"
            for folder in (each for each in folders if each.exists()):
                yield from ((f"broker: {place}", octets) for place, octets in contents_of(folder))
            yield "broker.log", self._broker.log.read_bytes()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End what still runs."""
        self._held.close()

    def _embedded(self) -> None:
        program = self._start("run", "--config", self.config, "--stay")
        said = self.folder / "run.log"
        until(lambda: "all captures are judged" in said.read_text() or not program.alive, what="the day to be judged")
        assert program.alive, said.read_text()
        self._all_told(self.cases())
        self._look_around("run", listen=self._metrics_at)
        self._note(program, verb="run")
        program.stop(limit_s=PATIENCE_S)

    def _through_kafka(self, broker: KafkaBroker, *, cases: AbstractSet[str]) -> None:
        assert schoolgate("kafka", "setup", "--config", self.config).returncode == 0
        judge_at, collect_at = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        judge = self._start("judge", "--config", self.config, "--metrics", judge_at)
        desk = self._start("desk", "--config", self.config, "--metrics", self._metrics_at)
        collect = self._start("collect", "--config", self.config, "--metrics", collect_at)
        while collect.alive:
            time.sleep(LOOK_S)
            with suppress(OSError):
                self.served["metrics of collect"] = scrape(collect_at).encode()
                self._note(collect, verb="collect")
        assert collect.wait(limit_s=PATIENCE_S) == 0, collect.log.read_text()
        until(lambda: cases == self.cases(), what="the cases of the embedded way")
        self._all_told(cases)
        self.served["metrics of judge"] = scrape(judge_at).encode()
        self._look_around("desk", listen=self._metrics_at)
        self.served |= asyncio.run(records_of(broker.bootstrap))
        for verb, program in (("judge", judge), ("desk", desk)):
            self._note(program, verb=verb)
            program.stop(limit_s=PATIENCE_S)

    def cases(self) -> frozenset[str]:
        """Return the ids of the cases in the store."""
        return frozenset(each["id"] for each in report_now(self.config)["cases"])

    def _all_told(self, cases: AbstractSet[str]) -> None:
        def mailed() -> set[str]:
            return {str(mail["X-Schoolgate-Case"]) for mail in self._mail.mails(to=OFFICER)}

        assert cases
        until(lambda: cases <= mailed(), what="a mail about each case")
        until(lambda: cases <= self.listener.hooked(), what="the webhook to be told of each case")
        until(self.listener.alerted, what="an alert")

    def _look_around(self, verb: str, *, listen: str) -> None:
        self.served[f"metrics of {verb}"] = scrape(listen).encode()
        for name in ROLES:
            self.served |= {f"the desk, {name}: {path}": page for path, page in pages_of(self._desk_at, name=name)}

    def _start(self, verb: str, *words: str | Path) -> Program:
        wrapped = ["env", *(f"{name}={value}" for name, value in self._environment(alone=True).items())]
        program = Program([*wrapped, *command(verb, *words)], log=self.folder / f"{verb}.log")
        self._held.callback(program.kill)
        return program

    def _note(self, program: Program, *, verb: str) -> None:
        """Note what every user of the machine may read of a process."""
        with suppress(OSError):
            self.limits[verb] = Path(f"/proc/{program.pid}/limits").read_text(encoding="ascii")
            self.served[f"command line of {verb}"] = Path(f"/proc/{program.pid}/cmdline").read_bytes()

    def _environment(self, *, alone: bool = False) -> Mapping[str, str]:
        own = {"TMPDIR": str(self.folder / "tmp")}
        return own if alone else {**os.environ, **own}

    def _configure(self) -> Path:
        accounts = {
            name: Account(name=name, role=role, password=hashed(PASSWORD, hasher=CHEAP))  # type: ignore[arg-type]
            for name, role in ROLES.items()
        }
        save_accounts(self.folder / "users.yaml", accounts)
        told: dict[str, Any] = {
            "schema": "schoolgate/config/1", "sensor": "lakeview-tap",
            "source": {"capture": ["day.pcap.gz"], "speed": 0}, "network": "network.yaml",
            "agreements": "agreements/", "parties": ["parties.yaml"], "store": "sqlite:///cases.db",
            "metrics": {"listen": self._metrics_at}, "desk": {"listen": self._desk_at, "users": "users.yaml"},
            "notify": {
                "alertmanager": [self.listener.address],
                "mail": {"host": "127.0.0.1", "port": self._mail.port, "sender": "schoolgate@district.example",
                         "to": [OFFICER]},
                "webhook": [{"url": f"{self.listener.address}/hook"}],
            },
        }  # fmt: skip
        if self._broker is not None:
            told |= {"kafka": {"bootstrap": [self._broker.bootstrap]}, "spool": {"path": "spool.db"}}
        path = self.folder / "config.yaml"
        path.write_text(json.dumps(told), encoding="utf-8")
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Door:
    """Where the desk of another process listens."""

    listen: str

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def origin(self) -> str:
        return f"http://{self.listen}"


def pages_of(listen: str, *, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield path and octets, heads included, of every page that *name* can reach by links after signing in."""
    visitor = Visitor(desk=_Door(listen=listen))
    assert visitor.sign_in(name).status == 303
    known, waiting = {"/cases"}, ["/cases", "/access", "/health"]
    while waiting:
        path = waiting.pop()
        # Each page from an address of its own, since the desk lets none ask for so many.
        visitor = Visitor(desk=_Door(listen=listen), cookie=visitor.cookie)
        answer = visitor.ask(path)
        yield path, repr(answer.headers).encode() + answer.octets
        for link in re.findall(r'href="(/[^"#]*)', answer.octets.decode(errors="replace")):
            target = html.unescape(link)
            # A listing has as many orders and parts as it has words; some of them show what all would.
            spared = target.startswith("/static") or ("?" in target and len(known) > MOST_LISTINGS)
            if target not in known and not spared:
                known.add(target)
                waiting.append(target)


async def records_of(bootstrap: str) -> dict[str, bytes]:
    """Return each topic's records, keys and headers as a consumer gets them, those of broken-off transactions too."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await admin.start()
    await consumer.start()
    found: dict[str, bytes] = {}
    try:
        for topic in await admin.list_topics():
            (told,) = await admin.describe_topics([topic])
            places = [TopicPartition(topic, each["partition"]) for each in told["partitions"]]
            consumer.assign(places)
            await consumer.seek_to_beginning()
            ends = await consumer.end_offsets(places)
            number = 0
            while any([await consumer.position(place) < ends[place] for place in places]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    for record in batch:
                        number += 1
                        spoken = [each or b"" for _name, each in record.headers]
                        found[f"topic {topic}, record {number}"] = record.value or b""
                        found[f"topic {topic}, heads"] = b"\n".join(
                            (found.get(f"topic {topic}, heads", b""), record.key or b"", *spoken)
                        )
    finally:
        await consumer.stop()
        await admin.close()
    return found
