"""The lease on SQLite and PostgreSQL: one sender at a time, by nobody else's clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from rules.notify.lease import Lease
from rules.store import Store


class Clock:
    """Seconds that only ever grow, as one host counts them."""

    def __init__(self, start: float) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def leases(new_store: Callable[[], str]) -> Iterator[Callable[[str, Clock], Lease]]:
    address = new_store()
    stores: list[Store] = []

    def lease(holder: str, clock: Clock) -> Lease:
        stores.append(Store(address))
        return Lease(stores[-1].database, name="test", holder=holder, lasts_s=10, clock=clock)

    yield lease
    for store in stores:
        store.close()


def test_one_at_a_time_holds_the_lease_and_it_is_taken_over_after_its_time(
    leases: Callable[[str, Clock], Lease],
) -> None:
    # Two hosts whose clocks have nothing to do with each other.
    here, there = Clock(5.0), Clock(90_000.0)
    first, second = leases("first", here), leases("second", there)
    assert first.keep()
    for _second in range(30):
        here.now += 1
        there.now += 1
        assert first.keep()
        assert not second.keep()
    # The first one dies; the other waits for the whole time before it takes over.
    waited = 0
    while not second.keep():
        assert not second.held
        there.now += 1
        waited += 1
    assert 9 <= waited <= 11


def test_a_holder_that_was_stopped_and_wakes_up_knows_that_it_lost_the_lease(
    leases: Callable[[str, Clock], Lease],
) -> None:
    clock = Clock(0.0)
    first, second = leases("first", clock), leases("second", clock)
    assert first.keep()
    assert not second.keep()
    clock.now += 7.5
    # It relies on it for less long than others wait, so that what it has begun is over before they begin.
    assert not first.held
    assert not second.keep()
    clock.now += 3
    assert second.keep()
    assert not first.keep()
    assert not first.held
    assert second.keep()


def test_a_lease_that_is_given_back_is_free_at_once(leases: Callable[[str, Clock], Lease]) -> None:
    clock = Clock(0.0)
    first, second = leases("first", clock), leases("second", clock)
    assert first.keep()
    assert not second.keep()
    first.release()
    assert not first.held
    assert second.keep()
    first.release()  # it is not its own any more
    assert second.keep()
    clock.now += 4
    assert second.keep()
