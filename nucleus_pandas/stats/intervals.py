"""Intervals of rates and of their differences, and what several comparisons at once ask for.

Vectorised over whatever NumPy broadcasts. A rate of nobody (no trials) is not known: NaN, never 0.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: A rate of fewer is flagged.
LOW_N = 30


def wilson(successes: Any, trials: Any, *, confidence: Any = 0.95) -> tuple[Floats, Floats]:
    """Bounds of a rate: Wilson's score interval, without continuity correction.

    Parameters
    ----------
    successes, trials : array-like of whole numbers
        Missing, or no trials, gives NaN.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    low, high : ndarray of float64
        Within 0 and 1; exactly 0 where nothing succeeded, exactly 1 where everything did.

    Raises
    ------
    ValueError
        Where successes lie outside 0 … trials, or confidence outside 0 … 1.

    Notes
    -----
    Wilson (1927). Unlike rate ± 1.96 standard errors it keeps its promise for small numbers and near 0 and 1.
    """
    hits, count = _counts(successes, trials)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = hits / count
    return score_bounds(rate, count, confidence=confidence)


def score_bounds(rate: Any, trials: Any, *, confidence: Any = 0.95) -> tuple[Floats, Floats]:
    """Bounds of a rate by Wilson's formula, for a number of trials that need not be whole.

    Parameters
    ----------
    rate, trials : array-like of float
        Rates between 0 and 1, each of so many trials; no trials give NaN.
    confidence : float or array-like of float
        Between 0 and 1; one for all, or one each.

    Returns
    -------
    low, high : ndarray of float64
        As `wilson`.
    """
    rate, count = np.broadcast_arrays(_floats(rate), _floats(trials))
    z = quantiles(confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        center = (rate + z * z / (2 * count)) / (1 + z * z / count)
        spread = z / (1 + z * z / count) * np.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count))
        # Rounding would leave 1e-17 where the formula is exactly 0 or 1.
        low = np.where(rate == 0, np.where(count > 0, 0.0, np.nan), center - spread)
        high = np.where(rate == 1, np.where(count > 0, 1.0, np.nan), center + spread)
    return np.where(count > 0, low, np.nan), np.where(count > 0, high, np.nan)


def trials_of_bounds(rate: Any, low: Any, high: Any) -> Floats:
    """Number of independent trials that `score_bounds` made 95 % bounds of; its inverse.

    Parameters
    ----------
    rate, low, high : array-like of float
        A rate and its bounds; missing gives NaN.
    """
    rate, low, high = (_floats(values) for values in (rate, low, high))
    # The bound that is farther from 0 and 1 loses fewer digits; where the rate is 0 or 1, so is the other one.
    bound = np.where(rate > 0.5, low, high)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(quantile(0.95) ** 2 * bound * (1 - bound) / (rate - bound) ** 2)


def newcombe(
    successes_a: Any, trials_a: Any, successes_b: Any, trials_b: Any, *, confidence: Any = 0.95
) -> tuple[Floats, Floats, Floats]:
    """Difference of two rates, b − a, with its bounds: Newcombe's hybrid score interval.

    Parameters
    ----------
    successes_a, trials_a, successes_b, trials_b : array-like of whole numbers
        Of two groups that have nobody in common. Missing, or no trials, gives NaN.
    confidence : float or array-like of float
        Between 0 and 1; one for all, or one each.

    Returns
    -------
    difference, low, high : ndarray of float64
        Rate of b less rate of a, within −1 and 1; positive where b's is higher.

    Raises
    ------
    ValueError
        As `wilson`.

    Notes
    -----
    Method 10 of Newcombe (1998), made of the Wilson bounds of both rates.
    """
    low_a, high_a = wilson(successes_a, trials_a, confidence=confidence)
    low_b, high_b = wilson(successes_b, trials_b, confidence=confidence)
    rate_a, rate_b = _rate(successes_a, trials_a), _rate(successes_b, trials_b)
    return difference_of((rate_a, low_a, high_a), (rate_b, low_b, high_b))


def difference_of(a: tuple[Any, Any, Any], b: tuple[Any, Any, Any]) -> tuple[Floats, Floats, Floats]:
    """Difference b − a of two independent estimates, each given with its bounds, and the bounds that follow (MOVER).

    Notes
    -----
    Zou and Donner (2008). The bounds of the difference have the confidence of those of the two estimates.
    """
    (rate_a, low_a, high_a), (rate_b, low_b, high_b) = a, b
    difference = rate_b - rate_a
    low = difference - np.hypot(rate_b - low_b, high_a - rate_a)
    high = difference + np.hypot(high_b - rate_b, rate_a - low_a)
    return difference, low, high


def pooled_difference(
    successes_a: Any, trials_a: Any, successes_b: Any, trials_b: Any, *, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Difference of two rates over several strata, each compared within itself, with its bounds.

    Parameters
    ----------
    successes_a, trials_a, successes_b, trials_b : array-like of whole numbers, shape (strata,)
        Of two groups that have nobody in common. A stratum in which one of them is empty tells nothing.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    difference, low, high : float
        The mean of the strata's differences, rate of b less rate of a, by the weights of Mantel and Haenszel; NaN where
        no stratum has both groups.

    Raises
    ------
    ValueError
        As `wilson`.

    Notes
    -----
    A stratum of n_a and n_b weighs n_a n_b / (n_a + n_b) (Mantel and Haenszel 1959; for differences Greenland and
    Robins 1985). On each side the bound is the wider one of two: that made of the strata's Newcombe bounds (MOVER; Zou
    and Donner 2008), too narrow for many strata of a few, and that of Sato's variance (1989), too narrow for rates near
    0 or 1 of few altogether.
    """
    hits_a, count_a = _counts(successes_a, trials_a)
    hits_b, count_b = _counts(successes_b, trials_b)
    both = (count_a > 0) & (count_b > 0)
    if not both.any():
        return math.nan, math.nan, math.nan
    hits_a, count_a, hits_b, count_b = (values[both] for values in (hits_a, count_a, hits_b, count_b))
    total = count_a + count_b
    weight = count_a * count_b / total
    share = weight / weight.sum()
    difference, low, high = newcombe(hits_a, count_a, hits_b, count_b, confidence=confidence)
    center = float((share * difference).sum())
    skew = (count_b**2 * hits_a - count_a**2 * hits_b + count_a * count_b * (count_a - count_b) / 2) / total**2
    even = (hits_b * (count_a - hits_a) + hits_a * (count_b - hits_b)) / (2 * total)
    variance = float(center * skew.sum() + even.sum()) / float(weight.sum()) ** 2
    reach = quantile(confidence) * math.sqrt(max(0.0, variance))
    below, above = (max(reach, float(np.hypot.reduce(share * (edge - difference)))) for edge in (low, high))
    return center, max(-1.0, center - below), min(1.0, center + above)


def equal_rates(successes_a: Any, trials_a: Any, successes_b: Any, trials_b: Any) -> Floats:
    """Chance of a difference at least as large between two groups whose true rates are the same.

    The two-sided score test with pooled rate, which is the chi-squared test of the 2 x 2 table without
    correction. Parameters as `newcombe`; NaN where one of the groups is empty, 1 where nobody or everybody
    succeeded in both.
    """
    hits_a, count_a = _counts(successes_a, trials_a)
    hits_b, count_b = _counts(successes_b, trials_b)
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = (hits_a + hits_b) / (count_a + count_b)
        error = np.sqrt(pooled * (1 - pooled) * (1 / count_a + 1 / count_b))
        z = np.abs(hits_b / count_b - hits_a / count_a) / error
    return normal_tails(np.where((count_a > 0) & (count_b > 0) & (error == 0), 0.0, z))


def normal_tails(z: Floats) -> Floats:
    """How often a standard normal value lies as far from 0 as `z`, on either side."""
    tails = [math.erfc(abs(one) / math.sqrt(2)) for one in z.ravel().tolist()]
    return np.array(tails, dtype=np.float64).reshape(z.shape)


def holm(p_values: Any) -> Floats:
    """P-values adjusted for being several: Holm's step-down procedure.

    Parameters
    ----------
    p_values : array-like of float
        One for each comparison of the family; NaN is no comparison.

    Returns
    -------
    ndarray of float64
        In the same order, each at least as large as before and at most 1. With those below 0.05 called
        differences, the chance to call even one wrongly is at most 5 %, however the comparisons depend on
        each other.

    Raises
    ------
    ValueError
        For a number outside 0 … 1, or more than one dimension.

    Notes
    -----
    Holm (1979).
    """
    given = _floats(p_values)
    if given.ndim != 1 or ((given < 0) | (given > 1)).any():
        raise ValueError("p_values must be a list of numbers from 0 to 1; missing ones are left out")
    adjusted = np.full(len(given), np.nan)
    order = np.argsort(given, kind="stable")[: np.count_nonzero(~np.isnan(given))]
    steps = given[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def student_tails(t: float, freedom: int) -> float:
    """How often a value of Student's distribution lies as far from 0 as `t`, on either side.

    Parameters
    ----------
    t : float
    freedom : int
        Degrees of freedom, from 1 up.

    Returns
    -------
    float
        Between 0 and 1; NaN for a `t` that is missing.

    Notes
    -----
    The finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4.
    """
    angle = math.atan2(abs(t), math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cosine if odd else 1.0), 0.0
    for number in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cosine * cosine * (number - 1) / number
    within = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return 1 - within


def quantile(confidence: float) -> float:
    """Give the normal quantile z of a two-sided interval."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, such as 0.95; not {confidence!r}")
    return NormalDist().inv_cdf((1 + confidence) / 2)


def quantiles(confidence: Any) -> Any:
    """`quantile` of one confidence or of several."""
    return quantile(confidence) if np.ndim(confidence) == 0 else np.array([quantile(one) for one in confidence])


def _counts(successes: Any, trials: Any) -> tuple[Floats, Floats]:
    """Both as float64 of one shape; refused where more succeeded than tried."""
    hits, count = np.broadcast_arrays(_floats(successes), _floats(trials))
    if ((hits < 0) | (hits > count) | (count < 0)).any():
        raise ValueError("successes must lie between 0 and trials")
    return hits, count


def _rate(successes: Any, trials: Any) -> Floats:
    hits, count = _counts(successes, trials)
    with np.errstate(invalid="ignore"):
        return np.asarray(hits / count)


def _floats(values: Any) -> Floats:
    """As float64; the NA of pandas' nullable columns is NaN."""
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy(dtype="float64", na_value=np.nan))
    return np.asarray(values, dtype=np.float64)
