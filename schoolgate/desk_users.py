"""What `schoolgate desk users` does: the file of users, and a line in the access log for every change."""

from __future__ import annotations

import fcntl
import getpass
import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from collector.documents import DocumentError, Problem, read
from rules.desk.access_log import COMMAND_LINE, AccessLog
from rules.desk.accounts import NAME, Account, hashed, load_accounts, save_accounts, weakness
from rules.store import Store
from schoolgate.configuration import configuration_at, store_address
from schoolgate.shell import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rules.desk.access_log import What
    from rules.desk.accounts import Role


def add(config: Path, *, name: str, role: Role, password_file: Path | None) -> None:
    """Add somebody, or change their password and role.

    Raises:
        DocumentError: the name or the password will not do, or a file is wrong; nothing was changed.
    """
    if re.fullmatch(NAME, name) is None:
        raise _wrong(f"`{name}` is no name to sign in with", "write small letters, digits and . _ @ - such as ada.moss")
    path = users_file(config)
    if path.exists():
        load_accounts(path)  # what is wrong with it shows before anybody types a password
    password = _asked_for() if password_file is None else read(password_file).partition("\n")[0].rstrip("\r")
    fault = weakness(password, name=name)
    if fault:
        raise _wrong(fault, "four words that do not belong together make a good one")
    with _locked(path):
        accounts = load_accounts(path) if path.exists() else {}
        what: What = "user_changed" if name in accounts else "user_added"
        accounts[name] = Account(name=name, role=role, password=hashed(password))
        _note(config, what, name=name)
        save_accounts(path, accounts)
    say(f"{name} ({role}) may sign in; {path} holds {len(accounts)} {'user' if len(accounts) == 1 else 'users'}")


def listed(config: Path) -> None:
    """Print who may sign in."""
    path = users_file(config)
    accounts = load_accounts(path) if path.exists() else {}
    for account in sorted(accounts.values(), key=lambda one: one.name):
        sys.stdout.write(f"{account.name}\t{account.role}\n")
    if not accounts:
        say("nobody may sign in yet; run `schoolgate desk users add NAME`")


def remove(config: Path, *, name: str) -> None:
    """Remove somebody.

    Raises:
        DocumentError: there is nobody of this name.
    """
    path = users_file(config)
    with _locked(path):
        accounts = load_accounts(path) if path.exists() else {}
        if accounts.pop(name, None) is None:
            raise _wrong(f"there is nobody called `{name}`", "`schoolgate desk users list` shows who there is")
        _note(config, "user_removed", name=name)
        save_accounts(path, accounts)
    say(f"{name} may sign in no more")


def users_file(config: Path) -> Path:
    """Return the file of users that *config* names.

    Raises:
        DocumentError: it names none.
    """
    users = configuration_at(config).desk.users
    if users is None:
        problem = Problem(
            path=str(config), line=1, what="`desk` names no file of users", remedy="write desk: {users: users.yaml}"
        )
        raise DocumentError([problem])
    return config.parent / users


def _note(config: Path, what: What, *, name: str) -> None:
    store = Store(store_address(configuration_at(config).store, folder=config.parent))
    try:
        AccessLog(store).note(what, who=name, origin=COMMAND_LINE)
    finally:
        store.close()


def _asked_for() -> str:
    if not sys.stdin.isatty():
        raise _wrong("there is no terminal to ask for the password", "name a file with --password-file")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise _wrong("the two passwords differ", "try again; nothing was changed")
    return password


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one change of the file of users follow the other: each reads it and writes it anew."""
    handle = os.open(path.with_name(f".{path.name}.lock"), os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _wrong(what: str, remedy: str) -> DocumentError:
    return DocumentError([Problem(path="schoolgate desk users", line=1, what=what, remedy=remedy)])
