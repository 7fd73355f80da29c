"""How many times as often something happens in one group as in another, with exact bounds.

In each stratum (a day, say) the two groups had so many trials and so many hits. Given how many hits both had together,
those of the second are binomial, with a chance that depends on nothing but the ratio of the two rates. Whatever makes a
whole day better or worse for both falls out, and the hits of all strata together tell the ratio.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from nucleus_pandas.core.arrays import Ints

# Beyond, exp does not reach.
_HUGE = 700.0
# From so many chances on, Fourier's way to add numbers is the faster one.
_MANY = 200
_FURTHEST = 2.0


class RateRatio(NamedTuple):
    """The ratio of two rates, b / a, with its bounds, and the two rates of which it is the quotient."""

    ratio: float
    low: float
    high: float
    rate_a: float
    rate_b: float


def rate_ratio(hits_a: Any, trials_a: Any, hits_b: Any, trials_b: Any, *, confidence: float = 0.95) -> RateRatio:
    """Give the ratio of the rates of two groups, the same in all strata, with its exact conditional interval.

    Parameters
    ----------
    hits_a, trials_a, hits_b, trials_b : int or array-like of int
        A number each, or as many as there are strata. Strata in which a group had no trials tell nothing.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    RateRatio
        - ratio: above 1 where b's rate is higher; the one that makes the hits of b in all strata together what is
          expected (conditional maximum likelihood), with one stratum the quotient of the rates. Infinite without any
          hits of a, missing without any hits at all
        - low, high: its bounds; 0 and infinity where nothing speaks against them
        - rate_a, rate_b: the rates, each a mean over the strata with the same weights, so that their quotient is the
          ratio; missing without trials

    Notes
    -----
    With one stratum, the bounds are those of Clopper and Pearson (1934) for the share of b's hits in all hits, turned
    into ratios. Of several, the number of b's hits is a sum of binomial numbers. The bounds hold the true ratio at
    least as often as they promise if hits are independent of each other; the higher the rates, the more often.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, such as 0.95; not {confidence!r}")
    a, n, b, m = (np.atleast_1d(np.asarray(values, dtype=np.int64)) for values in (hits_a, trials_a, hits_b, trials_b))
    if any(((hits < 0) | (hits > trials)).any() for hits, trials in ((a, n), (b, m))):
        raise ValueError("hits must lie between 0 and trials")
    has_trials = (n > 0) & (m > 0)
    a, n, b, m = (values[has_trials] for values in (a, n, b, m))
    both = a + b
    if not both.any():
        rate = 0.0 if has_trials.any() else math.nan
        return RateRatio(
            math.nan, 0.0 if has_trials.any() else math.nan, math.inf if has_trials.any() else math.nan, rate, rate
        )
    strata = _Strata(both, m / n, int(b.sum()))
    ratio = strata.likeliest()
    tail = math.log((1 - confidence) / 2)
    return RateRatio(ratio, strata.low(tail), strata.high(tail), *_rates(ratio, a, n, b, m))


def _rates(ratio: float, a: Ints, n: Ints, b: Ints, m: Ints) -> tuple[float, float]:
    """Both rates as means with the weights that make their quotient the ratio."""
    weight = n * m / (n + ratio * m) if math.isfinite(ratio) else n.astype(np.float64)
    return float((weight * a / n).sum() / weight.sum()), float((weight * b / m).sum() / weight.sum())


class _Strata:
    """The hits of both groups in each stratum, the odds that one is b's where rates are equal, and all hits of b."""

    def __init__(self, both: Ints, odds: Any, hits: int) -> None:
        self.both, self.odds, self.hits = both[both > 0], odds[both > 0], hits

    def likeliest(self) -> float:
        """The ratio under which as many hits are expected as there are."""
        if self.hits == 0:
            return 0.0
        if self.hits == self.both.sum():
            return math.inf
        if len(self.both) == 1:
            return self.hits / float(self.both[0] - self.hits) / float(self.odds[0])

        def beyond(log: float) -> tuple[float, float]:
            chance = self._chance(log)
            return float((self.both * chance).sum()) - self.hits, float((self.both * chance * (1 - chance)).sum())

        return math.exp(_root(beyond, self._crude()))

    def low(self, tail: float) -> float:
        """The ratio under which as many hits or more are as rare as `tail`, the logarithm of a chance."""
        return math.exp(_root(lambda log: self._at_least(log, self.hits, tail), self._crude())) if self.hits else 0.0

    def high(self, tail: float) -> float:
        """The ratio under which as many hits or fewer are as rare as that."""
        if self.hits == self.both.sum():
            return math.inf
        turned = _Strata(self.both, 1 / self.odds, int(self.both.sum()) - self.hits)
        return 1 / turned.low(tail)

    def _crude(self) -> float:
        """A logarithm of the ratio to begin with."""
        chance = (self.hits + 0.5) / (float(self.both.sum()) + 1)
        return math.log(chance / (1 - chance)) - float(np.average(np.log(self.odds), weights=self.both))

    def _chance(self, log: float) -> Any:
        """The chance that a hit is b's, in each stratum."""
        return 1 / (1 + np.exp(-(log + np.log(self.odds))))

    def _at_least(self, log: float, hits: int, tail: float) -> tuple[float, float]:
        """The logarithm of the chance of so many hits or more, less `tail`, and how it grows with that of the ratio."""
        first, chances = self._distribution(log)
        beyond = chances[max(0, hits - first) :]
        if hits < first or not beyond.any():  # so far away that the chance is not told from 1 or from 0
            return (-tail, 0.0) if hits < first else (-math.inf, 0.0)
        chance = float(beyond.sum())
        counts = first + np.arange(len(chances))
        mean = float((chances * counts).sum())
        return math.log(chance) - tail, float((beyond * (counts[-len(beyond) :] - mean)).sum()) / chance

    def _distribution(self, log: float) -> tuple[int, Any]:
        """The chance of each number of b's hits, from the first that has any."""
        first, chances, mean, variance = 0, np.ones(1), 0.0, 0.0
        for both, logit in zip(self.both.tolist(), (log + np.log(self.odds)).tolist(), strict=True):
            chance = 1 / (1 + math.exp(-logit)) if logit > -_HUGE else math.exp(logit)
            begin, own = _binomial(both, chance, logit)
            mean, variance = mean + both * chance, variance + both * chance * (1 - chance)
            first, chances = first + begin, _added(chances, own)
            low, high = _within_reach(mean, variance)
            cut = max(0, low - first)
            first, chances = first + cut, chances[cut : max(1, high - first)]
        return first, chances / chances.sum()


def _binomial(trials: int, chance: float, logit: float) -> tuple[int, Any]:
    """The chances of the numbers of successes within reach, from the first on; `logit` is that of a single success."""
    low, high = _within_reach(trials * chance, trials * chance * (1 - chance))
    steps = np.arange(max(0, low), min(trials, high))
    logs = np.concatenate([[0.0], np.cumsum(np.log((trials - steps) / (steps + 1)) + logit)])
    chances = np.exp(logs - logs.max())
    return max(0, low), chances / chances.sum()


def _within_reach(mean: float, variance: float) -> tuple[int, int]:
    """Between which numbers a sum of binomial ones lies, but for a chance that is less than rounding."""
    reach = 10 * math.sqrt(variance) + 60
    return math.floor(mean - reach), math.ceil(mean + reach)


def _added(chances: Any, others: Any) -> Any:
    """The chances of the sum of two numbers."""
    length = len(chances) + len(others) - 1
    if min(len(chances), len(others)) < _MANY:
        return np.convolve(chances, others)
    size = 1 << (length - 1).bit_length()
    product = np.fft.rfft(chances, size) * np.fft.rfft(others, size)
    return np.maximum(np.fft.irfft(product, size)[:length], 0)


def _root(value: Callable[[float], tuple[float, float]], start: float) -> float:
    """Where a rising function is 0, by Newton's steps, and by halves where those lead astray."""
    low, high, at = -math.inf, math.inf, start
    for _ in range(200):
        height, slope = value(at)
        low, high = (at, high) if height < 0 else (low, at)
        step = -height / slope if slope > 0 and math.isfinite(height) else math.copysign(_FURTHEST, -height)
        if abs(step) <= 1e-15 * max(1.0, abs(at)):
            return at
        new = at + min(max(step, -_FURTHEST), _FURTHEST)
        if not low < new < high:  # beyond what is known already, so that both ends are
            new = (low + high) / 2
            if new in (low, high):
                return new
        at = new
    return at
