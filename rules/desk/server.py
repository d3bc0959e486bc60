"""The desk in a thread of its own, so that `desk`, `run` and `demo` can each have one."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from collector.problems import DocumentError, Problem
from collector.server_tls import server_context
from rules.desk.access_log import AccessLog
from rules.desk.accounts import Accounts
from rules.desk.address import desk_address
from rules.desk.app import desk_app
from rules.desk.invitation import Invitation
from rules.desk.limits import Limiter
from rules.desk.listing import Listing
from rules.desk.office import Office
from rules.desk.page import static_files, templates
from rules.desk.papers import Papers
from rules.desk.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rules.desk.address import Address
    from rules.rulebook import RulebookFiles
    from rules.settings import Desk
    from rules.store import Store

MOST_CONNECTIONS: Final = 100
"""Requests and connections at once; beyond, the answer is 503. A browser opens six."""
IDLE_CONNECTION_S: Final = 15
STOP_S: Final = 5
"""Seconds that answers which are under way get when the desk stops."""
SIGN_INS_AT_ONCE: Final = 8
SIGN_IN_EVERY_S: Final = 60.0
"""Wrong passwords of one name: eight, then one a minute: a year to try half a million."""
SIGN_INS_AT_ONCE_OF_ORIGIN: Final = 40
SIGN_IN_OF_ORIGIN_EVERY_S: Final = 10.0
"""The same of one address, behind which a whole office may sit."""


# What the server's libraries load when it first answers.
LOADED_LATE: Final = ("anyio._backends._asyncio", "uvicorn.lifespan.off", "uvicorn.loops.asyncio")


def load_desk() -> None:
    """Load what a desk needs later: a process that gives up its rights may not reach the program's folder then."""
    for name in LOADED_LATE:
        import_module(name)
    templates()
    static_files()


class DeskListenError(OSError):
    """The desk cannot listen where it should; the message says where, why and what to do."""


class DeskServer:
    """Serves the desk from `start` to `stop`.

    Args:
        store: the case store.
        settings: the desk's part of the configuration.
        files: where agreements, network and parties lie.
        folder: where relative paths in the configuration start.
        version: of the product.
        say: what the operator is told.

    Raises:
        DocumentError: a file is wrong, or the desk must not listen there.
    """

    def __init__(
        self,
        store: Store,
        *,
        settings: Desk,
        files: RulebookFiles,
        folder: Path,
        version: str,
        say: Callable[[str], None],
    ) -> None:
        self._address = desk_address(settings)
        self._tls = server_context(settings.tls, folder=folder)
        self._accounts = _accounts(folder / settings.users, say=say) if settings.users is not None else None
        self._invitation = None if self._accounts is not None else Invitation()
        self._store = store
        self._papers = Papers(files, say=say)
        self._version = version
        self._say = say
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> Address:
        """Where it listens, once it has started."""
        return self._address

    @property
    def sign_in_address(self) -> str:
        """Where people sign in; without a file of users this address works once."""
        word = self._invitation.word if self._invitation else ""
        return f"{self._address.origin}/enter/{word}" if word else f"{self._address.origin}/"

    @property
    def invites(self) -> bool:
        """Whether its sign-in address works by itself."""
        return self._invitation is not None and bool(self._invitation.word)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What in the district's files is right and yet not used."""
        return self._papers.warnings

    @property
    def welcome(self) -> str:
        """One line that says where it is."""
        how = "this address signs in once" if self.invites else "sign in with your name and password"
        return f"the case desk: {self.sign_in_address} ({how})"

    def read_again(self) -> None:
        """Read the district's files again at the next page, changed or not."""
        self._papers.ask()

    def start(self) -> None:
        """Begin to serve; return when requests are answered.

        Raises:
            DeskListenError: the port is taken or not ours.
            StoreError: the store cannot be read.
        """
        listening = _listen(self._address)
        self._address = self._address.at(listening.getsockname()[1])
        office = self._office()
        # Once through all cases now, so that nobody waits for it.
        office.listing.lines()
        app = desk_app(office)
        config = uvicorn.Config(
            app,
            http=H11Protocol,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            server_header=False,
            # Who says that he is a proxy may be anybody on this machine.
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=IDLE_CONNECTION_S,
            timeout_graceful_shutdown=STOP_S,
            ssl_context_factory=None if (tls := self._tls) is None else lambda *_: tls,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listening]}, name="desk", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop to serve; answers that are under way get a few seconds."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()

    def _office(self) -> Office:
        return Office(
            store=self._store,
            listing=Listing(self._store),
            papers=self._papers,
            sessions=Sessions(clock=time.monotonic),
            access_log=AccessLog(self._store),
            address=self._address,
            accounts=self._accounts,
            invitation=self._invitation,
            by_account=Limiter(burst=SIGN_INS_AT_ONCE, interval_s=SIGN_IN_EVERY_S, clock=time.monotonic),
            by_origin=Limiter(
                burst=SIGN_INS_AT_ONCE_OF_ORIGIN, interval_s=SIGN_IN_OF_ORIGIN_EVERY_S, clock=time.monotonic
            ),
            clock=lambda: datetime.now(UTC),
            say=self._say,
            version=self._version,
        )


def _accounts(path: Path, *, say: Callable[[str], None]) -> Accounts:
    accounts = Accounts(path, say=say)
    if not len(accounts):
        what, remedy = "nobody may sign in to the desk", "run `schoolgate desk users add NAME`"
        raise DocumentError([Problem(path=str(path), line=1, what=what, remedy=remedy)])
    return accounts


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address.host, address.port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise DeskListenError(
            f"cannot serve the case desk on {address.host}:{address.port} ({error.strerror or error}); write another "
            "HOST:PORT as `desk.listen` in the configuration"
        ) from error
    return listening
