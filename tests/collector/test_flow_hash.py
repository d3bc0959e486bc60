"""collector/flow_hash.py and foresight.py: what compiled code has in their place says the same, or says nothing."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from collector import flow_hash
from collector.flows import FlowTable
from tests.collector.frames_for_tests import ACK, SECOND, block_of, ethernet, ipv4, ipv6, tcp, udp, vlan
from tests.collector.test_slices import Unopened

DECLARED = Path(flow_hash.__file__).with_suffix(".pxd").read_text(encoding="utf-8")


def test_the_constants_of_compiled_code_are_those_of_the_module() -> None:
    defined = [int(number, 16) for number in re.findall(r"#define FLOW_HASH_\w+ (0x\w+)ULL", DECLARED)]

    assert defined == [flow_hash._ADD, flow_hash._MULTIPLY]


@given(value=st.integers(0, 2**64 - 1), word=st.integers(0, 2**64 - 1), other=st.integers(0, 2**64 - 1))
def test_different_words_never_mix_to_the_same_hash(value: int, word: int, other: int) -> None:
    assert (flow_hash.mix(value, word) == flow_hash.mix(value, other)) == (word == other)


FRAMES = st.lists(
    st.sampled_from(
        [
            *(ethernet(ipv4(tcp(port, 443, flags=ACK, payload=b"x" * port), 6)) for port in range(1, 40)),
            *(ethernet(ipv6(udp(port, 443), 17), 0x86DD) for port in range(1, 40)),
            # What is not foreseen: a tag, options, half of a header, another protocol, nothing at all.
            ethernet(vlan(ipv4(tcp(), 6), 7), 0x8100),
            ethernet(ipv4(tcp(), 6, options=bytes(4))),
            ethernet(ipv4(tcp(), 6))[:30],
            ethernet(b"", 0x0806),
            b"",
        ]
    ),
    max_size=120,
)


@given(frames=FRAMES, seed=st.integers(0, 2**64 - 1))
def test_what_is_fetched_ahead_changes_no_flow(frames: list[bytes], seed: int) -> None:
    ahead, one_by_one = (FlowTable(Unopened(), seed=seed, capacity=16) for _ in range(2))
    timed = [(frame, SECOND * (1 + row)) for row, frame in enumerate(frames)]
    ahead.observe(block_of(timed))
    for frame in timed:
        one_by_one.observe(block_of([frame]))

    assert ahead.counters == one_by_one.counters
    assert [_told(flow) for flow in ahead.finish()] == [_told(flow) for flow in one_by_one.finish()]


def _told(flow: object) -> dict[str, object]:
    return {name: getattr(flow, name) for name in dir(flow) if not name.startswith("_")}
