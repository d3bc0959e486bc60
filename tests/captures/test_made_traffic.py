"""Made traffic, of which everything is known: every name and every octet, in order, out of order and shuffled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.capture import CaptureLines
from collector.sources.octets import OctetSource
from tests.bench.exam import examine
from tests.bench.traffic import make

if TYPE_CHECKING:
    from pathlib import Path


def lines_of(capture: Path) -> list[bytes]:
    """Return what `schoolgate flows --addresses` writes."""
    source = CaptureLines(OctetSource(capture), sensor="capture", network=None, pseudonyms=None)
    return b"".join(source.batches()).splitlines()


@pytest.mark.parametrize(
    ("kind", "share", "names"), [("mix", 0.004, 120), ("conn", 0.01, 380), ("tiny", 0.002, 0), ("syn", 0.004, 0)]
)
def test_every_name_and_every_octet_of_a_made_set_is_right(tmp_path: Path, kind: str, share: float, names: int) -> None:
    capture = tmp_path / f"{kind}.pcap"
    make(kind, capture, share=share)
    marks = examine(capture, lines_of(capture))

    assert (marks.names, marks.names_right) == (names, names)
    assert marks.flows == marks.flows_right > names


def test_the_exam_sees_a_wrong_name_and_a_lost_octet(tmp_path: Path) -> None:
    capture = tmp_path / "conn.pcap"
    make("conn", capture, share=0.001)
    lines = lines_of(capture)
    row = next(row for row, line in enumerate(lines) if b'"tls_sni"' in line)
    named = lines[row].replace(b'"server_name":"', b'"server_name":"x')
    counted = lines[row].replace(b'"bytes_up":', b'"bytes_up":1')

    assert examine(capture, [*lines[:row], named, *lines[row + 1 :]]).names_right == 37
    assert not examine(capture, [*lines[:row], counted, *lines[row + 1 :]]).perfect
    assert not examine(capture, lines[:row] + lines[row + 1 :]).perfect
