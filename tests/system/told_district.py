"""A district whose cases are told for real: Alertmanager, Prometheus, mail server and web server around one store."""

from __future__ import annotations

import gzip
import json
import re
import struct
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from rules.store import Store
from tests.parts.alertmanager import Alertmanager
from tests.parts.certificates import Authority
from tests.parts.mail_sink import MailSink
from tests.parts.patience import PATIENCE_S
from tests.parts.ports import free_ports
from tests.parts.program import Program
from tests.parts.prometheus import PrometheusParts
from tests.parts.verb_program import VerbProgram
from tests.parts.web_sink import WebSink
from tests.system.product import CAPTURE, ROOT, copy_district, free_port, scrape

DEPLOY = ROOT / "deploy"
OFFICER, BY_ALERTMANAGER = "privacy@district.example", "alerts@district.example"
SECRET = "between us"  # noqa: S105 -- of a test
MORNING = 0.3
"""Part of the sample day's packets after which four of its cases have opened."""


class District:
    """Everything around one store, each part a process of its own."""

    def __init__(self, folder: Path, *, parts: PrometheusParts) -> None:
        self.folder = copy_district(folder)
        # After half of its day one party looks as if no product had brought it about: a case that ends by itself.
        parties = self.folder / "parties.yaml"
        lines = parties.read_text(encoding="utf-8").splitlines(keepends=True)
        parties.write_text("".join(line for line in lines if "adorbit.example" not in line), encoding="utf-8")
        self._programs: list[Program] = []
        authority = Authority("district", folder=folder)
        certificate = authority.issue("mail")
        self.mail = MailSink(folder / "mail", certificate=certificate)
        self.web = WebSink(folder / "web")
        self.alertmanager = Alertmanager(
            parts, config=self._alertmanager_config(authority.path), folder=folder / "alertmanager"
        )
        self._parts = parts
        (folder / "hook.secret").write_text(SECRET + "\n", encoding="utf-8")
        self.engine_listen, self.notifier_listen = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.notifier_config = self._configuration(
            "notifier", captures=(), notify=self._notify(authority.path), listen=self.notifier_listen
        )
        self.prometheus_port = free_ports(1)[0]
        self.store = Store(f"sqlite:///{self.folder}/cases.db")

    def close(self) -> None:
        """End everything."""
        self.store.close()
        for program in self._programs:
            program.kill()
        self.alertmanager.kill()
        self.mail.kill()
        self.web.kill()

    def start_notifier(self) -> Program:
        """Start the process that tells, and return when it serves."""
        return self._run(self.notifier_config, listen=self.notifier_listen)

    def start_engine(self, *captures: str, speed: float = 0) -> Program:
        """Start the process that judges, and return when it is about to read."""
        config = self._configuration("engine", captures=captures, speed=speed, listen=self.engine_listen)
        return self._run(config, listen=self.engine_listen)

    def start_prometheus(self) -> Program:
        """Start Prometheus under our rules, scraping both processes, and return when it is ready."""
        config = self.folder / "prometheus.yml"
        jobs = {"schoolgate-run": self.engine_listen, "schoolgate-desk": self.notifier_listen}
        told = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in sorted((DEPLOY / "prometheus").glob("*.rules.yml"))],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{self.alertmanager.port}"]}]}]},
            "scrape_configs": [
                {"job_name": name, "static_configs": [{"targets": [listen]}]} for name, listen in jobs.items()
            ],
        }
        config.write_text(json.dumps(told), encoding="utf-8")
        program = self._program(
            [
                str(self._parts.prometheus), f"--config.file={config}", f"--storage.tsdb.path={self.folder}/tsdb",
                f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
            ],
            name="prometheus",
        )  # fmt: skip
        self.until(lambda: bool(self.prometheus("up == 1")), what="Prometheus")
        return program

    def prometheus(self, query: str) -> list[dict[str, Any]]:
        """Return what Prometheus answers now; nothing while it is away."""
        address = f"http://127.0.0.1:{self.prometheus_port}/api/v1/query?query={urllib.request.quote(query)}"  # type: ignore[attr-defined]
        with suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(address, timeout=10) as answer:
            told: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return told
        return []

    def split_day(self) -> None:
        """Write the sample day as `morning.pcap` and `afternoon.pcap`."""
        octets = gzip.decompress(CAPTURE.read_bytes())
        header, records, at = octets[:24], [], 24
        while at < len(octets):
            (length,) = struct.unpack_from("<I", octets, at + 8)
            records.append(octets[at : at + 16 + length])
            at += 16 + length
        cut = int(len(records) * MORNING)
        (self.folder / "morning.pcap").write_bytes(header + b"".join(records[:cut]))
        (self.folder / "afternoon.pcap").write_bytes(header + b"".join(records[cut:]))

    def until(self, holds: Callable[[], bool], *, what: str) -> None:
        """Wait for *holds*."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {what}: {self.logs()}"
            time.sleep(0.03)

    def logs(self) -> str:
        """Return the last lines of what our processes said."""
        return " | ".join(path.read_text(encoding="utf-8")[-600:] for path in sorted(self.folder.glob("*.out")))

    def open_ids(self) -> set[str]:
        """Return the ids of the open cases."""
        return {json.loads(body)["id"] for body in self.store.open_cases()}

    def mailed(self) -> Counter[str]:
        """Return how often the notifier's own mail told that each case had opened."""
        mails = self.mail.mails(to=OFFICER)
        return Counter(str(mail["X-Schoolgate-Case"]) for mail in mails if mail["X-Schoolgate-Event"] == "opened")

    def message_ids(self) -> Counter[str]:
        """Return how often each of the notifier's own mails came."""
        return Counter(str(mail["Message-ID"]) for mail in self.mail.mails(to=OFFICER))

    def posted(self) -> Counter[str]:
        """Return how often the webhook was told of each case that opened."""
        told = [json.loads(post["body"]) for post in self.web.posts() if post["path"] == "/hook"]
        return Counter(each["case"]["id"] for each in told if each["event"] == "opened")

    def by_alertmanager(self) -> list[frozenset[str]]:
        """Return which cases each mail of Alertmanager told of."""
        return [frozenset(re.findall(r"^Case: (\S+)", text_of(mail), re.MULTILINE)) for mail in self._alerts()]

    def heard_of(self) -> set[str]:
        """Return the cases of which Alertmanager's mail told."""
        return {case for told in self.by_alertmanager() for case in told}

    def resolved(self) -> list[str]:
        """Return the cases of which Alertmanager told its webhook that they are over."""
        told = [json.loads(post["body"]) for post in self.web.posts() if post["path"] == "/alertmanager"]
        return [
            alert["labels"].get("case", "")
            for each in told
            for alert in each["alerts"]
            if alert["status"] == "resolved"
        ]

    def _alerts(self) -> list[EmailMessage]:
        return self.mail.mails(to=BY_ALERTMANAGER)

    def _run(self, config: Path, *, listen: str) -> Program:
        program = VerbProgram(("run", "--config", config, "--stay"), log=self.folder / f"{config.stem}.out")
        self._programs.append(program)
        self.until(lambda: answers(listen) or not program.alive, what=f"{config.stem} at {listen}")
        assert program.alive, self.logs()
        return program

    def _program(self, command: list[str], *, name: str) -> Program:
        program = Program(command, log=self.folder / f"{name}.out")
        self._programs.append(program)
        return program

    def _configuration(
        self, name: str, *, captures: tuple[str, ...], listen: str, speed: float = 0, notify: Any = None
    ) -> Path:
        path = self.folder / f"{name}.yaml"
        told = {
            "schema": "schoolgate/config/1", "source": {"capture": list(captures), "speed": speed},
            "network": "network.yaml", "agreements": "agreements", "parties": ["parties.yaml"],
            "store": "sqlite:///cases.db", "metrics": {"listen": listen}, "privacy": {"key_file": f"{name}.keys"},
            "desk": {"listen": f"127.0.0.1:{free_port()}"},
        }  # fmt: skip
        path.write_text(json.dumps(told | ({"notify": notify} if notify else {})), encoding="utf-8")
        return path

    def _notify(self, authority: Path) -> dict[str, Any]:
        return {
            "alertmanager": [self.alertmanager.address],
            "mail": {
                "host": "127.0.0.1", "port": self.mail.port, "security": "starttls", "ca": authority.name,
                "sender": "Schoolgate <schoolgate@district.example>", "to": [OFFICER],
            },
            "webhook": [{"url": f"{self.web.address}/hook", "secret": {"file": "hook.secret"}}],
        }  # fmt: skip

    def _alertmanager_config(self, authority: Path) -> Path:
        """Lay out the Alertmanager that we deploy with test timing, our mail server and a webhook."""
        told = YAML(typ="safe").load(DEPLOY / "alertmanager" / "alertmanager.yml")
        told["global"] |= {"smtp_smarthost": f"127.0.0.1:{self.mail.port}", "smtp_hello": "localhost"}
        _quickly(told["route"])
        for receiver in told["receivers"]:
            for mail in receiver.get("email_configs", []):
                mail |= {"to": BY_ALERTMANAGER, "tls_config": {"ca_file": str(authority), "server_name": "localhost"}}
            if receiver["name"] == "privacy":
                hook = {"url": f"{self.web.address}/alertmanager", "send_resolved": True}
                receiver["webhook_configs"] = [hook]
        template = DEPLOY / "alertmanager" / "schoolgate.tmpl"
        told["templates"] = [str(template)]
        path = self.folder / "alertmanager.yml"
        path.write_text(json.dumps(told), encoding="utf-8")
        return path


def _quickly(route: dict[str, Any]) -> None:
    route |= {"group_wait": "0s", "group_interval": "1s"}
    for below in route.get("routes", []):
        _quickly(below)


def text_of(mail: EmailMessage) -> str:
    """Return the text of a mail."""
    body = mail.get_body(("plain",))
    assert body is not None
    text: str = body.get_content()
    return text


def answers(listen: str) -> bool:
    """Return whether somebody serves metrics there."""
    try:
        scrape(listen)
    except OSError:
        return False
    return True
