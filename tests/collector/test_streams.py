"""Octets come back in order, whatever happened to their segments."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from collector.streams import MAX_OCTETS, MAX_WAITING, Gain, Stream

TEXT = bytes(range(256)) * 2


@given(st.data())
def test_segments_in_any_order_with_overlaps_and_repeats_give_the_same_octets(data: st.DataObject) -> None:
    cuts = sorted({0, len(TEXT), *data.draw(st.lists(st.integers(0, len(TEXT)), max_size=40))})
    segments = [(start, TEXT[start:end]) for start, end in pairwise(cuts)]
    for _ in range(data.draw(st.integers(0, 10))):
        start = data.draw(st.integers(0, len(TEXT) - 1))
        segments.append((start, TEXT[start : start + data.draw(st.integers(1, 60))]))
    stream = Stream()
    for start, octets in data.draw(st.permutations(segments)):
        stream.add(start, octets)
    assert (bytes(stream.octets), stream.start, stream.waiting) == (TEXT, 0, 0)


@given(st.data())
def test_a_capture_that_begins_in_the_middle_takes_in_what_comes_late_from_before(data: st.DataObject) -> None:
    cuts = sorted({0, len(TEXT), *data.draw(st.lists(st.integers(1, len(TEXT) - 1), min_size=3, max_size=20))})
    segments = [(start - cuts[1], TEXT[start:end]) for start, end in pairwise(cuts)]
    stream = Stream()
    for start, octets in [segments[1], *data.draw(st.permutations([segments[0], *segments[2:]]))]:
        stream.add(start, octets)
    assert (bytes(stream.octets), stream.start) == (TEXT, -cuts[1])


def test_each_segment_is_told_what_it_brought() -> None:
    stream = Stream()
    assert stream.add(0, b"abc") == Gain.MORE
    assert stream.add(0, b"abc") == Gain.NOTHING
    assert stream.add(5, b"fg") == Gain.NOTHING
    assert stream.add(2, b"cde") == Gain.MORE
    assert stream.add(-2, b"yzab") == Gain.EARLIER
    assert bytes(stream.octets) == b"yzabcdefg"


def test_octets_taken_do_not_come_back() -> None:
    stream = Stream()
    stream.add(0, b"abcdef")
    stream.take(4)
    assert stream.add(0, b"abcd") == Gain.NOTHING
    assert stream.add(2, b"cdefgh") == Gain.MORE
    assert bytes(stream.octets) == b"efgh"


def test_a_gap_can_be_stepped_over() -> None:
    stream = Stream()
    stream.add(0, b"ab")
    assert not stream.skip_gap()
    stream.add(12, b"mn")
    stream.add(10, b"kl")
    assert stream.skip_gap()
    assert (bytes(stream.octets), stream.start, stream.waiting) == (b"klmn", 10, 0)


def test_no_more_than_the_bounds_is_held() -> None:
    stream = Stream()
    assert stream.add(0, bytes(MAX_OCTETS)) == Gain.MORE
    assert stream.add(MAX_OCTETS, b"x") == Gain.FULL
    waiting = Stream()
    gains = [waiting.add(2 * at, b"x") for at in range(1, MAX_WAITING + 2)]
    assert gains == [Gain.NOTHING] * MAX_WAITING + [Gain.FULL]
