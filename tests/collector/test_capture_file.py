"""collector/sources/capture_file.py, records.py and octets.py: files of every kind, whole, broken and hostile."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.frames import BLOCK_FRAMES
from collector.sources.capture_file import CaptureError, CaptureFile
from collector.sources.records import MAX_FRAME
from tests.collector.frames_for_tests import (
    SECOND,
    ethernet,
    interface,
    ipv4,
    option,
    packet,
    pcap,
    pcapng_block,
    section,
    udp,
)

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = [ethernet(ipv4(udp(payload=bytes(size)), 17)) for size in (10, 20, 30)]
START = 1_700_000_000
TIMES = [(START + row) * SECOND for row in range(3)]

Row = tuple[bytes, int, int, int]


def rows_of(path: Path) -> tuple[list[Row], CaptureFile]:
    with CaptureFile(path) as capture:
        return [row for block in capture for row in block.rows()], capture


def write(folder: Path, data: bytes, name: str = "any.name") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def newer(order: str = "<") -> bytes:
    packets = [packet(data, (START + row) * 1_000_000, order=order) for row, data in enumerate(FRAMES)]
    return section(order=order) + interface(order=order) + b"".join(packets)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_classic_captures_of_either_order_and_resolution(tmp_path: Path, order: str, nano: bool, packed: bool) -> None:
    data = pcap(FRAMES, order=order, nano=nano, time_ns=START * SECOND + (123 if nano else 123_000))
    rows, capture = rows_of(write(tmp_path, gzip.compress(data) if packed else data))
    assert [row[0] for row in rows] == FRAMES
    assert [row[2] for row in rows] == [time + (123 if nano else 123_000) for time in TIMES]
    assert {row[3] for row in rows} == {1}
    assert capture.warning == ""
    assert capture.frames == 3
    assert capture.octets_read == capture.total_octets == (tmp_path / "any.name").stat().st_size


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
def test_newer_captures_of_either_order(tmp_path: Path, order: str, packed: bool) -> None:
    data = newer(order)
    rows, capture = rows_of(write(tmp_path, gzip.compress(data) if packed else data))
    assert [(row[0], row[2]) for row in rows] == list(zip(FRAMES, TIMES, strict=True))
    assert capture.warning == ""


@pytest.mark.parametrize(
    ("options", "ticks"),
    [
        (b"", START * 1_000_000 + 250_000),
        (option(9, b"\x03"), START * 1_000 + 250),
        (option(9, b"\x09"), START * SECOND + 250_000_000),
        (option(9, b"\x0a"), START * 10**10 + 25 * 10**8),
        (option(9, b"\x8a"), START * 1_024 + 256),
        (option(9, b"\xa0"), (START << 32) + (1 << 30)),
        (option(14, struct.pack("<q", START - 5)) + option(0, b""), 5_250_000),
        (option(2, b"eth0") + option(14, struct.pack("<q", -100)), (START + 100) * 1_000_000 + 250_000),
    ],
)
def test_an_interface_says_how_it_counts_time(tmp_path: Path, options: bytes, ticks: int) -> None:
    data = section() + interface(options=options) + packet(FRAMES[0], ticks)
    rows, _ = rows_of(write(tmp_path, data))
    assert rows[0][2] == START * SECOND + 250_000_000


def test_several_interfaces_and_sections_keep_their_own_link_types(tmp_path: Path) -> None:
    data = (
        section()
        + interface(link=1)
        + interface(link=101, options=option(9, b"\x09"))
        + packet(FRAMES[1][14:], START * SECOND, number=1)
        + packet(FRAMES[0], START * 1_000_000, number=0)
        + section(order=">")
        + interface(link=113, order=">")
        + packet(FRAMES[2], (START + 2) * 1_000_000, order=">")
    )
    rows, capture = rows_of(write(tmp_path, data))
    assert [row[3] for row in rows] == [101, 1, 113]
    assert [row[2] for row in rows] == [TIMES[0], TIMES[0], TIMES[2]]
    assert capture.warning == ""


def test_simple_and_obsolete_packets_are_read_and_unknown_blocks_passed_over(tmp_path: Path) -> None:
    obsolete = struct.pack("<HHIIII", 0, 9, *divmod(START * 1_000_000, 1 << 32), len(FRAMES[1]), 77) + FRAMES[1]
    data = (
        section()
        + interface(snap=24)
        + pcapng_block(0x0BAD, bytes(5_000_000))  # longer than any buffer here
        + pcapng_block(2, obsolete)
        + pcapng_block(4, bytes(40))
        + pcapng_block(3, struct.pack("<I", len(FRAMES[0])) + FRAMES[0][:24])
    )
    rows, capture = rows_of(write(tmp_path, data))
    assert rows == [(FRAMES[1], 77, TIMES[0], 1), (FRAMES[0][:24], len(FRAMES[0]), TIMES[0], 1)]
    assert capture.warning == ""


def test_blocks_that_contradict_themselves_are_left_out_and_counted(tmp_path: Path) -> None:
    lying = pcapng_block(6, struct.pack("<IIIII", 0, 0, 0, 500, 500) + bytes(20))
    data = section() + interface() + lying + packet(FRAMES[0], 0, number=7) + packet(FRAMES[1], START * 1_000_000)
    rows, capture = rows_of(write(tmp_path, data))
    assert [row[0] for row in rows] == [FRAMES[1]]
    assert "2 records contradict themselves" in capture.warning


def test_a_capture_without_frames_is_whole(tmp_path: Path) -> None:
    for data in (pcap([]), section() + interface()):
        rows, capture = rows_of(write(tmp_path, data))
        assert (rows, capture.warning) == ([], "")


def test_old_versions_swap_the_two_lengths(tmp_path: Path) -> None:
    data = bytearray(pcap(FRAMES[:1], version=(2, 1)))
    struct.pack_into("<II", data, 32, 999, len(FRAMES[0]))
    rows, _ = rows_of(write(tmp_path, bytes(data)))
    assert [(row[0], row[1]) for row in rows] == [(FRAMES[0], 999)]


def test_odd_versions_and_reserved_bits_of_the_link_type_do_not_matter(tmp_path: Path) -> None:
    rows, capture = rows_of(write(tmp_path, pcap(FRAMES, version=(2, 9), link=0x3FFF0065)))
    assert (len(rows), rows[0][3], capture.warning) == (3, 101, "")


def test_more_frames_than_a_block_holds_come_in_several(tmp_path: Path) -> None:
    count = BLOCK_FRAMES + 5
    with CaptureFile(write(tmp_path, pcap([b"x"] * count))) as capture:
        assert [block.count for block in capture] == [BLOCK_FRAMES, 5]


def test_frames_cross_the_reads_unharmed(tmp_path: Path) -> None:
    frames = [bytes([row % 251]) * (row * 7919 % 65_000) for row in range(150)]
    rows, capture = rows_of(write(tmp_path, pcap(frames)))
    assert [row[0] for row in rows] == frames
    assert capture.octets_read == capture.total_octets


@pytest.mark.parametrize("cut", [1, 20, len(FRAMES[2]) + 15])
@pytest.mark.parametrize("packed", [False, True])
def test_a_capture_that_breaks_off_is_read_to_that_point_and_warns(tmp_path: Path, cut: int, packed: bool) -> None:
    data = pcap(FRAMES)[:-cut]
    rows, capture = rows_of(write(tmp_path, gzip.compress(data) if packed else data))
    assert [row[0] for row in rows] == FRAMES[:2]
    assert "breaks off in the middle of a record after 2 frames" in capture.warning


def test_a_newer_capture_that_breaks_off_warns_likewise(tmp_path: Path) -> None:
    for cut in (newer()[:-3], newer() + pcapng_block(0x0BAD, bytes(90_000))[:-1]):
        rows, capture = rows_of(write(tmp_path, cut))
        assert len(rows) >= 2
        assert "breaks off" in capture.warning


def test_gzip_that_breaks_off_gives_what_it_holds(tmp_path: Path) -> None:
    frames = [os.urandom(1_000) for _ in range(100)]
    packed = gzip.compress(pcap(frames))
    rows, capture = rows_of(write(tmp_path, packed[: len(packed) // 2]))
    assert 40 <= len(rows) <= 50
    assert [row[0] for row in rows] == frames[: len(rows)]
    assert "the gzip data breaks off" in capture.warning


def test_gzip_that_is_damaged_gives_what_came_before(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(pcap(FRAMES)))
    packed[-6] ^= 0xFF  # the checksum
    rows, capture = rows_of(write(tmp_path, bytes(packed)))
    assert [row[0] for row in rows] == FRAMES
    assert "the gzip data is damaged after 3 frames" in capture.warning


def test_gzip_members_one_after_another_and_padding_are_one_capture(tmp_path: Path) -> None:
    data = pcap(FRAMES)
    packed = gzip.compress(data[:50]) + gzip.compress(b"") + gzip.compress(data[50:]) + bytes(512)
    rows, capture = rows_of(write(tmp_path, packed))
    assert (len(rows), capture.warning) == (3, "")


def test_an_absurd_record_ends_the_reading_with_a_warning(tmp_path: Path) -> None:
    garbage = struct.pack("<IIII", START, 0, MAX_FRAME + 1, MAX_FRAME + 1) + bytes(100)
    rows, capture = rows_of(write(tmp_path, pcap(FRAMES) + garbage))
    assert len(rows) == 3
    assert "a record claims 262,145 octets after 3 frames; the rest was not read" in capture.warning
    rows, capture = rows_of(write(tmp_path, newer() + struct.pack("<II", 6, 4) + bytes(100)))
    assert len(rows) == 3
    assert "a block claims 4 octets" in capture.warning


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04 and so on, for more than a header", "is no pcap or pcapng capture"),
        (gzip.compress(b"no capture in here, nor anything like it", mtime=0), "is no pcap or pcapng capture"),
        (b"\x1f\x8b\x08\x00", "the gzip data breaks off"),
        (pcap([])[:23], "ends inside its own header"),
        (pcap([])[:4], "ends inside its own header"),
        (section()[:20], "ends inside its own header"),
        (pcap([]) + b"\xff" * 400, "a record claims 4,294,967,295 octets before the first frame"),
        (pcapng_block(0x0A0D0D0A, bytes(16)), "a section names no order of octets before the first frame"),
    ],
)
def test_what_is_no_capture_is_an_error_that_names_the_file(tmp_path: Path, data: bytes, says: str) -> None:
    path = write(tmp_path, data, "day.pcap")
    with pytest.raises(CaptureError) as error:
        rows_of(path)
    assert str(error.value).startswith(f"{path}: {says}")
    assert "; " in str(error.value)


def test_folders_and_missing_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="is a directory"):
        CaptureFile(tmp_path)
    with pytest.raises(CaptureError, match="cannot be opened"):
        CaptureFile(tmp_path / "absent.pcap")


def test_absurd_times_and_wire_lengths_are_tamed(tmp_path: Path) -> None:
    late = struct.pack("<IIII", 0xFFFFFFFF, 0xFFFFFFFF, 4, 0xFFFFFFFF) + b"abcd"
    rows, _ = rows_of(write(tmp_path, pcap([]) + late))
    assert rows[0][1] == 4
    assert rows[0][2] < 1 << 63
    data = section() + interface(options=option(9, b"\x00")) + packet(b"a", START) + packet(b"b", (1 << 64) - 1)
    rows, _ = rows_of(write(tmp_path, data))
    assert [row[2] for row in rows] == [START * SECOND, START * SECOND]


def test_a_named_pipe_is_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = pcap(FRAMES)

    def trickle() -> None:
        with path.open("wb", buffering=0) as pipe:
            for at in range(0, len(data), 7):
                pipe.write(data[at : at + 7])

    writer = threading.Thread(target=trickle)
    writer.start()
    rows, capture = rows_of(path)
    writer.join()
    assert [row[0] for row in rows] == FRAMES
    assert capture.total_octets is None


@pytest.mark.parametrize("packed", [False, True])
def test_a_dash_means_standard_input(packed: bool) -> None:
    program = (
        "from collector.sources.capture_file import CaptureFile\n"
        "capture = CaptureFile('-')\n"
        "print(sum(block.count for block in capture), capture.total_octets, capture.name)\n"
    )
    data = gzip.compress(pcap(FRAMES)) if packed else pcap(FRAMES)
    done = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True)
    assert done.stdout == b"3 None standard input\n"


@given(data=st.binary(max_size=300), head=st.sampled_from([b"", pcap([]), section() + interface(), b"\x1f\x8b\x08"]))
def test_no_octets_raise_anything_but_a_capture_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, head: bytes
) -> None:
    path = write(tmp_path_factory.getbasetemp(), head + data)
    try:
        rows, _ = rows_of(path)
    except CaptureError:
        return
    assert sum(len(row[0]) for row in rows) <= len(data)
