"""What was given up in a flood is told: in the warning of a capture, and so in the report of a check."""

from __future__ import annotations

from pathlib import Path

from collector.capture import CaptureEvents
from collector.opening_quic import MAX_FAILURES_PER_SECOND
from collector.sources.octets import OctetSource
from collector.watch import Watch
from tests.collector.frames_for_tests import block_of, ethernet, ipv4, pcap, udp

NOISE = b"\xc0\x00\x00\x00\x01\x08" + bytes(8) + b"\x00\x00\x40\x40" + bytes(64)


def noise(count: int) -> list[bytes]:
    """Return frames that look like so many QUIC connections."""
    return [ethernet(ipv4(udp(1_024 + number, 443, payload=NOISE), 17)) for number in range(count)]


def test_a_capture_with_a_flood_warns_of_what_was_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "flood.pcap"
    frames = noise(MAX_FAILURES_PER_SECOND + 30)
    path.write_bytes(pcap([])[:24] + b"".join(pcap([frame])[24:] for frame in frames))
    capture = CaptureEvents(OctetSource(path), sensor="tap", network=None, pseudonyms=None)
    events = [event for batch in capture.batches() for event in batch]
    assert len(events) == len(frames)
    assert capture.warning == (
        "too much came at once: 30 QUIC hellos were not opened and 0 openings were given up; "
        "their flows are counted, and have names only from DNS"
    )
    assert capture.watch.affected["quic_attempts_capped"] == 30


def test_an_ordinary_capture_warns_of_nothing() -> None:
    watch = Watch(sensor="tap", network=None, pseudonyms=None)
    watch.observe(block_of(noise(10)))
    assert (watch.unread, watch.affected["quic_undecryptable"]) == ("", 10)
