"""What there is of one or more for every flow can be part of no circle, and costs the search for circles nothing."""

from __future__ import annotations

import gc
from importlib import import_module

import pytest

from collector.flows import COMPILED

FACTS = [
    ("devices", "_Carrier"),
    ("dissect.dns", "Message"),
    ("dissect.dns", "Record"),
    ("dissect.tls", "ClientHello"),
    ("flow", "Flow"),
    ("names", "_Span"),
    ("opening_dns", "DnsDatagrams"),
    ("opening_dns", "DnsSegments"),
    ("opening_facts", "Opening"),
    ("opening_quic", "QuicOpening"),
    ("opening_quic", "_Hello"),
    ("opening_tcp", "TcpOpening"),
    ("opening_tcp", "_Side"),
    ("streams", "Stream"),
]


@pytest.mark.skipif(not COMPILED, reason="objects of Python's own classes are always tracked")
@pytest.mark.parametrize(("module", "name"), FACTS)
def test_the_collector_of_garbage_does_not_track_a_fact(module: str, name: str) -> None:
    kind = getattr(import_module(f"collector.{module}"), name)
    assert not gc.is_tracked(kind.__new__(kind))
