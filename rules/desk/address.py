"""Where the desk listens, under which names it answers, and what its cookie is called."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from collector.problems import Fault, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rules.settings import Desk

HIGHEST_PORT = 65_535
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the desk is."""

    host: str
    """Name or address to listen on, an IPv6 address without brackets."""
    port: int
    """Port to listen on; 0: any that is free."""
    tls: bool
    """Whether it has a certificate of its own."""
    public: str | None
    """Address that people use, such as `https://desk.district.example`, without a final slash; None: where it listens.
    """

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return _is_loopback(self.host)

    @property
    def origin(self) -> str:
        """The address that people use, without a final slash."""
        return self.public or f"{self._scheme}://{_in_brackets(self.host)}:{self.port}"

    @property
    def _scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def secure(self) -> bool:
        """Whether people reach it over HTTPS."""
        return self.origin.startswith("https://")

    @property
    def origins(self) -> frozenset[str]:
        """Every origin that a page of this desk can have.

        A page elsewhere that has its own name point to this machine (DNS rebinding) has another one.
        """
        names = {*LOOPBACK_NAMES, *([] if self.everywhere else [_in_brackets(self.host)])}
        return frozenset({self.origin, *(f"{self._scheme}://{name}:{self.port}" for name in names)})

    @property
    def hosts(self) -> frozenset[str]:
        """Every value of the header `Host` that is answered."""
        return frozenset(urlsplit(origin).netloc for origin in self.origins)

    @property
    def cookie(self) -> str:
        """Name of the session cookie."""
        # Cookies do not know ports: two desks on one machine would sign each other's people out.
        return "__Host-schoolgate" if self.secure else f"schoolgate-{self.port}"

    def at(self, port: int) -> Address:
        """Return the same address with the port that it was given."""
        return replace(self, port=port)

    @property
    def everywhere(self) -> bool:
        """Whether it listens on every address of this machine."""
        return self.host in {"0.0.0.0", "::"}  # noqa: S104 -- compared, not bound


def address_faults(listen: str, *, users: str | None, public: str | None, tls: bool) -> Iterator[Fault]:
    """Yield what is wrong with where a desk shall listen.

    Args:
        listen: HOST:PORT.
        users: the file of users; None: there is none.
        public: the address that people use; None: the one it listens on.
        tls: whether it has a certificate of its own.
    """
    host, port = _split(listen)
    if not host or port is None:
        yield Fault(at=("listen",), what=f"{shown(listen)} is no HOST:PORT", remedy="write 127.0.0.1:8080")
        return
    address = Address(host=host, port=port, tls=tls, public=None)
    if users is None and not address.loopback:
        yield Fault(
            at=("listen",),
            what="the desk would be open to others without a file of users",
            remedy="add `users: users.yaml` and run `schoolgate desk users add`, or listen on 127.0.0.1",
        )
    if address.everywhere and public is None:
        yield Fault(
            at=("listen",),
            what="this does not say under which name people reach the desk",
            remedy="add `address: https://desk.district.example`, what they type",
        )
    if tls and public is not None and not public.startswith("https:"):
        yield Fault(at=("address",), what="a desk with a certificate answers https alone", remedy="write https://")
    if public is not None and urlsplit(public).path.strip("/"):
        yield Fault(
            at=("address",), what="the desk needs a name of its own, not a path", remedy="write https://desk.example"
        )


def desk_address(settings: Desk) -> Address:
    """Return where the desk listens by its *settings*."""
    host, port = _split(settings.listen)
    public = _origin(settings.address) if settings.address else None
    return Address(host=host, port=port or 0, tls=settings.tls is not None, public=public)


def _split(listen: str) -> tuple[str, int | None]:
    """Return host and port of HOST:PORT; an empty host, or None for the port, where there is none."""
    host, _, port = listen.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if (":" in bare and host == bare) or not (port.isascii() and port.isdigit() and int(port) <= HIGHEST_PORT):
        return "", None
    return bare, int(port)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    # A browser leaves the usual port out.
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(':443' if parts.scheme == 'https' else ':80')}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _in_brackets(host: str) -> str:
    return f"[{host}]" if ":" in host else host
