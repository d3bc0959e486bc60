"""A leak is found in whatever it is wrapped, and what merely looks like one is left alone."""

from __future__ import annotations

import base64
import gzip
import hmac
import io
import json
import os
import sqlite3
import zipfile
import zlib
from email.message import EmailMessage
from hashlib import blake2b, md5, sha1, sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.parts.leak_search import LeakSearch, contents_of
from tests.parts.secrets import Secret, host, ipv4, ipv6, mac

if TYPE_CHECKING:
    from pathlib import Path

ADDRESS, NAME = "192.0.2.231", "club.stargazing.example"
PACKED = bytes([192, 0, 2, 231])
MAC = bytes.fromhex("00005e0053c7")
FOUND = {
    "its IPv4 address": ipv4("its IPv4 address", ADDRESS), "its MAC address": mac("its MAC address", MAC),
    "its IPv6 address": ipv6("its IPv6 address", "2001:db8::b1a5:ed0c:a11a:1e55"), "its visit": host("its visit", NAME),
    "its port": Secret(name="its port", texts=("61417",), is_number=True),
}  # fmt: skip


@pytest.fixture(scope="module")
def search() -> LeakSearch:
    return LeakSearch(FOUND.values(), words=("lincoln", "2026-10-06", "lincoln-tap"))


def zipped(octets: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.json", octets)
    return target.getvalue()


def mailed(text: str) -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "Größe"
    mail.set_content(text, cte="base64")
    return bytes(mail)


NOISE = b'{"id":"6ddf8872d3e51a4e","bytes_up":61,"at":"2026-10-06T14:00:00.614170Z"}\n' * 20
WRAPPINGS = {
    "plain": NAME.encode(),
    "capitals": NAME.upper().encode(),
    "labels of the DNS": b"\x04club\x0astargazing\x07example\0",
    "hexadecimal": NAME.encode().hex().encode(),
    "capital hexadecimal, half a digit off": b"A" + NAME.encode().hex().upper().encode(),
    **{f"Base64, {off} on": base64.b64encode(b"x" * off + NAME.encode()) for off in range(3)},
    "Base64 for addresses": base64.urlsafe_b64encode(b"\xff\xfe" + NAME.encode()),
    "percent signs": quote(NAME).replace("a", "%61").encode(),
    "UTF-16": NAME.encode("utf-16-le"),
    "gzip": gzip.compress(NOISE + NAME.encode()),
    "gzip in gzip": gzip.compress(gzip.compress(NAME.encode())),
    "zlib": zlib.compress(NOISE + NAME.encode()),
    "zip": zipped(NAME.encode()),
    "a mail": mailed(f"Somebody visited {NAME}.\n"),
    "a mail in JSON of a mail box": json.dumps({"data": NAME}).encode(),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_name_is_found_however_it_is_wrapped(search: LeakSearch, wrapping: str) -> None:
    octets = WRAPPINGS[wrapping]
    around = octets if octets[:1] in {b"\x1f", b"\x78", b"P", b"S"} else NOISE + b' "' + octets + b'" ' + NOISE
    assert "its visit" in {each.removeprefix("octets of ") for each in search.find(around)}


@pytest.mark.parametrize(
    "octets",
    [
        ADDRESS.encode(), b"c00002e7", str(int.from_bytes(PACKED, "big")).encode(), b"231.2.0.192.in-addr.arpa",
        b"\0\0\0\0" + PACKED + b"\xff\xff", b"::ffff:192.0.2.231", PACKED[::-1] + b"\0" * 500,
        base64.b64encode(b"address=" + PACKED + b"&"), MAC.hex(":").upper().encode(), MAC.hex("-").encode(),
        b"0000.5e00.53c7", b"\x02\x00\x5e\xff\xfe\x00\x53\xc7", MAC + b"\x01",
        b"2001:0db8:0000:0000:b1a5:ed0c:a11a:1e55", b"fe80::b1a5:ed0c:a11a:1e55",
    ],
    ids=repr,
)  # fmt: skip
def test_an_address_is_found_in_every_spelling(search: LeakSearch, octets: bytes) -> None:
    assert any("address" in each for each in search.find(b"a " + octets + b" z"))


HASHES = {
    "MD5": md5(ADDRESS.encode(), usedforsecurity=False).hexdigest().encode(),
    "SHA-1, capitals": sha1(ADDRESS.encode(), usedforsecurity=False).hexdigest().upper().encode(),
    "SHA-256 as octets": sha256(PACKED).digest(),
    "SHA-256 in Base64": base64.b64encode(sha256(MAC.hex(":").encode()).digest()),
    "HMAC under nothing": hmac.new(b"", MAC, "sha256").hexdigest()[:16].encode(),
    "HMAC under the site, cut as pseudonyms are": hmac.new(b"lincoln", MAC, "sha256").hexdigest()[:16].encode(),
    "HMAC under site and date": hmac.new(b"lincoln/2026-10-06", PACKED, "sha256").hexdigest()[:16].encode(),
    "keyed BLAKE2": blake2b(b"m" + MAC, key=b"2026-10-06", digest_size=8).hexdigest().encode(),
    "BLAKE2 as a number": blake2b(b"a" + PACKED, digest_size=8).digest(),
    "salt before": sha256(b"lincoln-tap:" + ADDRESS.encode()).hexdigest().encode(),
    "salt behind": sha256(ADDRESS.encode() + b"lincoln").hexdigest()[:16].encode(),
    "of a name": sha256(NAME.encode()).hexdigest().encode(),
}


@pytest.mark.parametrize("made", HASHES)
def test_a_hash_that_anybody_could_make_is_found(search: LeakSearch, made: str) -> None:
    assert any(each.startswith("hash of") for each in search.find(NOISE + b" " + HASHES[made] + b"\xfe " + NOISE))


def test_a_hash_under_a_key_that_nobody_knows_is_not_found_nor_is_a_number_within_another(search: LeakSearch) -> None:
    keyed = hmac.new(os.urandom(32), MAC, "sha256")
    assert search.find(keyed.hexdigest().encode() + b" " + keyed.digest()) == frozenset()
    assert search.find(b'{"bytes_up":1614170,"port":161417,"of":"a61417"}') == frozenset()
    assert search.find(b'{"port":61417}') == {"its port"}


def test_everything_in_a_folder_is_looked_at_names_links_databases_and_what_they_have_not_written_back(
    search: LeakSearch, tmp_path: Path
) -> None:
    (tmp_path / "plain.txt").write_text(f"from {ADDRESS}", encoding="utf-8")
    (tmp_path / f"of-{NAME}.log").touch()
    (tmp_path / "link").symlink_to(f"../{NAME}")
    database = sqlite3.connect(tmp_path / "store.db")
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE kept (body BLOB, words TEXT)")
        database.execute("INSERT INTO kept VALUES (?, ?)", (zlib.compress(NOISE + MAC.hex(":").encode()), "none"))
        database.execute("CREATE TABLE told (words TEXT)")
        database.execute("INSERT INTO told VALUES (?)", (ADDRESS,))
        database.commit()
        places = {place for place, octets in contents_of(tmp_path) if search.find(octets)}
    finally:
        database.close()
    wanted = {
        "plain.txt",
        f"the name of-{NAME}.log",
        "the link link",
        "store.db: kept",
        "store.db: told",
        "store.db-wal",
    }
    assert places == wanted
