"""A short run of what `make fuzz` does at length, so that the targets themselves stay whole; and the flood."""

from __future__ import annotations

import zlib

import pytest

from tests.fuzz.driver import drive
from tests.fuzz.flood import flood
from tests.fuzz.mutations import apart, joined
from tests.fuzz.targets import TARGETS, Target
from tests.fuzz.worst import MOST_S, WORST, seconds_of


@pytest.mark.parametrize("name", TARGETS)
def test_good_octets_and_some_hundred_changed_ones_break_nothing(name: str) -> None:
    target = TARGETS[name]
    for octets in target.seeds()[:50]:
        target.run(octets)
    outcome = drive(name, target, executions=300, seconds=0, seed=1)
    assert (outcome.failure, outcome.executions) == ("", 300)


def test_a_target_that_raises_hangs_or_dies_is_found_with_its_octets() -> None:
    def fragile(octets: bytes) -> None:
        assert zlib.crc32(octets) % 50

    outcome = drive("fragile", Target(run=fragile, seeds=lambda: (b"abcdefgh",)), executions=10_000, seconds=0, seed=1)
    assert outcome.failure.startswith("AssertionError")
    assert zlib.crc32(outcome.octets) % 50 == 0


def test_conversations_survive_being_joined_and_taken_apart() -> None:
    said = [(1, b"abc"), (0, b""), (255, bytes(300))]
    assert apart(joined(said)) == said


@pytest.mark.parametrize("name", WORST)
def test_the_worst_input_known_costs_a_bounded_time(name: str) -> None:
    took, octets = seconds_of(name, most_s=0.0)
    assert took < MOST_S
    assert octets > 30


def test_sixty_thousand_spoofed_initials_a_second_are_shed_and_ordinary_flows_keep_their_names() -> None:
    told = flood(seconds=1, true_initials=False)
    assert (told.quic_named, told.tls_named) == (told.asked, told.asked)
    assert 57_000 < told.capped - told.late < 60_000
    assert 0 < told.late <= 2 * told.asked


def test_spoofed_initials_that_open_are_shed_as_well() -> None:
    told = flood(seconds=1, true_initials=True, rate=20_000)
    assert (told.quic_named, told.tls_named) == (told.asked, told.asked)
    assert 9_000 < told.capped - told.late < 12_000
