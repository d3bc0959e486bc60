"""The noisy-OR model of what brings a party about, fitted by expectation maximization. Pure numbers.

Each visit of a site brings the party with that site's own probability, independent of the others, and a background does
so at every visit of whatever site. A contact tells only what stood open, so causes compete for it; a visit without a
contact tells that all its causes failed. For that half of the likelihood the number of visits is all one needs, which
makes the whole a function of counts.

Source: noisy-OR, Pearl, Probabilistic Reasoning in Intelligent Systems (1988), section 4.3.2; leak probability, Henrion
(1989); expectation maximization, Dempster, Laird, Rubin (1977).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, log1p
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_STEPS: Final = 300
"""Steps of one fit; a party with clear causes takes some twenty."""
CLOSE_ENOUGH: Final = 1e-4
"""A fit ends when no probability moves by more in a step."""
HIGHEST: Final = 0.99
"""Highest probability of a cause: never certain, so that the likelihood stays finite."""
LOWEST_BACKGROUND: Final = 1e-7

FIRST_GUESS: Final = 0.02

Weighted = tuple[tuple[str, float], ...]
"""What stood open: causes, each with the weight of its probability at that moment, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The most likely probabilities."""

    rates: Mapping[str, float]
    """Cause -> share of its visits that bring the party."""
    background: float
    """Share of visits, of whatever site, that something unknown brings the party in."""
    log_likelihood: float
    """Of the contacts and of the visits without one."""

    def posterior(self, cause: str, *, active: Weighted) -> float:
        """Return the share of *cause* in a contact for which *active* stood open: expected effects, 0 to 1."""
        total, mine = self.background, 0.0
        for name, weight in active:
            share = weight * self.rates[name]
            total += share
            if name == cause:
                mine = share
        return mine / total if total else 0.0


def fit(
    groups: Sequence[tuple[Weighted, int]],
    *,
    visits: Mapping[str, int],
    without: str | None = None,
    start: Fit | None = None,
) -> Fit:
    """Return the most likely probabilities.

    Args:
        groups: what stood open, and how many contacts there were with just that; not empty.
        visits: visits of each site, those that never stood open for a contact included: all share the background.
        without: a cause that is held at 0, for the likelihood-ratio test.
        start: probabilities to begin from.
    """
    model = _Model(groups, visits=visits, without=without)
    rates, background = model.guess(start)
    for _step in range(MOST_STEPS):
        new_rates, new_background = model.step(rates, background)
        moved = max((abs(a - b) for a, b in zip(rates, new_rates, strict=True)), default=0.0)
        moved = max(moved, abs(background - new_background))
        rates, background = new_rates, new_background
        if moved < CLOSE_ENOUGH:
            break
    likelihood = model.log_likelihood(rates, background)
    return Fit(
        rates=dict(zip(model.names, rates, strict=True)),
        background=background,
        log_likelihood=likelihood,
    )


class _Model:
    def __init__(
        self, groups: Sequence[tuple[Weighted, int]], *, visits: Mapping[str, int], without: str | None
    ) -> None:
        self.names = sorted({name for active, _count in groups for name, _weight in active})
        places = {name: place for place, name in enumerate(self.names)}
        self._groups = [([(places[name], weight) for name, weight in active], count) for active, count in groups]
        self._trials = [max(visits.get(name, 0), 1) for name in self.names]
        self._all = max(sum(visits.values()), 1)
        self._contacts = sum(count for _active, count in groups)
        self._held = -1 if without is None else places.get(without, -1)
        self._met = [0] * len(self.names)
        for active, count in self._groups:
            for place, _weight in active:
                self._met[place] += count

    def guess(self, start: Fit | None) -> tuple[list[float], float]:
        """Return where to begin. A cause that begins at 0 stays there, so none but the held one does."""
        if start is None:
            rates = [FIRST_GUESS] * len(self.names)
            background = min(0.5, self._contacts / self._all)
        else:
            rates = [max(start.rates[name], 1e-3) for name in self.names]
            background = max(start.background, 1e-4)
        if self._held >= 0:
            rates[self._held] = 0.0
        return rates, background

    def step(self, rates: list[float], background: float) -> tuple[list[float], float]:
        """Return the probabilities after one step of expectation and maximization."""
        effects = [0.0] * len(rates)
        leaked = 0.0
        for active, count in self._groups:
            none = 1.0 - background
            for place, weight in active:
                none *= 1.0 - weight * rates[place]
            share = count / (1.0 - none)
            leaked += share * background
            for place, weight in active:
                effects[place] += share * weight * rates[place]
        new = [min(effect / trials, HIGHEST) for effect, trials in zip(effects, self._trials, strict=True)]
        return new, min(max(leaked / self._all, LOWEST_BACKGROUND), HIGHEST)

    def log_likelihood(self, rates: list[float], background: float) -> float:
        """Return the logarithm of the likelihood."""
        total = 0.0
        for active, count in self._groups:
            none = 1.0 - background
            for place, weight in active:
                none *= 1.0 - weight * rates[place]
            total += count * log(max(1.0 - none, 1e-12))
        for rate, trials, met in zip(rates, self._trials, self._met, strict=True):
            total += max(trials - met, 0) * log1p(-rate)
        return total + max(self._all - self._contacts, 0) * log1p(-background)
