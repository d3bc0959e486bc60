"""Answers an approval with one device's address, over a local socket that only the collector's user and root may use.

Nothing of it goes to the broker or a log. There is no list to be had and no second answer: what was used is kept, by a
hash, until it has expired, also over a restart. Linux only (SO_PEERCRED, unix(7)).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import struct
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from collector.break_glass import LONGEST, ApprovalError, checked

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

OWNER_ONLY: Final = 0o600
PATIENCE_S: Final = 5.0
LONGEST_ASKED: Final = 8192


class _UsedError(Exception):
    """Nobody can say or keep which approvals were used; the message says why."""


class GlassDoor:
    """The socket, in a thread of its own.

    Args:
        path: of the socket; what an earlier run left there is replaced.
        key: whose signature counts.
        today: returns the district's local day.
        device: returns the key of a device by its pseudonym of today (`collector.devices`); None: not seen today.
        answered: called for each device that was named.
        clock: returns the time.
        say: is told when the file of used approvals will not do; never a device or an approval.

    Raises:
        OSError: the socket cannot be had.
    """

    def __init__(
        self,
        path: Path,
        *,
        key: Ed25519PublicKey,
        today: Callable[[], date],
        device: Callable[[str], bytes | None],
        answered: Callable[[], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path, self._key, self._today, self._device = path, key, today, device
        self._answered, self._clock, self._say = answered, clock, say
        self._used_at = path.with_name(path.name + ".used")
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            self._socket.bind(str(path))
        finally:
            os.umask(before)
        path.chmod(OWNER_ONLY)
        self._socket.listen(16)
        self._thread = threading.Thread(target=self._serve, name="break-glass", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                asker, _ = self._socket.accept()
            except OSError:
                return  # closed
            with asker:
                asker.settimeout(PATIENCE_S)
                try:
                    asker.sendall(json.dumps(self._answer(asker)).encode() + b"\n")
                except OSError:
                    continue  # whoever asked went away

    def _answer(self, asker: socket.socket) -> dict[str, str]:
        _, user, _ = struct.unpack("3i", asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if user not in {0, os.geteuid()}:
            return {"refused": "only the collector's own user and root may ask"}
        text = b""
        while b"\n" not in text and len(text) < LONGEST_ASKED and (more := asker.recv(LONGEST_ASKED)):
            text += more
        try:
            approval = checked(text.decode("ascii", "replace"), key=self._key, now=self._clock(), today=self._today())
        except ApprovalError as error:
            return {"refused": str(error)}
        found = self._device(approval.device)
        if found is None:
            return {"refused": "no such device was seen today since the collector started"}
        # First written down, then answered: whoever is killed in between has used it all the same.
        try:
            if not self._use(approval.request):
                return {"refused": "the approval was used before; ask again"}
        except _UsedError as error:
            # It may have been used: nobody is named until a person has looked.
            self._say(f"break-glass: {error}")
            return {"refused": str(error)}
        self._answered()
        return {"request": approval.request, "device": approval.device, **_named(found)}

    def _use(self, request: str) -> bool:
        """Return whether *request* is used for the first time, and keep that it was."""
        name, now = hashlib.sha256(request.encode()).hexdigest(), self._clock()
        used = self._used(now)
        if name in used:
            return False
        used[name] = now.isoformat()
        fresh = self._used_at.with_name(self._used_at.name + ".new")
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                json.dump(used, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._used_at)
        except OSError as error:
            raise _UsedError(f"{self._used_at} cannot be written ({error}); nobody is named until it can") from error
        return True

    def _used(self, now: datetime) -> dict[str, str]:
        """Return when approvals were used, by hash of the request; what has expired is refused for that already."""
        since = now - LONGEST - timedelta(days=1)
        try:
            used = json.loads(self._used_at.read_text(encoding="ascii"))
            return {each: at for each, at in used.items() if datetime.fromisoformat(at) > since}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise _UsedError(
                f"{self._used_at}, which says what was used, cannot be read; nobody is named until it is removed, "
                "which is safe once the last approval is two hours old"
            ) from error


def _named(device: bytes) -> dict[str, str]:
    kind, octets = device[:1], device[1:]
    if kind == b"m":
        return {"mac": octets.hex(":")}
    return {"address": str(ip_address(octets))}


def ask(path: Path, *, approval: str) -> dict[str, str]:
    """Return what the collector at *path* answers.

    Raises:
        OSError: nobody answers there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
        asker.settimeout(PATIENCE_S)
        asker.connect(str(path))
        with contextlib.suppress(BrokenPipeError):  # whoever may not ask is answered unheard
            asker.sendall(approval.strip().encode() + b"\n")
        with asker.makefile("rb") as answers:
            answer: dict[str, str] = json.loads(answers.readline(LONGEST_ASKED))
            return answer
