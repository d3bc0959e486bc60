"""The noisy-OR fit: it recovers what it was drawn from, explains away, and never leaves its bounds."""

from __future__ import annotations

from collections import Counter
from math import isfinite
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import noisy_or
from rules.noisy_or import HIGHEST, Fit, Weighted, fit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Window = tuple[str, ...]
Drawn = tuple[list[tuple[Weighted, int]], Counter[str]]


def drawn(windows: Sequence[Window], *, rates: Mapping[str, float], background: float = 0.0, seed: int = 1) -> Drawn:
    """Return the contacts that the model itself makes of *windows* (what stood open together), and the visits."""
    lots = Random(seed)  # noqa: S311 -- lots of a simulation
    visits: Counter[str] = Counter()
    contacts: Counter[Weighted] = Counter()
    for window in windows:
        visits.update(window)
        called = [lots.random() < rates[site] for site in window]
        leaked = [lots.random() < background for _site in window]
        if any(called) or any(leaked):
            contacts[tuple((site, 1.0) for site in sorted(window))] += 1
    return sorted(contacts.items()), visits


def mixed(sites: Sequence[str], *, number: int, seed: int = 1) -> list[Window]:
    """Return windows in which one to three of *sites* stand open."""
    lots = Random(seed)  # noqa: S311 -- lots of a simulation
    return [tuple(lots.sample(sites, lots.randint(1, 3))) for _ in range(number)]


def test_the_probabilities_that_the_data_were_drawn_from_come_back() -> None:
    rates = {"@a": 0.6, "@b": 0.25, "c.example": 0.05, "d.example": 0.0}
    groups, visits = drawn(mixed(list(rates), number=6_000), rates=rates)
    found = fit(groups, visits=visits)
    # Three standard errors of a share of some 3,000 visits.
    assert found.rates == pytest.approx(rates, abs=0.03)
    assert found.background < 0.005


def test_a_leak_shows_in_no_rate_by_more_than_itself() -> None:
    # Whether everything leaks or each site brings the party a little cannot be told: a rate may carry the leak.
    rates = {"@a": 0.6, "@b": 0.25, "c.example": 0.05, "d.example": 0.0}
    groups, visits = drawn(mixed(list(rates), number=6_000), rates=rates, background=0.02)
    found = fit(groups, visits=visits)
    assert all(rate - 0.03 < found.rates[site] < rate + 0.05 for site, rate in rates.items())


@pytest.mark.parametrize("seed", range(2, 7))
def test_a_hub_that_precedes_everything_is_explained_away(seed: int) -> None:
    kinds: list[Window] = [("@hub", "@tool"), ("@hub",), ("@hub", "@other")]
    windows = [kind for kind in kinds for _ in range(300)]
    groups, visits = drawn(windows, rates={"@hub": 0.0, "@tool": 0.5, "@other": 0.0}, seed=seed)
    found = fit(groups, visits=visits)
    # The hub stood open for every single contact.
    assert all(any(site == "@hub" for site, _weight in active) for active, _count in groups)
    assert found.rates["@hub"] < 0.01
    assert found.rates["@tool"] == pytest.approx(0.5, abs=0.09)
    both = (("@hub", 1.0), ("@tool", 1.0))
    assert found.posterior("@tool", active=both) > 0.97
    assert found.posterior("@hub", active=both) < 0.03


def test_of_two_that_are_always_open_together_neither_is_preferred() -> None:
    groups, visits = drawn([("@a", "@b")] * 400, rates={"@a": 0.4, "@b": 0.0})
    found = fit(groups, visits=visits)
    assert found.rates["@a"] == pytest.approx(found.rates["@b"])


def test_leaving_out_a_cause_costs_likelihood_and_leaving_out_a_bystander_none() -> None:
    groups, visits = drawn(mixed(["@a", "@b", "@c"], number=900), rates={"@a": 0.4, "@b": 0.0, "@c": 0.1})
    whole = fit(groups, visits=visits)
    lost = {
        name: whole.log_likelihood - fit(groups, visits=visits, without=name, start=whole).log_likelihood
        for name in ("@a", "@b", "@c")
    }
    assert lost["@a"] > 50
    assert lost["@c"] > 3
    # A tenth of what one degree of freedom needs to be told from nothing.
    assert lost["@b"] < 0.2


@pytest.mark.parametrize("begin", ["afresh", "from the whole"])
def test_a_held_out_cause_stays_at_nothing(begin: str) -> None:
    windows: list[Window] = [("@a",), ("@b",), ("@a", "@b")]
    groups, visits = drawn(windows * 150, rates={"@a": 0.5, "@b": 0.2})
    start = fit(groups, visits=visits) if begin == "from the whole" else None
    held = fit(groups, visits=visits, without="@a", start=start)
    assert held.rates["@a"] == 0.0
    assert held.posterior("@a", active=(("@a", 1.0), ("@b", 1.0))) == 0.0
    # What the other sites cannot account for, the background must.
    assert held.background > 0.1


def test_where_a_fit_begins_does_not_show() -> None:
    groups, visits = drawn(mixed(["@a", "@b", "@c"], number=900), rates={"@a": 0.4, "@b": 0.02, "@c": 0.1})
    plain = fit(groups, visits=visits)
    elsewhere = Fit(rates={"@a": 0.01, "@b": 0.9, "@c": 0.5}, background=0.2, log_likelihood=0.0)
    again = fit(groups, visits=visits, start=elsewhere)
    assert again.rates == pytest.approx(plain.rates, abs=0.01)
    assert again.log_likelihood == pytest.approx(plain.log_likelihood, abs=0.5)


def test_visits_that_brought_nothing_lower_a_rate() -> None:
    groups: list[tuple[Weighted, int]] = [((("@a", 1.0),), 20)]
    few, many = (fit(groups, visits={"@a": visits, "z.example": 500}) for visits in (40, 200))
    assert few.rates["@a"] == pytest.approx(0.5, abs=0.02)
    assert many.rates["@a"] == pytest.approx(0.1, abs=0.02)


def test_a_cause_that_is_no_longer_fresh_has_a_smaller_share() -> None:
    found = Fit(rates={"@a": 0.5, "@b": 0.5}, background=0.001, log_likelihood=0.0)
    assert found.posterior("@a", active=(("@a", 1.0), ("@b", 0.3))) == pytest.approx(10 / 13, abs=0.01)


def test_the_background_takes_what_no_site_accounts_for() -> None:
    found = Fit(rates={"@a": 0.1}, background=0.1, log_likelihood=0.0)
    assert found.posterior("@a", active=(("@a", 1.0),)) == pytest.approx(0.5)


SITES = ("@a", "@b", "@c", "n.example", "m.example")
ACTIVES = st.lists(st.sampled_from(SITES), max_size=5, unique=True).flatmap(
    lambda sites: st.tuples(*(st.tuples(st.just(site), st.sampled_from([1.0, 0.3])) for site in sorted(sites)))
)
GROUPS = st.lists(st.tuples(ACTIVES, st.integers(1, 10_000)), min_size=1, max_size=8)
VISITS = st.dictionaries(st.sampled_from(SITES), st.integers(0, 100_000))


@given(GROUPS, VISITS, st.sampled_from([None, *SITES]))
def test_any_contacts_give_finite_numbers_within_their_bounds(
    groups: list[tuple[Weighted, int]], visits: dict[str, int], without: str | None
) -> None:
    found = fit(groups, visits=visits, without=without)
    assert isfinite(found.log_likelihood)
    assert found.log_likelihood <= 1e-9
    assert 0.0 < found.background <= HIGHEST
    assert set(found.rates) == {site for active, _count in groups for site, _weight in active}
    assert all(0.0 <= rate <= HIGHEST for rate in found.rates.values())
    for active, _count in groups:
        shares = [found.posterior(site, active=active) for site, _weight in active]
        assert all(0.0 <= share <= 1.0 for share in shares)
        assert sum(shares) <= 1.0 + 1e-9


def windows_of(draw: st.DrawFn) -> list[Window]:
    subset = st.lists(st.sampled_from(SITES), min_size=1, max_size=3, unique=True).map(
        lambda sites: tuple(sorted(sites))
    )
    return draw(st.lists(subset, min_size=5, max_size=60))


@given(st.composite(windows_of)(), st.integers(0, 1_000), st.floats(0.05, 0.9))
def test_every_step_with_fresh_causes_makes_the_contacts_likelier(
    windows: list[Window], seed: int, rate: float
) -> None:
    # With causes that are no longer fresh a step is nearly, not quite, the one of expectation maximization.
    groups, visits = drawn(windows, rates=dict.fromkeys(SITES, rate), background=0.02, seed=seed)
    if not groups:
        return
    model = noisy_or._Model(groups, visits=visits, without=None)
    rates, background = model.guess(None)
    before = model.log_likelihood(rates, background)
    for _step in range(15):
        rates, background = model.step(rates, background)
        now = model.log_likelihood(rates, background)
        assert now >= before - 1e-6
        before = now
