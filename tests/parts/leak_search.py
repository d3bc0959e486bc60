"""Looks for secrets in octets of any kind: as they are, packed, in a container, spelled in another alphabet, hashed."""

from __future__ import annotations

import base64
import gzip
import io
import re
import sqlite3
import zipfile
import zlib
from email import message_from_bytes, policy
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from tests.parts.secrets import MARK, Secret, marks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_ZEROS: Final = re.compile(rb"\0{32,}")
_HEX: Final = re.compile(rb"[0-9a-f]{16,}", re.IGNORECASE)
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{11,}")
_SPACED: Final = re.compile(rb"(?:[\x20-\x7e]\0){6,}")
_TEXT: Final = rb"[\x20-\x7e\n\r\t]"
_BINARY: Final = re.compile(rb"(?:" + _TEXT + rb"{0,7}[^\x20-\x7e\n\r\t])+" + _TEXT + rb"{0,7}")
_USUAL: Final = bytes.maketrans(b"-_", b"+/")
_BETWEEN: Final = b"\0\xff\0\xff"
_SHORTEST: Final = 4
_DEEPEST: Final = 4
_CHUNK: Final = 1 << 16


class LeakSearch:
    """Knows what to look for; `find` says what is there.

    Args:
        secrets: what must not be found.
        words: what may have served as the key of a hash (`tests.parts.secrets.marks`).
    """

    def __init__(self, secrets: Iterable[Secret], *, words: Sequence[str] = ()) -> None:
        self._literal: dict[bytes, str] = {}
        self._exact: dict[bytes, str] = {}
        self._numbers: dict[str, str] = {}
        known = tuple(secrets)
        for secret in known:
            for text in secret.texts:
                assert len(text) >= _SHORTEST, secret.name
                if secret.is_number:
                    self._numbers[text] = secret.name
                else:
                    self._literal[text.lower().encode()] = secret.name
            for octets in secret.octets:
                assert len(octets) >= _SHORTEST, secret.name
                self._exact[octets] = f"octets of {secret.name}"
        alone = "|".join(map(re.escape, self._numbers)) or "(?!)"
        self._alone = re.compile(rf"(?<![0-9A-Za-z.])(?:{alone})(?![0-9A-Za-z])".encode())
        self._marks = marks(known, words=words)
        self._seen: dict[bytes, frozenset[str]] = {}
        self._runs: set[bytes] = set()

    def find(self, octets: bytes) -> frozenset[str]:
        """Return what of the secrets is in *octets*, in words; the containers among them are opened."""
        found: set[str] = set()
        for content in opened(octets):
            digest = sha256(content).digest()
            if digest not in self._seen:
                self._seen[digest] = frozenset(self._in(_ZEROS.sub(b"\0" * 8, content)))
            found |= self._seen[digest]
        return frozenset(found)

    def _in(self, octets: bytes) -> Iterator[str]:
        spelled = self._spelled(octets)
        for view in (octets, spelled):
            lower = view.lower()
            yield from (name for literal, name in self._literal.items() if literal in lower)
            yield from (name for exact, name in self._exact.items() if exact in view)
        # Only a text spells a number in digits; among other octets they come by chance.
        yield from (self._numbers[each.decode()] for each in self._alone.findall(octets))
        for view in (*_BINARY.findall(octets), spelled):
            yield from self._hashes(view)

    def _spelled(self, octets: bytes) -> bytes:
        """Return what stands in *octets* in hexadecimal, Base64, percent signs or UTF-16, and stood nowhere before."""
        found: list[bytes] = []
        for run in set(_HEX.findall(octets)) - self._runs:
            found += [bytes.fromhex(run[at : at + (len(run) - at) // 2 * 2].decode()) for at in (0, 1)]
            self._runs.add(run)
        for run in set(_BASE64.findall(octets)) - self._runs:
            usual = run.translate(_USUAL)
            for at in range(4):
                part = usual[at:]
                # Three of four characters left over say two octets, two say one, one says nothing.
                whole = part[: len(part) - (len(part) % 4 == 1)]
                found.append(base64.b64decode(whole + b"=" * (-len(whole) % 4)))
            self._runs.add(run)
        if b"%" in octets:
            found.append(unquote_to_bytes(octets))
        found += [run.replace(b"\0", b"") for run in _SPACED.findall(octets)]
        return _BETWEEN.join(found)

    def _hashes(self, octets: bytes) -> Iterator[str]:
        known = self._marks.keys()
        for start in range(0, len(octets) - MARK + 1, _CHUNK):
            end = min(start + _CHUNK, len(octets) - MARK + 1)
            for mark in known & {octets[at : at + MARK] for at in range(start, end)}:
                yield self._marks[mark]


def opened(octets: bytes, *, depth: int = 0) -> Iterator[bytes]:
    """Yield *octets* and, where they are a container, what is in it: gzip, zlib, zip, mails."""
    yield octets
    if depth < _DEEPEST:
        for inner in _inner(octets):
            yield from opened(inner, depth=depth + 1)


def _inner(octets: bytes) -> Iterator[bytes]:
    if octets[:2] == b"\x1f\x8b":
        with gzip.GzipFile(fileobj=io.BytesIO(octets)) as file:
            yield file.read()
    elif octets[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            yield "\n".join(archive.namelist()).encode()
            yield from (archive.read(name) for name in archive.namelist())
    elif octets[:1] == b"\x78" and len(octets) > _SHORTEST and int.from_bytes(octets[:2], "big") % 31 == 0:
        try:
            yield zlib.decompress(octets)
        except zlib.error:  # a text that begins with an x
            return
    elif octets[:512].lower().startswith((b"from:", b"received:", b"message-id:", b"content-type:", b"subject:")):
        for part in message_from_bytes(octets, policy=policy.default).walk():
            yield from (f"{name}: {value}".encode("utf-8", "replace") for name, value in part.items())
            content = part.get_payload(decode=True)
            if isinstance(content, bytes):
                yield content


def contents_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield place and content of everything under *folder*: names, files, and the rows of SQLite databases."""
    for path in sorted(folder.rglob("*")):
        place = str(path.relative_to(folder))
        yield f"the name {place}", place.encode()
        if path.is_symlink():
            yield f"the link {place}", str(path.readlink()).encode()
        elif path.is_file():
            with path.open("rb") as file:
                octets = file.read()
            yield place, octets
            if octets.startswith(b"SQLite format 3\0"):
                yield from ((f"{place}: {table}", row) for table, row in rows_of(path))


def rows_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield table and octets of every cell of a SQLite database, its write-ahead log included."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            texts = bytearray()
            for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 -- a name that the database gave
                for cell in row:
                    if isinstance(cell, bytes):
                        yield table, cell
                    texts += str(cell).encode() + b"\n" if not isinstance(cell, bytes) else b""
            yield table, bytes(texts)
    finally:
        database.close()
