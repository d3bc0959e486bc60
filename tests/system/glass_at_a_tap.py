"""Break-glass beside a collector at a tap: two people who ask it for a device that has just passed by."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from collector.break_glass import Approval, signed
from rules.desk.accounts import Account, hashed, save_accounts
from rules.store import Store
from rules.store.chain import Head
from rules.store.glass import ALLOWED, ASKED, GlassLog
from tests.system.desk_visitor import CHEAP, PASSWORD
from tests.system.product import schoolgate

REASON = "Resolver alarm 4711: command server of the FluBot family, 10:42"
_PEOPLE = {"ada": "officer", "ivo": "it"}
_IPV4, _TCP, _UDP = b"\x08\x00", 6, 17


def switch_on(config: Path) -> None:
    """Switch it on in a configuration, make its keys and two people."""
    folder = config.parent
    with_users = re.sub(r"desk: \{", "desk: {users: users.yaml, ", config.read_text(encoding="utf-8"))
    glass = "{socket: glass.sock, public_key: glass.pub, signing_key: glass.key}"
    config.write_text(f"{with_users}\nprivacy: {{break_glass: {glass}}}\n", encoding="utf-8")
    password = hashed(PASSWORD, hasher=CHEAP)
    people = {name: Account(name=name, role=role, password=password) for name, role in _PEOPLE.items()}  # type: ignore[arg-type]  # two of the roles
    save_accounts(folder / "users.yaml", people)
    (folder / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    made = schoolgate("break-glass", "keys", "--config", config)
    assert made.returncode == 0, made.stderr
    Store(f"sqlite:///{folder / 'cases.db'}").close()
    owner = folder.stat()
    for path in (*folder.glob("glass.*"), *folder.glob("cases.db*"), folder / "users.yaml"):
        os.chown(path, owner.st_uid, owner.st_gid)


def approved(config: Path, *, device: str) -> Path:
    """Let two people agree on a device, and return the file of the approval."""
    folder = config.parent
    words = ("--config", config, "--device", device, "--password-file", folder / "password")
    asked = schoolgate("break-glass", "request", "--reason", REASON, "--as", "ivo", *words)
    assert asked.returncode == 0, asked.stderr
    allowed = schoolgate("break-glass", "approve", "--request", asked.stdout.strip(), "--as", "ada", "--yes", *words)
    assert allowed.returncode == 0, allowed.stderr
    approval = folder / "approval"
    approval.write_text(allowed.stdout, encoding="utf-8")
    return approval


def opened(config: Path, approval: Path) -> tuple[int, str, str]:
    """Return code and words of whoever opens it at the collector's machine."""
    done = schoolgate("break-glass", "open", "--approval", approval, "--config", config)
    return done.returncode, done.stdout, done.stderr


def expired(config: Path, *, device: str, today: str) -> Path:
    """Return an approval that was signed with the very key an hour ago, and holds no more."""
    key = load_pem_private_key((config.parent / "glass.key").read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    now = datetime.now(UTC)
    late = Approval(
        request="glass-late", device=device, day=today, asked_by="ivo", allowed_by="ada",
        issued_at=(now - timedelta(hours=1)).isoformat(), expires_at=(now - timedelta(seconds=1)).isoformat(),
    )  # fmt: skip
    path = config.parent / "late"
    path.write_text(signed(late, key=key), encoding="utf-8")
    return path


def entries_in_the_chain(config: Path) -> list[tuple[str, str]]:
    """Return kind and person of what the log tells of it, the oldest first; the chain is whole."""
    with closing(Store(f"sqlite:///{config.parent / 'cases.db'}")) as store:
        assert isinstance(store.verify(), Head)
        record = GlassLog(store).record()
        rows = [*record.requests, *(approval.given for approval in record.approvals)]
        return [(row.kind, row.by) for row in sorted(rows, key=lambda row: row.at)]


IN_THE_CHAIN = [(ASKED, "ivo"), (ALLOWED, "ada")]


def single_visits(events: list[dict[str, Any]], *, passed: list[bytes]) -> dict[str, str]:
    """Return numbers of devices with their MAC addresses, as far as a server port was visited by one alone."""
    visitors = defaultdict[tuple[bytes, int], set[str]](set)
    for frame in passed:
        if frame[12:14] == _IPV4 and frame[23] in {_TCP, _UDP}:
            ports = 14 + 4 * (frame[14] & 15)
            there = frame[30:34], int.from_bytes(frame[ports + 2 : ports + 4], "big")
            visitors[there].add(frame[6:12].hex(":"))
    found = {}
    for event in events:
        if event["device"] and event["dst_ip"] and "." in event["dst_ip"]:
            macs = visitors[bytes(map(int, event["dst_ip"].split("."))), event["dst_port"]]
            if len(macs) == 1:
                found[event["device"]] = next(iter(macs))
    return found
