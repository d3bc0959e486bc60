"""Reads the two hellos of TLS: what the client asks for and what the server agrees to. Nothing beyond them is read.

Every connection passes through here: compiled, in one pass; the C types stand in tls.pxd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from collector import slices
from collector.dissect.errors import DissectError
from collector.dissect.hostname import host_name, is_literal, without_port

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

MAX_RECORD = MAX_RECORD_OCTETS  # compiled, a C variable
_MAX_HELLO = MAX_HELLO_OCTETS
_SERVER_NAME = 0
_ALPN = 16
_SUPPORTED_VERSIONS = 43
_ENCRYPTED_CLIENT_HELLO = 0xFE0D

RECORD_HEADER = 5  # compiled, a C variable
_FATAL = 2
_TLS_1_0 = 0x0301
_TLS_1_3 = 0x0304
_VERSION_NAMES: dict[int, TlsVersion] = {_TLS_1_0: "1.0", 0x0302: "1.1", 0x0303: "1.2", _TLS_1_3: "1.3"}
# Both hellos: message header (4), version (2), random (32), then the length of the session id.
_VERSION_AT = 4
_SESSION_AT = 38


class ClientHello:
    """What a ClientHello says (RFC 8446 section 4.1.2). Read only; filled in by `client_hello`."""

    __slots__ = ("alpn", "ech", "legacy_version", "name_literal", "name_refused", "server_name", "version")

    server_name: str | None
    """Name the client asked for (RFC 6066 section 3), lower case. None: none, or no host name. Untrusted: escape it."""
    name_refused: bool
    """A name was there and is no host name: odd octets, too long, or an IP literal."""
    name_literal: bool
    """What was there is an IP literal."""
    alpn: tuple[str, ...]
    """Protocols offered, in order, without grease (RFC 7301). Untrusted: escape them."""
    version: int
    """Highest version offered, without grease: 0x0304 is TLS 1.3."""
    legacy_version: int
    """The version field itself; TLS 1.3 leaves it at 0x0303."""
    ech: Literal["outer", "inner"] | None
    """Encrypted Client Hello (RFC 9849). `outer`: the name may be a public front, or all of it is grease; `inner`: the
    name is the real one; None: the extension is absent."""

    def __init__(self, legacy_version: int) -> None:
        self.server_name = None
        self.name_refused = False
        self.name_literal = False
        self.alpn = ()
        self.version = legacy_version
        self.legacy_version = legacy_version
        self.ech = None


class ServerHello:
    """What a ServerHello says (RFC 8446 section 4.1.3). Read only; filled in by `server_hello`."""

    __slots__ = ("alpn", "version")

    version: int
    """Version agreed on: 0x0304 is TLS 1.3."""
    alpn: str | None
    """Protocol agreed on; None: none, or hidden (TLS 1.3 sends it encrypted). Untrusted: escape it."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.alpn = None


def version_name(version: int) -> TlsVersion | None:
    """Return the name of a version number on the wire; None: unknown."""
    name = _VERSION_NAMES.get(version)
    if name is not None:
        return name
    if _is_draft(version):
        return "1.3"
    # The contract has no word below 1.0. What matters of SSL 2.0 and 3.0 is that they lie below 1.2.
    return "1.0" if version in {0x0300, 0x0002} else None


def _is_draft(version: int) -> bool:
    """Say whether this is a draft of TLS 1.3 (0x7f00 and a number), or a large deployment's own (0xfb00 likewise)."""
    high = version >> 8
    return high == 0x7F or high == 0xFB  # noqa: PLR1714 -- compiled to two comparisons


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
            elif size - self._at < RECORD_HEADER or len(self.octets) > _MAX_HELLO or not self._begin(stream):
                return

    def _begin(self, stream: bytearray) -> bool:
        """Begin with the record that starts here; False: its header says too little yet."""
        at = self._at
        kind = stream[at]
        length = (stream[at + 3] << 8) | stream[at + 4]
        if stream[at + 1] != 3 or not CHANGE_CIPHER_SPEC <= kind <= APPLICATION_DATA or length > MAX_RECORD:
            raise DissectError("no TLS record")
        if kind == ALERT:
            if len(stream) == at + RECORD_HEADER:
                return False
            # A warning may come before the ServerHello (RFC 6066 section 3, unrecognized_name); a fatal one ends it.
            self.ended = stream[at + RECORD_HEADER] == _FATAL
        elif kind == APPLICATION_DATA:
            self.ended = True
        self._copy = kind == HANDSHAKE
        self._left = length
        self._at = at + RECORD_HEADER
        return True


def first_message_end(stream: bytearray) -> int:
    """Return where the handshake message ends that begins *stream*, if the first record holds all of it.

    Nearly every hello lies in one record: it can be waited for by its length and needs no `Handshakes`. 0: too few
    octets to tell; -1: something else comes first, or the message goes on in further records.
    """
    if stream and stream[0] != HANDSHAKE:
        return -1
    if len(stream) < RECORD_HEADER + 4:
        return 0
    length = (stream[3] << 8) | stream[4]
    size = 4 + ((stream[6] << 16) | (stream[7] << 8) | stream[8])
    if stream[1] != 3 or length > MAX_RECORD or size > length:
        return -1
    return RECORD_HEADER + size


def _message(handshake: bytearray, kind: int) -> bytes | None:
    """Return the first message up to its end, header included; None while octets are missing."""
    size = len(handshake)
    if size and handshake[0] != kind:
        raise DissectError(f"handshake message {handshake[0]}, not {kind}")
    if size < 4:
        return None
    end = 4 + ((handshake[1] << 16) | (handshake[2] << 8) | handshake[3])
    if end > _MAX_HELLO:
        raise DissectError(f"hello of {end} octets")
    if size < end:
        return None
    return slices.piece(handshake, 0, end)


def client_hello(handshake: bytes | bytearray) -> ClientHello | None:
    """Return what the ClientHello at the start of *handshake* says, or None while octets are missing.

    Args:
        handshake: handshake octets without record headers, from TLS records or QUIC CRYPTO frames.

    Raises:
        DissectError: this is no ClientHello.

    Source: RFC 8446 section 4.1.2; RFC 6066 section 3; RFC 7301; RFC 8701 (grease); RFC 9849.
    """
    octets = handshake if isinstance(handshake, bytearray) else bytearray(handshake)
    message = _message(octets, CLIENT_HELLO)
    return None if message is None else client_message(message)


def client_message(message: bytes) -> ClientHello:
    """Return what *message*, a whole ClientHello with its header, says.

    Raises:
        DissectError: it breaks the format.
    """
    try:
        return _client_message(message)
    except IndexError as cut:
        raise DissectError("ClientHello ends too early") from cut


def _client_message(message: bytes) -> ClientHello:
    found = ClientHello((message[_VERSION_AT] << 8) | message[_VERSION_AT + 1])
    at = _SESSION_AT + 1 + message[_SESSION_AT]
    at += 2 + ((message[at] << 8) | message[at + 1])
    at += 1 + message[at]
    if at >= len(message):
        return found
    end = at + 2 + ((message[at] << 8) | message[at + 1])
    at += 2
    if end > len(message):
        raise DissectError("extensions run past the ClientHello")
    while at < end:
        kind = (message[at] << 8) | message[at + 1]
        size = (message[at + 2] << 8) | message[at + 3]
        at += 4
        if at + size > end:
            raise DissectError("an extension runs past the others")
        if kind == _SERVER_NAME:
            _name(found, message, at, at + size)
        elif kind == _ALPN:
            found.alpn = _protocols(message, at, at + size)
        elif kind == _SUPPORTED_VERSIONS:
            found.version = _highest(message, at, at + size) or found.legacy_version
        elif kind == _ENCRYPTED_CLIENT_HELLO:
            found.ech = "inner" if size == 1 and message[at] == 1 else "outer"
        at += size
    return found


def _name(found: ClientHello, message: bytes, at: int, end: int) -> None:
    """Note the host name of a server_name extension, or that one was there that names no host."""
    found.server_name = None
    found.name_refused = False
    found.name_literal = False
    if end - at < 5 or message[at + 2]:
        return
    octets = message[at + 5 : min(at + 5 + ((message[at + 3] << 8) | message[at + 4]), end)]
    if octets:
        name = host_name(octets)
        if name is None:
            # Some clients put a port behind the name, against RFC 6066: what stands before it is what they asked for.
            name = host_name(without_port(octets))
        found.server_name = name
        found.name_refused = name is None
        found.name_literal = name is None and is_literal(octets)


def _protocols(message: bytes, at: int, end: int) -> tuple[str, ...]:
    protocols = []
    at += 2
    while at < end:
        behind = min(at + 1 + message[at], end)
        if not _is_grease(message, at + 1, behind):
            protocols.append(message[at + 1 : behind].decode("ascii", "backslashreplace"))
        at = behind
    return tuple(protocols)


def _is_grease(message: bytes, at: int, end: int) -> bool:
    """Say whether a protocol was thrown in to keep servers tolerant (RFC 8701 section 2: 0x0a0a, 0x1a1a, ...)."""
    return end - at == 2 and message[at] == message[at + 1] and message[at] & 0x0F == 0x0A


def _highest(message: bytes, at: int, end: int) -> int:
    """Return the highest version of a supported_versions extension; 0: none that is known."""
    if at == end:
        raise DissectError("supported_versions is empty")
    highest = 0
    last = min(at + 1 + message[at], end - 1)
    at += 1
    while at < last:
        version = (message[at] << 8) | message[at + 1]
        if version == _TLS_1_3 or _is_draft(version):
            return _TLS_1_3
        if _TLS_1_0 <= version < _TLS_1_3 and version > highest:
            highest = version
        at += 2
    return highest


def server_hello(handshake: bytes | bytearray) -> ServerHello | None:
    """Return what the ServerHello at the start of *handshake* says, or None while octets are missing.

    A HelloRetryRequest has the same form and already names the version.

    Raises:
        DissectError: this is no ServerHello.

    Source: RFC 8446 section 4.1.3; RFC 5246 section 7.4.1.3; RFC 7301.
    """
    octets = handshake if isinstance(handshake, bytearray) else bytearray(handshake)
    message = _message(octets, SERVER_HELLO)
    return None if message is None else server_message(message)


def server_message(message: bytes) -> ServerHello:
    """Return what *message*, a whole ServerHello with its header, says.

    Raises:
        DissectError: it breaks the format.
    """
    try:
        return _server_message(message)
    except IndexError as cut:
        raise DissectError("ServerHello ends too early") from cut


def _server_message(message: bytes) -> ServerHello:
    found = ServerHello((message[_VERSION_AT] << 8) | message[_VERSION_AT + 1])
    at = _SESSION_AT + 1 + message[_SESSION_AT] + 3
    if at >= len(message):
        return found
    end = at + 2 + ((message[at] << 8) | message[at + 1])
    at += 2
    if end > len(message):
        raise DissectError("extensions run past the ServerHello")
    while at < end:
        kind = (message[at] << 8) | message[at + 1]
        size = (message[at + 2] << 8) | message[at + 3]
        at += 4
        if kind == _SUPPORTED_VERSIONS:
            found.version = (message[at] << 8) | message[at + 1]
        elif kind == _ALPN:
            protocols = _protocols(message, at, min(at + size, end))
            found.alpn = protocols[0] if protocols else None
        at += size
    return found


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
    return ClientHello(version)
