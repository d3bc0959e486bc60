"""collector/scribe.py and collector/draft.py: a line written piece by piece is the line that the whole event makes."""

from __future__ import annotations

import json
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from collector import scribe
from collector.capture import CaptureEvents, CaptureLines
from collector.devices import Devices
from collector.draft import MAX_PAPER_OCTETS, PAPER_OCTETS
from collector.encoding import encode_lines
from collector.flow import Flow
from collector.meter import Meter
from collector.names import DnsMemory
from collector.opening_facts import Opening
from collector.periods import Periods
from collector.sources.octets import OctetSource

SAMPLE = Path(__file__).resolve().parents[2] / "rules" / "sample" / "day.pcap.gz"
# What no encoder writes: halves of a pair of surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NUMBER = st.integers(0, 2**64 - 1)
NS = 1_000_000_000


def meter(sensor: str = "tap") -> Meter:
    names = DnsMemory()
    return Meter(sensor=sensor, network=None, pseudonyms=None, devices=Devices(Periods(ZoneInfo("UTC"))), names=names)


def flow(opening: Opening | None = None, *, number: int = 0, ipv6: bool = False) -> Flow:
    server = bytes.fromhex("20010db8000000000000000000000001") if ipv6 else bytes((192, 0, 2, 80))
    return Flow(
        client=bytes((10, 20, 8, 7)),
        server=server,
        client_port=50_000,
        server_port=443,
        proto="tcp",
        started_ns=1_791_306_000 * NS + number % NS,
        ended_ns=1_791_306_009 * NS + number % NS,
        bytes_up=number,
        bytes_down=7_000,
        packets_up=number,
        packets_down=12,
        payload_up=500,
        payload_down=6_400,
        ordinal=number,
        end="fin",
        opening=opening,
    )


def both(metered: Meter, *flows: Flow) -> tuple[bytes, bytes]:
    """Return what is written piece by piece, and what the whole events make."""
    for each in flows:
        metered.write(each)
    return metered.written(), encode_lines([metered.event(each) for each in flows])


@given(name=TEXT, alpn=TEXT, sensor=TEXT, number=NUMBER)
@example(name='"\\\x00\x1f\x7f\u2028\U0001f600', alpn="\n\t\r\b\f/", sensor="é", number=2**64 - 1)
def test_any_text_and_any_number_is_written_as_the_encoder_writes_it(
    name: str, alpn: str, sensor: str, number: int
) -> None:
    opening = Opening()
    opening.server_name, opening.name_source, opening.alpn = name, "tls_sni", alpn
    written, encoded = both(meter(sensor), flow(opening, number=number))

    assert written == encoded


def test_every_field_of_an_event_is_written() -> None:
    opening = Opening()
    opening.app, opening.tls_version, opening.tls_version_offered, opening.ech = "http", "1.2", True, True
    opening.plaintext, opening.plaintext_data = True, False
    written, encoded = both(meter(), flow(opening), flow(ipv6=True), flow())

    assert written == encoded
    assert [json.loads(line)["dst_ip"] for line in written.splitlines()] == ["192.0.2.80", "2001:db8::1", "192.0.2.80"]


def test_a_sample_day_is_the_same_written_and_encoded() -> None:
    events = CaptureEvents(OctetSource(SAMPLE), sensor="capture", network=None, pseudonyms=None)
    lines = CaptureLines(OctetSource(SAMPLE), sensor="capture", network=None, pseudonyms=None)

    assert b"".join(lines.batches()) == b"".join(map(encode_lines, events.batches()))
    assert lines.warning == events.warning


def test_lines_are_given_out_once_and_a_paper_that_grew_is_let_go() -> None:
    metered = meter()
    long = Opening()
    long.server_name = "a" * PAPER_OCTETS
    for _ in range(MAX_PAPER_OCTETS // PAPER_OCTETS + 1):
        metered.write(flow(long))
    assert metered.written().count(b"\n") == MAX_PAPER_OCTETS // PAPER_OCTETS + 1
    assert metered.written() == b""
    written, encoded = both(metered, flow())
    assert written == encoded


@given(text=TEXT, number=NUMBER, before=st.binary(max_size=9))
def test_each_piece_lands_behind_the_one_before(text: str, number: int, before: bytes) -> None:
    paper = bytearray(before)
    at = scribe.put_quoted(paper, len(before), text)
    at = scribe.put_number(paper, at, number)
    at = scribe.put_digits(paper, at, 1_000_000 + number % 1_000_000, 6)
    at = scribe.put_quoted(paper, at, None)
    at = scribe.put_hex(paper, at, number, 4)
    at = scribe.put_words(paper, at, b"=")
    at = scribe.put_octets(paper, at, b"\x00")

    assert bytes(paper[:at]).startswith(before)
    written = bytes(paper[len(before) : at]).decode()
    assert json.loads(written.removesuffix(f"{number}{number % 1_000_000:06d}null{number % 65_536:04x}=\0")) == text
