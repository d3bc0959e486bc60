"""A short chaos: two rounds on a real broker. `make chaos` plays two hundred."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.chaos.plan import KINDS, draw
from tests.chaos.worker import open_lane, play_round
from tests.parts.kafka_jars import KafkaJars

# Seed and number of rounds without long waits: together they kill a collector, judges and the broker, cut the network,
# fill the spool's disk and let the clock jump.
ROUNDS = ((1, 62), (7, 189))
LANES = 2
LIMIT_S = 600


def test_the_same_seed_and_number_draw_the_same_round_and_others_draw_others() -> None:
    drawn = [draw(seed=1, number=number) for number in range(1, 60)]
    assert drawn == [draw(seed=1, number=number) for number in range(1, 60)]
    assert len({str(plan) for plan in drawn}) == len(drawn)
    assert draw(seed=2, number=1).faults != draw(seed=1, number=1).faults


def test_two_hundred_rounds_meet_every_kind_of_fault() -> None:
    met = {fault.kind for number in range(1, 201) for fault in draw(seed=1, number=number).faults}
    assert met == set(KINDS)


@pytest.fixture
def pool(kafka_jars: KafkaJars, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessPoolExecutor]:
    """Processes of their own: a lane moves the process that opens it into other namespaces, for good."""
    assert kafka_jars
    context = multiprocessing.get_context("spawn")
    folder = tmp_path_factory.mktemp("chaos")
    with ProcessPoolExecutor(LANES, mp_context=context, initializer=open_lane, initargs=(folder,)) as executor:
        yield executor


@pytest.mark.kafka
def test_two_rounds_of_chaos_lose_nothing_and_count_nothing_twice(pool: ProcessPoolExecutor) -> None:
    played = [pool.submit(play_round, seed=seed, number=number, only=None) for seed, number in ROUNDS]
    outcomes = [each.result(timeout=LIMIT_S) for each in played]
    assert [(outcome.plan.seed, outcome.plan.number, outcome.problems) for outcome in outcomes] == [
        (*each, ()) for each in ROUNDS
    ]
