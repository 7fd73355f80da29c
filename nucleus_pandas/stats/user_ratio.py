"""Bounds of a ratio of rates that count users, where hits belong to users more than chance makes them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from nucleus_pandas.core.arrays import Bools, Ints, distinct
from nucleus_pandas.stats.clusters import student_quantile
from nucleus_pandas.stats.intervals import quantile
from nucleus_pandas.stats.rate_ratio import rate_ratio

# Beyond, exp does not reach.
_HUGE = 700.0


class Trials(NamedTuple):
    """Trials of two groups, in strata in which both had some: user, stratum, whether of the second group, whether hit.

    Users and strata are numbers from 0 on, few enough to count by.
    """

    user: Ints
    stratum: Ints
    second: Bools
    hit: Bools


def user_bounds(trials: Trials, ratio: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Give bounds of the ratio of `rate_ratio` for trials of which those of a user may be alike.

    Notes
    -----
    How far would the ratio move without one of the users? The squares of these steps, of its logarithm, add up to its
    variance (jackknife, with one step of Newton's in place of a new ratio for each user). Where all hits are of one
    user, nothing is known. Where only one group has hits there is no such logarithm: each user is then one trial in
    each group, hit if any was, and the bounds are exact.
    """
    if math.isnan(ratio):
        return 0.0, math.inf
    if ratio == 0 or math.isinf(ratio):
        return _each_once(trials, confidence)
    strata = int(trials.stratum.max()) + 1
    number, hits = (
        [
            np.bincount(trials.stratum[trials.second == group], weights[trials.second == group], strata)
            for group in (0, 1)
        ]
        for weights in (np.ones(len(trials.hit)), trials.hit)
    )
    expected = number[0] + ratio * number[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = (ratio * number[1] / expected)[trials.stratum]
        rate = ((hits[0] + hits[1]) / expected)[trials.stratum]
    score = np.where(trials.second, (1 - chance) * (trials.hit - ratio * rate), -chance * (trials.hit - rate))
    slope = np.where(trials.hit, chance * (1 - chance), 0.0)
    scores, slopes = np.bincount(trials.user, score), np.bincount(trials.user, slope)
    others = slopes.sum() - slopes
    if (others <= 1e-9 * slopes.sum()).any():
        return 0.0, math.inf
    squares = (scores / others) ** 2
    variance = float(squares.sum())
    # So many users would give the same if all of them moved the ratio alike.
    users = variance**2 / float((squares**2).sum()) if variance > 0 else math.inf
    factor = math.exp(min(float(student_quantile(quantile(confidence), users)) * math.sqrt(variance), _HUGE))
    return ratio / factor, ratio * factor


def _each_once(trials: Trials, confidence: float) -> tuple[float, float]:
    counts = []
    for group in (False, True):
        own = trials.second == group
        counts += [len(distinct(trials.user[own & trials.hit])), len(distinct(trials.user[own]))]
    found = rate_ratio(*counts, confidence=confidence)
    return found.low, found.high
