"""Reads the two hellos of TLS: what the client asks for and what the server agrees to. Nothing beyond them is read."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as StructError  # noqa: N812 -- struct calls its error `error`, which says nothing here
from typing import TYPE_CHECKING, Literal

from collector.dissect.errors import DissectError
from collector.dissect.hostname import host_name, without_port

if TYPE_CHECKING:
    from collector.events import TlsVersion

MAX_HELLO_OCTETS = 65_536
"""Longest hello that is read; hellos with post-quantum key shares take some 2,000 octets."""
MAX_RECORD_OCTETS = 16_384 + 2_048
"""Longest record (RFC 5246 section 6.2.3); TLS 1.3 allows less."""
MAX_SSL2_HELLO_OCTETS = 2_048

CHANGE_CIPHER_SPEC = 20
ALERT = 21
HANDSHAKE = 22
APPLICATION_DATA = 23

CLIENT_HELLO = 1
SERVER_HELLO = 2

_SERVER_NAME = 0
_ALPN = 16
_SUPPORTED_VERSIONS = 43
_ENCRYPTED_CLIENT_HELLO = 0xFE0D

_RECORD_HEADER_OCTETS = 5
_MESSAGE_HEADER_OCTETS = 4
_FATAL = 2
_TLS_1_0 = 0x0301
_TLS_1_3 = 0x0304
_TWO_SHORTS = Struct(">HH")
_SHORT = Struct(">H")
_VERSION_NAMES: dict[int, TlsVersion] = {_TLS_1_0: "1.0", 0x0302: "1.1", 0x0303: "1.2", _TLS_1_3: "1.3"}
# What both hellos start with: version, random, length of the session id.
_HELLO_START = Struct(">H32xB")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHello:
    """What a ClientHello says (RFC 8446 section 4.1.2)."""

    server_name: str | None
    """Name the client asked for (RFC 6066 section 3), lower case. None: none, or no host name. Untrusted: escape it."""
    name_refused: bool
    """A name was there and is no host name: odd octets, too long, or an IP literal."""
    alpn: tuple[str, ...]
    """Protocols offered, in order, without grease (RFC 7301). Untrusted: escape them."""
    version: int
    """Highest version offered, without grease: 0x0304 is TLS 1.3."""
    legacy_version: int
    """The version field itself; TLS 1.3 leaves it at 0x0303."""
    ech: Literal["outer", "inner"] | None
    """Encrypted Client Hello (RFC 9849). `outer`: the name may be a public front, or all of it is grease; `inner`: the
    name is the real one; None: the extension is absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerHello:
    """What a ServerHello says (RFC 8446 section 4.1.3)."""

    version: int
    """Version agreed on: 0x0304 is TLS 1.3."""
    alpn: str | None
    """Protocol agreed on; None: none, or hidden (TLS 1.3 sends it encrypted). Untrusted: escape it."""


def version_name(version: int) -> TlsVersion | None:
    """Return the name of a version number on the wire; None: unknown."""
    name = _VERSION_NAMES.get(version)
    if name is not None:
        return name
    # Drafts of TLS 1.3 (0x7f00 and a number) and a large deployment's own drafts (0xfb00 and a number).
    if version >> 8 in {0x7F, 0xFB}:
        return "1.3"
    # The contract has no word below 1.0. What matters of SSL 2.0 and 3.0 is that they lie below 1.2.
    return "1.0" if version in {0x0300, 0x0002} else None


class Handshakes:
    """Takes the handshake octets of one direction out of its records, whatever their sizes, as they arrive.

    Source: RFC 8446 section 5.1.
    """

    __slots__ = ("_at", "_copy", "_left", "ended", "octets")

    def __init__(self) -> None:
        self.octets = bytearray()
        """Handshake messages so far, without record headers."""
        self.ended = False
        """No further handshake can come in the clear: application data or a fatal alert was seen."""
        self._at = 0
        self._left = 0
        self._copy = False

    def read(self, stream: bytearray) -> None:
        """Read on in *stream*, which holds all octets of the direction from its first record on.

        Raises:
            DissectError: this is no record of TLS.
        """
        size = len(stream)
        while not self.ended:
            if self._left:
                end = min(self._at + self._left, size)
                if self._copy:
                    self.octets += stream[self._at : end]
                self._left -= end - self._at
                self._at = end
                if self._left:
                    return
            elif (
                size - self._at < _RECORD_HEADER_OCTETS
                or len(self.octets) > MAX_HELLO_OCTETS
                or not self._begin(stream)
            ):
                return

    def _begin(self, stream: bytearray) -> bool:
        """Begin with the record that starts here; False: its header says too little yet."""
        at = self._at
        kind = stream[at]
        length = (stream[at + 3] << 8) | stream[at + 4]
        if stream[at + 1] != 3 or not CHANGE_CIPHER_SPEC <= kind <= APPLICATION_DATA or length > MAX_RECORD_OCTETS:
            raise DissectError("no TLS record")
        if kind == ALERT:
            if len(stream) == at + _RECORD_HEADER_OCTETS:
                return False
            # A warning may come before the ServerHello (RFC 6066 section 3, unrecognized_name); a fatal one ends it.
            self.ended = stream[at + _RECORD_HEADER_OCTETS] == _FATAL
        elif kind == APPLICATION_DATA:
            self.ended = True
        self._copy = kind == HANDSHAKE
        self._left = length
        self._at = at + _RECORD_HEADER_OCTETS
        return True


def _body(handshake: bytes | bytearray, *, kind: int) -> bytes | None:
    """Return the first message up to its end, header included; None while octets are missing."""
    if handshake and handshake[0] != kind:
        raise DissectError(f"handshake message {handshake[0]}, not {kind}")
    if len(handshake) < _MESSAGE_HEADER_OCTETS:
        return None
    end = _MESSAGE_HEADER_OCTETS + ((handshake[1] << 16) | (handshake[2] << 8) | handshake[3])
    if end > MAX_HELLO_OCTETS:
        raise DissectError(f"hello of {end} octets")
    return bytes(handshake[:end]) if len(handshake) >= end else None


def client_hello(handshake: bytes | bytearray) -> ClientHello | None:
    """Return what the ClientHello at the start of *handshake* says, or None while octets are missing.

    Args:
        handshake: handshake octets without record headers, from TLS records or QUIC CRYPTO frames.

    Raises:
        DissectError: this is no ClientHello.

    Source: RFC 8446 section 4.1.2; RFC 6066 section 3; RFC 7301; RFC 8701 (grease); RFC 9849.
    """
    hello = _body(handshake, kind=CLIENT_HELLO)
    if hello is None:
        return None
    try:
        legacy, session_octets = _HELLO_START.unpack_from(hello, _MESSAGE_HEADER_OCTETS)
        at = _MESSAGE_HEADER_OCTETS + 35 + session_octets
        at += 2 + ((hello[at] << 8) | hello[at + 1])
        at += 1 + hello[at]
        return _client_extensions(hello, at=at, legacy=legacy)
    except (IndexError, StructError) as cut:
        raise DissectError("ClientHello ends too early") from cut


def _client_extensions(hello: bytes, *, at: int, legacy: int) -> ClientHello:
    name: str | None = None
    refused = False
    alpn: tuple[str, ...] = ()
    version = legacy
    ech: Literal["outer", "inner"] | None = None
    if at < len(hello):
        end = at + 2 + ((hello[at] << 8) | hello[at + 1])
        at += 2
        if end > len(hello):
            raise DissectError("extensions run past the ClientHello")
        while at < end:
            kind, size = _TWO_SHORTS.unpack_from(hello, at)
            at += 4
            if at + size > end:
                raise DissectError("an extension runs past the others")
            if kind == _SERVER_NAME:
                name, refused = _name(hello[at : at + size])
            elif kind == _ALPN:
                alpn = _protocols(hello[at : at + size])
            elif kind == _SUPPORTED_VERSIONS:
                version = _highest(hello[at : at + size]) or legacy
            elif kind == _ENCRYPTED_CLIENT_HELLO:
                ech = "inner" if hello[at : at + size] == b"\x01" else "outer"
            at += size
    return ClientHello(
        server_name=name, name_refused=refused, alpn=alpn, version=version, legacy_version=legacy, ech=ech
    )


def _name(extension: bytes) -> tuple[str | None, bool]:
    """Return the host name of a server_name extension, and whether one was there that names no host."""
    if len(extension) < 5 or extension[2]:
        return None, False
    octets = extension[5 : 5 + ((extension[3] << 8) | extension[4])]
    name = host_name(octets)
    if name is None:
        # Some clients put a port behind the name, against RFC 6066: what stands before it is still what they asked for.
        name = host_name(without_port(octets))
    return name, name is None and bool(octets)


def _protocols(extension: bytes) -> tuple[str, ...]:
    protocols = []
    at = 2
    while at < len(extension):
        protocol = extension[at + 1 : at + 1 + extension[at]]
        if not _is_grease(protocol):
            protocols.append(protocol.decode("ascii", "backslashreplace"))
        at += 1 + extension[at]
    return tuple(protocols)


def _is_grease(protocol: bytes) -> bool:
    """Say whether a protocol was thrown in to keep servers tolerant (RFC 8701 section 2: 0x0a0a, 0x1a1a, ...)."""
    return len(protocol) == 2 and protocol[0] == protocol[1] and protocol[0] & 0x0F == 0x0A


def _highest(extension: bytes) -> int:
    """Return the highest version of a supported_versions extension; 0: none that is known."""
    highest = 0
    for at in range(1, min(1 + extension[0], len(extension) - 1), 2):
        (version,) = _SHORT.unpack_from(extension, at)
        if version_name(version) == "1.3":
            return _TLS_1_3
        if version in _VERSION_NAMES and version > highest:
            highest = version
    return highest


def server_hello(handshake: bytes | bytearray) -> ServerHello | None:
    """Return what the ServerHello at the start of *handshake* says, or None while octets are missing.

    A HelloRetryRequest has the same form and already names the version.

    Raises:
        DissectError: this is no ServerHello.

    Source: RFC 8446 section 4.1.3; RFC 5246 section 7.4.1.3; RFC 7301.
    """
    hello = _body(handshake, kind=SERVER_HELLO)
    if hello is None:
        return None
    try:
        version, session_octets = _HELLO_START.unpack_from(hello, _MESSAGE_HEADER_OCTETS)
        at = _MESSAGE_HEADER_OCTETS + 35 + session_octets + 3
        alpn: str | None = None
        if at < len(hello):
            end = at + 2 + ((hello[at] << 8) | hello[at + 1])
            at += 2
            if end > len(hello):
                raise DissectError("extensions run past the ServerHello")
            while at < end:
                kind, size = _TWO_SHORTS.unpack_from(hello, at)
                at += 4
                if kind == _SUPPORTED_VERSIONS:
                    (version,) = _SHORT.unpack_from(hello, at)
                elif kind == _ALPN:
                    alpn = next(iter(_protocols(hello[at : at + size])), None)
                at += size
    except (IndexError, StructError) as cut:
        raise DissectError("ServerHello ends too early") from cut
    return ServerHello(version=version, alpn=alpn)


def ssl2_client_hello(stream: bytes | bytearray) -> ClientHello | None:
    """Return what a hello in the old SSL 2.0 form says (it names no host), or None while octets are missing.

    Raises:
        DissectError: this is no such hello.

    Source: RFC 5246 appendix E.2.
    """
    if len(stream) < 11:
        return None
    length = ((stream[0] & 0x7F) << 8) | stream[1]
    version = (stream[3] << 8) | stream[4]
    ciphers = (stream[5] << 8) | stream[6]
    session = (stream[7] << 8) | stream[8]
    challenge = (stream[9] << 8) | stream[10]
    if (
        not stream[0] & 0x80
        or stream[2] != CLIENT_HELLO
        or version_name(version) is None
        or not ciphers
        or ciphers % 3
        or session not in {0, 16}
        or not 16 <= challenge <= 32
        or length != 9 + ciphers + session + challenge
        or length > MAX_SSL2_HELLO_OCTETS
    ):
        raise DissectError("no SSL 2.0 hello")
    return ClientHello(server_name=None, name_refused=False, alpn=(), version=version, legacy_version=version, ech=None)
