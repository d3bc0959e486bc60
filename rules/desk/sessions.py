"""Who is signed in: kept here alone, known by a random number in a cookie, forgotten after a while.

In memory only: a restart signs everybody out, and nothing of it can lie in a backup (docs/decisions/0016).
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_S: Final = 30 * 60.0
"""Seconds without a request after which a session ends."""
ABSOLUTE_S: Final = 12 * 3600.0
"""Seconds after which a session ends whatever happens: a working day."""
MOST_MEMBERS: Final = 500
"""Sessions of people who are signed in; beyond, the one that was quiet for longest ends."""
MOST_VISITORS: Final = 2000
"""Sessions of people who see the sign-in page; apart from the others, so that strangers sign nobody out."""


def _random() -> str:
    return secrets.token_urlsafe(32)


@dataclass(slots=True, kw_only=True)
class Session:
    """One browser."""

    name: str | None
    """Account that is signed in; None: nobody yet."""
    stamp: str
    """What the account was when it signed in; an account that differs from it since is signed out."""
    began_s: float
    """When it began."""
    seen_s: float
    """When it was used last."""
    csrf: str = field(default_factory=_random)
    """What every form of this session carries."""


class Sessions:
    """The sessions of one desk.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._members: OrderedDict[bytes, Session] = OrderedDict()
        self._visitors: OrderedDict[bytes, Session] = OrderedDict()
        self._lock = threading.Lock()

    def visit(self) -> tuple[str, Session]:
        """Begin a session of somebody who is not signed in; return what the cookie holds, and the session."""
        return self._begin(self._visitors, name=None, stamp="", most=MOST_VISITORS)

    def sign_in(self, name: str, *, stamp: str, instead_of: str | None) -> tuple[str, Session]:
        """Begin a session of *name* under a new number.

        Args:
            name: the account.
            stamp: what the account is now.
            instead_of: what the cookie held until now. It means nothing any more: whoever planted it learns nothing.
        """
        self.end(instead_of)
        return self._begin(self._members, name=name, stamp=stamp, most=MOST_MEMBERS)

    def find(self, cookie: str | None) -> Session | None:
        """Return the session of this cookie and note that it is used; None: there is none, or it is over."""
        if not cookie:
            return None
        key = _key(cookie)
        with self._lock:
            now = self._clock()
            for pool in (self._members, self._visitors):
                session = pool.get(key)
                if session is None:
                    continue
                if now - session.seen_s > IDLE_S or now - session.began_s > ABSOLUTE_S:
                    del pool[key]
                    return None
                session.seen_s = now
                pool.move_to_end(key)
                return session
        return None

    def end(self, cookie: str | None) -> None:
        """End the session of this cookie, if there is one."""
        if cookie:
            with self._lock:
                self._members.pop(_key(cookie), None)
                self._visitors.pop(_key(cookie), None)

    @property
    def members(self) -> int:
        """How many sessions are signed in and not over."""
        with self._lock:
            now = self._clock()
            return sum(now - one.seen_s <= IDLE_S and now - one.began_s <= ABSOLUTE_S for one in self._members.values())

    def _begin(
        self, pool: OrderedDict[bytes, Session], *, name: str | None, stamp: str, most: int
    ) -> tuple[str, Session]:
        cookie = _random()
        with self._lock:
            now = self._clock()
            session = Session(name=name, stamp=stamp, began_s=now, seen_s=now)
            pool[_key(cookie)] = session
            while len(pool) > most:
                pool.popitem(last=False)
        return cookie, session


def _key(cookie: str) -> bytes:
    # Kept as a hash: looking one up takes as long whether or not its first characters are right.
    return sha256(cookie.encode(errors="surrogatepass")).digest()
