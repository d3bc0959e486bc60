"""A short chaos: one round on a real broker. `make chaos` plays two hundred."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.chaos.plan import KINDS, draw
from tests.chaos.worker import open_lane, play_round
from tests.parts.kafka_jars import KafkaJars

# Seed and number of a round without long waits: it fills the spool's disk, kills the broker and kills a judge.
SEED, NUMBER = 7, 155
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
    """A process of its own: a lane moves the process that opens it into other namespaces, for good."""
    assert kafka_jars
    context = multiprocessing.get_context("spawn")
    folder = tmp_path_factory.mktemp("chaos")
    with ProcessPoolExecutor(1, mp_context=context, initializer=open_lane, initargs=(folder,)) as executor:
        yield executor


@pytest.mark.kafka
@pytest.mark.long
def test_a_round_of_chaos_loses_nothing_and_counts_nothing_twice(pool: ProcessPoolExecutor) -> None:
    outcome = pool.submit(play_round, seed=SEED, number=NUMBER, only=None).result(timeout=LIMIT_S)
    assert not outcome.problems, outcome.plan
