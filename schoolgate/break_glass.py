"""Break-glass from end to end: keys, request, approval, and the collector's answer (docs/break-glass.md)."""

from __future__ import annotations

import getpass
import os
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from collector.break_glass import LONGEST, Approval, commitment, is_pseudonym, signed
from collector.documents import DocumentError, Problem, read
from collector.glass_door import ask
from collector.problems import on_one_line
from collector.segments import load_network
from collector.settings import BreakGlass
from rules.desk.access_log import COMMAND_LINE, AccessLog
from rules.desk.accounts import Accounts
from rules.errors import StepRefusedError
from rules.store.glass import GlassLog
from schoolgate.configuration import configuration_at
from schoolgate.existing_store import existing_store
from schoolgate.shell import EnvironmentFailedError, Exit, say, today

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rules.desk.accounts import Account
    from rules.store import Store
    from schoolgate.configuration import Configuration

OWNER_ONLY = 0o600


def make_keys(config: Path) -> None:
    """Make both keys where the configuration says.

    Raises:
        DocumentError: the configuration names no place, or a key is there already.
    """
    glass = _switched_on(configuration_at(config), config=config)
    if glass.signing_key is None:
        raise _wrong(config, "`privacy.break_glass` names no `signing_key`", "name a file that only the desk can read")
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for path, octets in ((config.parent / glass.signing_key, private), (config.parent / glass.public_key, public)):
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        except FileExistsError:
            raise _wrong(path, "there is a key already", "remove it if it shall be replaced") from None
        with os.fdopen(handle, "wb") as file:
            file.write(octets)
        say(f"{path} is written")


def request(config: Path, *, device: str, reason: str, who: str, password_file: Path | None) -> None:
    """Write down that somebody asks, and print the name of the request.

    Raises:
        DocumentError: it is switched off, or name, password or number will not do.
    """
    settings = configuration_at(config)
    _switched_on(settings, config=config)
    _check_number(device)
    with closing(existing_store(settings, config=config)) as store:
        account = _signed_in(settings, store=store, config=config, who=who, password_file=password_file)
        try:
            named = GlassLog(store).ask(
                by=account.name, role=account.role, reason=reason, commit=lambda name: commitment(name, device)
            )
        except StepRefusedError as error:
            raise _refused(error) from None
    sys.stdout.write(named + "\n")
    say("written down; an officer allows it with: schoolgate break-glass approve --request ... --device ...")


def approve(
    config: Path, *, named: str, device: str, who: str, password_file: Path | None, agreed: Callable[[str], bool]
) -> None:
    """Show what was asked, and if it is agreed to write down that somebody allows it and print the approval.

    Args:
        config: the configuration file.
        named: the request.
        device: its number of today.
        who: name at the case desk.
        password_file: its first line is their password; None: it is asked for.
        agreed: asks them; False: nothing is written or signed.

    Raises:
        DocumentError: it is switched off here, request, name, password or number will not do, or nobody can be asked.
    """
    settings = configuration_at(config)
    glass = _switched_on(settings, config=config)
    _check_number(device)
    key = _signing_key(glass, config=config)
    day = today(load_network(config.parent / settings.network)).isoformat()
    with closing(existing_store(settings, config=config)) as store:
        account = _signed_in(settings, store=store, config=config, who=who, password_file=password_file)
        log, right = GlassLog(store), commitment(named, device)
        try:
            wanted = log.wanted(named, by=account.name, role=account.role, commitment=right)
            # Whoever asked wrote these words, and they go to the terminal on which the officer decides.
            say(on_one_line(f"{named}, asked by {wanted.by} ({wanted.role}) at {wanted.at}"))
            say(on_one_line(f"reason: {wanted.reason}"))
            say(f"device: {device}, on {day}")
            if not agreed(f"Allow that {device} is named"):
                say("nothing was done")
                return
            asked = log.allow(named, by=account.name, role=account.role, commitment=right)
        except StepRefusedError as error:
            raise _refused(error) from None
    now = datetime.now(UTC)
    approval = Approval(
        request=named,
        device=device,
        day=day,
        asked_by=asked.by,
        allowed_by=account.name,
        issued_at=now.isoformat(),
        expires_at=(now + LONGEST).isoformat(),
    )
    sys.stdout.write(signed(approval, key=key) + "\n")
    say(f"holds once, until {now + LONGEST:%H:%M} UTC, at the collector's own machine")


def check_terminal() -> None:
    """Refuse where nobody can be asked whether they agree.

    Raises:
        DocumentError: standard input is no terminal.
    """
    if not sys.stdin.isatty():
        problem = Problem(
            path="break-glass", line=1, what="there is no terminal to ask whether you allow it; nothing was done",
            remedy="read what is asked, and say --yes if you do",
        )  # fmt: skip
        raise DocumentError([problem])


def open_glass(config: Path, *, approval: Path) -> Exit:
    """Print what the collector of this machine answers.

    Raises:
        DocumentError: it is switched off.
        EnvironmentFailedError: no collector answers.
    """
    glass = _switched_on(configuration_at(config), config=config)
    text = sys.stdin.read() if str(approval) == "-" else read(approval)
    try:
        answer = ask(config.parent / glass.socket, approval=text)
    except (OSError, ValueError) as error:
        raise EnvironmentFailedError(
            f"no collector answers at {config.parent / glass.socket} ({error}); only `collect` does, on its own machine"
        ) from error
    if "refused" in answer:
        say(f"refused: {answer['refused']}")
        return Exit.WRONG_INPUT
    sys.stdout.write(" ".join(f"{name}={value}" for name, value in sorted(answer.items())) + "\n")
    return Exit.DONE


def _switched_on(settings: Configuration, *, config: Path) -> BreakGlass:
    glass = settings.privacy.break_glass
    if not isinstance(glass, BreakGlass):
        raise _wrong(config, "break-glass is switched off", "see docs/break-glass.md before you switch it on")
    return glass


def _signed_in(settings: Configuration, *, store: Store, config: Path, who: str, password_file: Path | None) -> Account:
    if settings.desk.users is None:
        raise _wrong(config, "`desk` names no file of users, so nobody is a second person", "write desk: {users: ...}")
    password = getpass.getpass("Password: ") if password_file is None else read(password_file).partition("\n")[0]
    account = Accounts(config.parent / settings.desk.users, say=say).verify(who, password=password)
    if account is None:
        AccessLog(store).note("sign_in_failed", who=who, origin=COMMAND_LINE)
        raise _wrong(config, "name or password is wrong", "type them as at the case desk")
    return account


def _signing_key(glass: BreakGlass, *, config: Path) -> Ed25519PrivateKey:
    if glass.signing_key is None:
        raise _wrong(config, "`privacy.break_glass` names no `signing_key`", "approve where the case store is")
    path = config.parent / glass.signing_key
    text = read(path)
    if path.stat().st_mode & 0o077:
        raise _wrong(path, "others may read the signing key", f"run: chmod 600 {path}")
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        raise _wrong(path, "this is no private key", "run `schoolgate break-glass keys`") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _wrong(path, "this is no Ed25519 key", "run `schoolgate break-glass keys`")
    return key


def _check_number(device: str) -> None:
    if not is_pseudonym(device):
        problem = Problem(
            path="--device", line=1, what="this is no device's number", remedy="write 16 hexadecimal digits"
        )
        raise DocumentError([problem])


def _refused(error: StepRefusedError) -> DocumentError:
    what, _, remedy = str(error).partition("; ")
    return DocumentError([Problem(path="break-glass", line=1, what=what, remedy=remedy or "ask anew")])


def _wrong(path: Path, what: str, remedy: str) -> DocumentError:
    return DocumentError([Problem(path=str(path), line=1, what=what, remedy=remedy)])
