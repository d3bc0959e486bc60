"""A desk that really listens, over a store with a few cases in it, and a visitor who speaks HTTP with it by hand."""

from __future__ import annotations

import contextlib
import html
import http.client
import itertools
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from argon2 import PasswordHasher

from collector.server_tls import ServerTls
from rules.desk.accounts import Account, hashed, save_accounts
from rules.desk.server import DeskServer
from rules.rulebook import RulebookFiles
from rules.settings import Desk
from rules.store import Store
from rules.versions import CaseVersion
from tests.rules.first_store import a_case
from tests.system.product import SAMPLE

PASSWORD = "four words for tests"  # noqa: S105 -- guards nothing but this test
PAGES = (
    "/cases", "/cases?state=all&q=quiz&sort=seen", "/cases/print", "/cases/aaaa0001", "/cases/aaaa0001/letter",
    "/cases/aaaa0001/letter.txt", "/vendors", "/vendors/quizgale", "/coverage", "/system",
)  # fmt: skip
"""Every page that every role may read."""
ROLES = {"ada": "officer", "ivo": "it", "ann": "auditor"}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'\u202e"
# The cheapest hash there is: the tests are about the desk.
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
HOSTILE_AGREEMENT = """schema: schoolgate/agreement/1
id: hostile
vendor: {legal_name: '<script>alert(1)</script> & Söhne "Inc."'}
products:
  - {name: '<b onmouseover=alert(3)>Bold</b> {{ 7 * 7 }}'}
agreement: {kind: ndpa_v2, status: active, effective: 2026-08-01}
domains:
  - {match: hostile.example}
third_parties: {list_is: partial, unlisted: allowed}
purposes:
  - {code: instruction, plain: 'javascript:alert(4) <svg onload=alert(5)>'}
data:
  categories: [{cat: student_work, detail: '</td><script>alert(6)</script>'}]
use_gate: {status: approved}
"""
_SOURCES = itertools.count(2)


PROOF: Mapping[str, Any] = {
    "party": {"name": "AdCo", "owner": HOSTILE, "kind": "session_replay", "list": "parties.yaml", "date": "2026-07-01"},
    "agreement_sections": [
        {"section": "third_parties", "source": f"p. 14 {HOSTILE}"}, {"section": "data", "source": None},
    ],
    "basis": {
        "product": {"version": "0.1", "code": "c" * 64},
        "rule": {"id": "plaintext-transport", "version": "d" * 64},
        "agreement": {"id": "choirbox", "sha256": "e" * 64},
        "agreements": "f" * 64,
        "network": {"name": "network.yaml", "sha256": "1" * 64, "date": None, "licence": None},
        "parties": [{"name": HOSTILE, "sha256": "2" * 64, "date": "2026-07-01", "licence": "CC BY-SA 4.0"}],
        "location": {"name": "country.mmdb", "sha256": "3" * 64, "date": None, "licence": None},
    },
    "attribution": {
        "method": "noisy-or and bag of domains", "near_share": 0.97, "elsewhere_share": 0.03, "windows": 412,
        "device_days": 41, "class_hours": 12, "lab": None,
        "candidates": [
            {"agreement_or_site": "choirbox", "posterior": 0.984}, {"site": HOSTILE, "share": 0.4, "rate": 0.002},
        ],
    },
}  # fmt: skip
"""What a case may rest on, with names from the network in it (`rules.evidence`)."""


def evidence(*days: int, proof: Mapping[str, Any] | None = None) -> str:
    """Return evidence of *days* devices on days one after the other."""
    rows = [
        {"day": f"2026-10-{number:02}", "devices": devices, "flows": 9, "bytes_up": 1, "bytes_down": 2}
        for number, devices in enumerate(days, start=5)
    ]
    return json.dumps({"v": 1, "days": rows, "days_left_out": 0, "windows": [], **(proof or {})})


def case(
    case_id: str, *, version: int = 1, days: tuple[int, ...] = (41,), proof: Mapping[str, Any] | None = None,
    **changes: Any,
) -> CaseVersion:  # fmt: skip
    """Return a case as a case task writes it."""
    body = json.dumps(a_case(case_id, **changes))
    return CaseVersion(id=case_id, version=version, state="open", body=body, evidence=evidence(*days, proof=proof))


CASES = (
    case("aaaa0001", agreement="quizgale", rule="use-paused", clause="R0", subject="quizgale.example", devices=3,
         summary="Quizgale appears to be in use on 3 devices (counted per day) in 1 school.", confidence=1.0,
         days=(3,)),
    case("aaaa0002", agreement="choirbox", rule="plaintext-transport", clause="6f", subject="choirbox.example",
         severity="warning", last_seen="2026-10-17T19:44:59.000001Z", proof=PROOF,
         days=(3, 12, 19, 7)),
    case("aaaa0003", agreement=None, rule="no-agreement", clause="R6", subject="sketchmeadow.example",
         severity="warning", verdict="undeclared"),
    case("aaaa0004", agreement="hostile", subject=HOSTILE, schools=[HOSTILE], groups=[HOSTILE], severity="info",
         summary=f"{HOSTILE} appears", agreement_says=HOSTILE, cannot_see=HOSTILE, confidence=0.5),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Desked:
    """A desk that listens."""

    server: DeskServer
    store: Store
    folder: Path

    @property
    def port(self) -> int:
        return self.server.address.port

    @property
    def origin(self) -> str:
        return self.server.address.origin


@contextlib.contextmanager
def desk(
    folder: Path, *, users: bool = True, address: str | None = None, tls: ServerTls | None = None
) -> Iterator[Desked]:
    """Serve a desk over a store in *folder* with `CASES` in it; *users*: with the three people of `ROLES`."""
    shutil.copytree(SAMPLE / "agreements", folder / "agreements")
    (folder / "agreements" / "hostile.yaml").write_text(HOSTILE_AGREEMENT, encoding="utf-8")
    for name in ("network.yaml", "parties.yaml"):
        shutil.copy(SAMPLE / name, folder)
    store = Store(f"sqlite:///{folder}/cases.db")
    store.keep(CASES, parts=())
    try:
        with serving(store, folder=folder, users=users, address=address, tls=tls) as desked:
            yield desked
    finally:
        store.close()


@contextlib.contextmanager
def serving(
    store: Store, *, folder: Path, users: bool = True, address: str | None = None, tls: ServerTls | None = None
) -> Iterator[Desked]:
    """Serve a desk over a store, with the papers in *folder*; *users*: with the three people of `ROLES`."""
    if users:
        password = hashed(PASSWORD, hasher=CHEAP)
        accounts = {
            name: Account(name=name, role=role, password=password)  # type: ignore[arg-type] # the three of `ROLES`
            for name, role in ROLES.items()
        }
        save_accounts(folder / "users.yaml", accounts)
    server = DeskServer(
        store,
        settings=Desk(listen="127.0.0.1:0", users="users.yaml" if users else None, address=address, tls=tls),
        files=RulebookFiles(
            agreements=folder / "agreements", network=folder / "network.yaml", parties=(folder / "parties.yaml",)
        ),
        folder=folder,
        version="1.2.3",
        say=lambda _text: None,
    )
    server.start()
    try:
        yield Desked(server=server, store=store, folder=folder)
    finally:
        server.stop()


def pages_of(store: Store, *, folder: Path) -> dict[str, str]:
    """Return what every role can read of a store at its desk: all lists, and the page of each case in turn.

    Args:
        store: the store.
        folder: where the papers lie; the accounts are put there.
    """
    lists = ("/cases?state=all", "/cases/print?state=all", "/vendors", "/coverage", "/system")
    read: dict[str, str] = {}
    with serving(store, folder=folder) as desked:
        for turn, name in enumerate(ROLES):
            visitor = signed_in(desked, name)
            for path in (*lists, *(f"/cases/{case}" for case in sorted(store.cases())[turn :: len(ROLES)])):
                answer = visitor.ask(path)
                assert answer.status == http.HTTPStatus.OK, path
                read[f"the desk, {name}: {path}"] = answer.text
    return read


class Served(Protocol):
    """Where a desk listens."""

    @property
    def port(self) -> int:
        """Port, on loopback."""
        ...

    @property
    def origin(self) -> str:
        """Scheme, host and port, as a browser writes them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    octets: bytes
    cookies: tuple[str, ...]
    """`Set-Cookie`, as sent."""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.octets.decode()


@dataclass(slots=True, kw_only=True)
class Visitor:
    """One browser without a screen. Each has a loopback address of its own, so that limits do not add up."""

    desk: Served
    cookie: str = ""
    source: str = field(default_factory=lambda: f"127.0.{(number := next(_SOURCES)) // 250}.{number % 250 + 1}")

    def ask(
        self, path: str, *, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request and return what comes back; redirects are not followed."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.desk.port, timeout=60, source_address=(self.source, 0)
        )
        try:
            sent = {"Host": f"127.0.0.1:{self.desk.port}", **({"Cookie": self.cookie} if self.cookie else {})}
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            if body and "Transfer-Encoding" not in (headers or {}):
                sent["Content-Length"] = str(len(body))
            for name, value in {**sent, **(headers or {})}.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            cookies = tuple(answer.headers.get_all("Set-Cookie") or ())
            if cookies:
                self.cookie = cookies[0].partition(";")[0]
            return Answer(
                status=answer.status,
                headers={name.lower(): value for name, value in answer.getheaders()},
                octets=answer.read(),
                cookies=cookies,
            )
        finally:
            connection.close()

    def send(self, path: str, /, **fields: str) -> Answer:
        """Send a form as a page of the desk does."""
        return self.send_with({}, path, **fields)

    def send_with(self, headers: Mapping[str, str], path: str, /, **fields: str) -> Answer:
        """Send a form with other headers than a page of the desk."""
        usual = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.desk.origin}
        return self.ask(path, method="POST", body=urlencode(fields).encode(), headers={**usual, **headers})

    def token(self, path: str = "/cases") -> str:
        """Return the token that the forms of a page carry."""
        return field_of(self.ask(path).text, "csrf")

    def sign_in(self, name: str, *, password: str = PASSWORD, next_page: str = "") -> Answer:
        """Sign in by the form."""
        return self.send("/sign-in", name=name, password=password, next=next_page, csrf=self.token("/sign-in"))

    def act(self, case_id: str, /, **fields: str) -> Answer:
        """Send the form of a case."""
        page = self.ask(f"/cases/{case_id}").text
        return self.send(f"/cases/{case_id}/act", csrf=field_of(page, "csrf"), seen=field_of(page, "seen"), **fields)


def field_of(page: str, name: str) -> str:
    """Return the value of a hidden field of a page."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, page
    return html.unescape(found[1])


def signed_in(desked: Desked, name: str) -> Visitor:
    """Return a visitor who is signed in."""
    visitor = Visitor(desk=desked)
    answer = visitor.sign_in(name)
    assert answer.status == 303, answer.text
    return visitor
