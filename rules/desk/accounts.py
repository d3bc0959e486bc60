"""Who may sign in to the desk, and what each role may do: a file with argon2id hashes, read again when it changes."""

from __future__ import annotations

import os
import secrets
import stat
import threading
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError
from pydantic import AfterValidator, Field

from collector.documents import DocumentError, Fault, Problem, parse, read
from collector.fields import Listed, Record, refusal
from collector.problems import shown
from rules.small_numbers import IT_K, OFFICER_K

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

Role = Literal["officer", "it", "auditor"]
Right = Literal["act", "notes", "access"]

RIGHTS: Final[dict[Role, frozenset[Right]]] = {
    "officer": frozenset({"act", "notes", "access"}),
    "auditor": frozenset({"notes", "access"}),
    "it": frozenset(),
}
"""`act`: say what is done about a case; `notes`: read what people wrote; `access`: read who signed in."""
ROLE_WORDS: Final[dict[Role, str]] = {
    "officer": "Privacy officer",
    "it": "District IT",
    "auditor": "Auditor (reads only)",
}
SHORTEST_PASSWORD: Final = 12
LONGEST_PASSWORD: Final = 512
NAME: Final = r"[a-z0-9](?:[a-z0-9._@-]{0,61}[a-z0-9])?"
# One sign-in needs 64 MiB and a tenth of a second; more at once would only take them from each other.
_AT_ONCE: Final = 2
_HEAD: Final = (
    "# Who may sign in to the case desk. Made by `schoolgate desk users`; passwords are argon2id hashes.\n"
    "schema: schoolgate/users/1\n"
)


def _hash(value: str) -> str:
    try:
        extract_parameters(value)
    except InvalidHashError:
        raise refusal("this is no argon2 hash", remedy="run `schoolgate desk users add` to set a password") from None
    return value


class UserRow(Record):
    """One person."""

    name: Annotated[str, Field(pattern=f"^{NAME}$")]
    """What they sign in with."""
    role: Role
    """What they may do."""
    password: Annotated[str, AfterValidator(_hash)]
    """Hash of their password."""


class UsersFile(Record):
    """The file of users, version 1."""

    called = "file of users"

    schema_: Literal["schoolgate/users/1"] = Field(alias="schema")
    """Kind and version of this file."""
    users: Listed[UserRow] = ()
    """Everybody who may sign in."""

    def faults(self) -> Iterator[Fault]:
        """Nobody is named twice."""
        seen = set()
        for place, row in enumerate(self.users):
            if row.name in seen:
                what = f"the name {shown(row.name)} is there twice"
                yield Fault(at=("users", place, "name"), what=what, remedy="keep one of the two")
            seen.add(row.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may sign in."""

    name: str
    """What they sign in with, and what the case log calls them."""
    role: Role
    """What they may do."""
    password: str
    """Hash of their password; empty: no password opens this account."""

    @property
    def stamp(self) -> str:
        """What changes when they must sign in again."""
        return f"{self.role} {self.password}"

    @property
    def k(self) -> int:
        """Counts below this are not shown to them."""
        return IT_K if self.role == "it" else OFFICER_K

    def may(self, right: Right) -> bool:
        """Tell whether they have this right."""
        return right in RIGHTS[self.role]


LOCAL_OFFICER: Final = Account(name="local officer", role="officer", password="")
"""Whoever has the one-time address of a desk without a file of users. No name in a file holds a blank."""


def load_accounts(path: Path) -> dict[str, Account]:
    """Return everybody in the file of users.

    Raises:
        DocumentError: it is missing or wrong, or others may write into it.
    """
    text = read(path)
    if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _wrong(path, "others may write into the file of users", f"chmod 600 {path}")
    rows = parse(text, path=str(path), model=UsersFile).users
    return {row.name: Account(name=row.name, role=row.role, password=row.password) for row in rows}


def save_accounts(path: Path, accounts: Mapping[str, Account]) -> None:
    """Write the file of users anew, readable by its owner alone: at every moment the old one or the new one is there.

    Raises:
        OSError: it cannot be written; then the old one is there.
    """
    rows = [
        f'  - {{name: "{one.name}", role: {one.role}, password: "{one.password}"}}\n'
        for one in sorted(accounts.values(), key=lambda one: one.name)
    ]
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_HEAD + ("users:\n" + "".join(rows) if rows else "users: []\n"))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def hashed(password: str, *, hasher: PasswordHasher | None = None) -> str:
    """Return the hash of *password*, argon2id with the second choice of RFC 9106 (64 MiB) unless *hasher* differs."""
    return (hasher or PasswordHasher()).hash(_plain(password))


def weakness(password: str, *, name: str) -> str | None:
    """Return what is wrong with a new password, None: nothing.

    Source: NIST SP 800-63B section 5.1.1.2: length counts, rules about kinds of characters do not.
    """
    if len(password) < SHORTEST_PASSWORD:
        return f"a password has at least {SHORTEST_PASSWORD} characters"
    if len(password) > LONGEST_PASSWORD:
        return f"a password has at most {LONGEST_PASSWORD} characters"
    if len(set(password)) < 5 or name in password.lower():
        return "this password is easy to guess"
    return None


class Accounts:
    """The file of users as it is now; a bad file never replaces a good one.

    Args:
        path: the file.
        say: what the operator is told.

    Raises:
        DocumentError: the file is missing or wrong.
    """

    def __init__(self, path: Path, *, say: Callable[[str], None]) -> None:
        self._path = path
        self._say = say
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._seen = _fingerprint(path)
        self._accounts = load_accounts(path)
        self._nobody = self._hash_of_nobody()

    def __len__(self) -> int:
        return len(self._now())

    def account(self, name: str) -> Account | None:
        """Return the account of this name, None: there is none any more."""
        return self._now().get(name)

    def verify(self, name: str, *, password: str) -> Account | None:
        """Return the account that this name and password open; it takes as long where there is none."""
        account = self._now().get(name)
        kept = account.password if account else self._nobody
        with self._turns:
            try:
                PasswordHasher().verify(kept, _plain(password[:LONGEST_PASSWORD]))
            except Argon2Error:
                return None
        return account

    def _now(self) -> dict[str, Account]:
        with self._lock:
            found = _fingerprint(self._path)
            if found != self._seen:
                self._seen = found
                try:
                    self._accounts = load_accounts(self._path)
                    self._nobody = self._hash_of_nobody()
                except DocumentError as error:
                    self._say(f"{error}; going on with the users that were read before")
            return self._accounts

    def _hash_of_nobody(self) -> str:
        # As costly as that of somebody, so that the time of an answer does not tell which names there are.
        one = next(iter(self._accounts.values()), None)
        hasher = PasswordHasher.from_parameters(extract_parameters(one.password)) if one else PasswordHasher()
        return hasher.hash(secrets.token_hex(16))


def _plain(password: str) -> str:
    # RFC 8265 section 4.2: the same password typed on another keyboard has the same octets.
    return unicodedata.normalize("NFC", password)


def _fingerprint(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0, -1)
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _wrong(path: Path, what: str, remedy: str) -> DocumentError:
    return DocumentError([Problem(path=str(path), line=1, what=what, remedy=remedy)])
