"""Decompression that stops: octets that would become gigabytes, and octets that are no compressed ones."""

from __future__ import annotations

import gzip
import resource
import struct
import subprocess
import sys
import time
import zlib
from typing import Final

import pytest
from aiokafka import codec
from aiokafka.codec import cramjam
from aiokafka.errors import CorruptRecordException
from hypothesis import given
from hypothesis import strategies as st

from rules.compression import unpacked

LIMIT: Final = 1 << 20
NAMES: Final = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
PACK: Final = {1: codec.gzip_encode, 2: codec.snappy_encode, 3: codec.lz4_encode, 4: codec.zstd_encode}
XERIAL: Final = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"


def zstd_bomb() -> bytes:
    """Return a megabyte that becomes 32 GiB: blocks of one octet, to be repeated 131,072 times (RFC 8878)."""
    block = (128 << 10) << 3 | 1 << 1
    blocks = block.to_bytes(3, "little") + b"x"
    return b"\x28\xb5\x2f\xfd\x00\x38" + blocks * 250_000 + (block | 1).to_bytes(3, "little") + b"x"


def lz4_bomb() -> bytes:
    """Return frames that become 4 GiB together."""
    return bytes(cramjam.lz4.compress(bytes(16 << 20))) * 256


def gzip_bomb() -> bytes:
    """Return a megabyte that becomes 1 GiB."""
    packing = zlib.compressobj(wbits=31)
    head = packing.compress(b"x") + packing.flush(zlib.Z_FULL_FLUSH)
    # After a full flush nothing refers back, so the same piece may come again and again.
    return head + (packing.compress(bytes(1 << 20)) + packing.flush(zlib.Z_FULL_FLUSH)) * 1024


def snappy_bomb() -> bytes:
    """Return 24 MB that become 512 MiB: it packs no better."""
    block = bytes(cramjam.snappy.compress_raw(bytes(1 << 20)))
    return XERIAL + (struct.pack(">i", len(block)) + block) * 512


def snappy_claim() -> bytes:
    """Return a block that claims to become 4 GiB."""
    return b"\xff\xff\xff\xff\x0f\x00x"


BOMBS: Final = {
    "zstd": (4, zstd_bomb), "lz4": (3, lz4_bomb), "gzip": (1, gzip_bomb), "snappy": (2, snappy_bomb),
    "snappy-claim": (2, snappy_claim),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_at_the_limit_and_takes_no_memory(name: str) -> None:
    # In a process of its own, which may have 256 MiB more than it has before it unpacks.
    words = [sys.executable, "-m", "tests.rules.test_compression", name]
    ran = subprocess.run(words, capture_output=True, check=False, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("cannot be decompressed to at most 16,777,216 octets"), ran.stdout


@pytest.mark.parametrize("number", NAMES, ids=NAMES.get)
def test_what_fits_exactly_is_unpacked_and_one_octet_more_is_not(number: int) -> None:
    fits, too_large = PACK[number](bytes(LIMIT)), PACK[number](bytes(LIMIT + 1))
    assert unpacked(memoryview(fits), codec=number, limit=LIMIT) == bytes(LIMIT)
    with pytest.raises(CorruptRecordException, match="at most 1,048,576 octets"):
        unpacked(memoryview(too_large), codec=number, limit=LIMIT)


def test_octets_that_are_not_compressed_have_the_same_limit() -> None:
    assert unpacked(memoryview(b"abc"), codec=0, limit=3) == b"abc"
    with pytest.raises(CorruptRecordException, match="4 octets where at most 3"):
        unpacked(memoryview(b"abcd"), codec=0, limit=3)


@given(st.binary(max_size=2_000), st.sampled_from(sorted(NAMES)))
def test_what_was_packed_comes_out_as_it_went_in(octets: bytes, number: int) -> None:
    assert unpacked(memoryview(PACK[number](octets)), codec=number, limit=LIMIT) == octets


@pytest.mark.parametrize("octets", [b"", b"x", b"{}" * 40_000])
def test_snappy_is_read_in_both_of_its_forms(octets: bytes) -> None:
    for packed in (codec.snappy_encode(octets), codec.snappy_encode(octets, xerial_compatible=False)):
        assert unpacked(memoryview(packed), codec=2, limit=LIMIT) == octets


@given(st.binary(max_size=200), st.integers(0, 9))
def test_octets_that_nobody_packed_give_no_other_error(octets: bytes, number: int) -> None:
    for tried in (octets, XERIAL + octets, b"\x28\xb5\x2f\xfd" + octets, b"\x1f\x8b\x08\x00" + octets):
        try:
            unpacked(memoryview(tried), codec=number, limit=LIMIT)
        except CorruptRecordException:
            continue


@pytest.mark.parametrize("cut", [1, 5])
@pytest.mark.parametrize("number", [1, 2, 3, 4], ids=NAMES.get)
def test_what_is_cut_short_is_an_error(number: int, cut: int) -> None:
    whole = PACK[number](b"event " * 1_000)
    with pytest.raises(CorruptRecordException):
        unpacked(memoryview(whole)[:-cut], codec=number, limit=LIMIT)


def test_something_behind_what_was_packed_with_gzip_is_an_error() -> None:
    with pytest.raises(CorruptRecordException, match="something follows"):
        unpacked(memoryview(gzip.compress(b"a") + b"x"), codec=1, limit=LIMIT)
    began = time.monotonic()
    with pytest.raises(CorruptRecordException):
        unpacked(memoryview(gzip.compress(b"") * 50_000), codec=1, limit=LIMIT)
    assert time.monotonic() - began < 1, "each member is looked at"


def test_a_codec_that_nobody_knows_is_named() -> None:
    with pytest.raises(CorruptRecordException, match="codec 6, which nobody knows"):
        unpacked(memoryview(b"x"), codec=6, limit=LIMIT)


def explode(name: str) -> None:
    """Unpack a bomb where memory is short, and print what is said."""
    number, make = BOMBS[name]
    bomb = make()
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 -- no path of ours
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (256 << 20), resource.RLIM_INFINITY))
    try:
        unpacked(memoryview(bomb), codec=number, limit=16 << 20)
    except CorruptRecordException as error:
        sys.stdout.write(str(error.args[0]))


if __name__ == "__main__":
    explode(sys.argv[1])
