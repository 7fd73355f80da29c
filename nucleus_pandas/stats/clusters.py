"""Intervals of rates whose trials belong to users: a user's sessions resemble each other, so they say less together.

A rate is hits / trials over all users. What an interval needs of the users are sums of squares, which add up over
groups of users, so that tables counted in parts are the same as tables counted at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nucleus_pandas.stats.intervals import quantile, score_bounds

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[Any]


class UserSums(NamedTuple):
    """Sums over users, for each cell: trials, hits, and the squares and products of each user's trials and hits."""

    trials: Ints
    hits: Ints
    trials_squared: Ints
    trials_hits: Ints
    hits_squared: Ints

    def __add__(self, other: UserSums) -> UserSums:  # type: ignore[override]
        """Add the sums of other users."""
        return UserSums(*(mine + others for mine, others in zip(self, other, strict=True)))

    @property
    def misses(self) -> UserSums:
        """The same sums with trials that missed in place of those that hit."""
        return UserSums(
            self.trials,
            self.trials - self.hits,
            self.trials_squared,
            self.trials_squared - self.trials_hits,
            self.trials_squared - 2 * self.trials_hits + self.hits_squared,
        )


def sum_users(cell: Ints, user: Ints, hit: Ints, cells: int) -> UserSums:
    """Sum trials and hits over the users of each cell.

    Parameters
    ----------
    cell, user : array of int, shape (trials,)
        The cell and the user of each trial, from 0.
    hit : array of bool
        Whether the trial is a hit.
    cells : int
        The number of cells.

    Returns
    -------
    UserSums
        Arrays of int64, shape (cells,).
    """
    width = int(user.max(initial=0)) + 1
    keys = (cell.astype(np.int64) * width + user) * 2 + hit
    keys.sort()
    pairs = keys >> 1
    first = _first(pairs)
    trials = np.diff(np.append(first, len(keys)))
    hits = np.add.reduceat(keys & 1, first) if len(first) else trials
    return add_users(pairs[first] // width, trials, hits, cells)


def add_users(cell: Ints, trials: Ints, hits: Ints, cells: int) -> UserSums:
    """Sum users whose trials and hits are known, each once in a cell."""
    sums = [np.zeros(cells, dtype=np.result_type(hits, np.int64)) for _ in UserSums._fields]
    for total, values in zip(sums, (trials, hits, trials * trials, trials * hits, hits * hits), strict=True):
        np.add.at(total, cell, values)
    return UserSums(*sums)


def sum_shares(user: Ints, group: Ints, value: Ints, weight: Ints, groups: int, values: int) -> UserSums:
    """Sum what the shares of values within groups need over users: hits are those of one value, trials those of all.

    Parameters
    ----------
    user, group, value : array of int, shape (rows,)
        Codes, from 0.
    weight : array of int or float
        How many each row counts.
    groups, values : int
        How many there are.

    Returns
    -------
    UserSums
        Arrays of the type of `weight`, shape (groups * values,), the values of a group after each other.
    """
    keys = (user.astype(np.int64) * groups + group) * values + value
    order = np.argsort(keys, kind="stable")
    keys, weight = keys[order], weight[order]
    first = _first(keys)
    hits, keys = (np.add.reduceat(weight, first) if len(first) else weight), keys[first]
    cell, pair = keys % max(1, groups * values), keys // max(1, values)
    first = _first(pair)
    trials = np.add.reduceat(hits, first) if len(first) else hits
    of_group = add_users(pair[first] % max(1, groups), trials, trials, groups)
    of_cell = add_users(cell, np.repeat(trials, np.diff(np.append(first, len(pair)))), hits, groups * values)
    # Users without anything of a value have trials all the same.
    every = {name: np.repeat(getattr(of_group, name), values) for name in ("trials", "trials_squared")}
    return of_cell._replace(**every)


def _first(keys: Ints) -> Ints:
    """Give the places in a row of keys in order at which a new one begins."""
    return np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.empty(0, np.int64)


def effective_trials(sums: UserSums, *, confidence: float = 0.95) -> Floats:
    """Number of independent trials that would tell as much about a rate as those of the users do.

    Parameters
    ----------
    sums : UserSums
        Of each cell.
    confidence : float
        Of the interval that the number is for: few users ask for a wider one.

    Returns
    -------
    ndarray of float64
        Never more than the trials; exactly these where each user has one. 0 without trials.

    Notes
    -----
    The design effect is the linearised variance of the ratio hits / trials over users, in units of the binomial one
    (Kish 1965), at least 1. Its estimate is uncertain, and mostly too low near 0 and 1, where few users have the rarer
    outcome. With n the effective number of users (Kish) and m that of users with the rarer outcome, it is raised by
    (n / (n − 1))² or ((m + 1) / m)², whichever is larger, as in a jackknife that leaves out one user at a time; and by
    the ratio of the squared quantiles of Student's and the normal distribution (Korn and Graubard 1998), with m or
    n − 1 degrees of freedom, whichever is lower. It is raised less where there is hardly any effect: users with one
    trial each need no correction. Where all trials have the same outcome the users count as one trial each.
    """
    trials, hits, trials_squared, trials_hits, hits_squared = (values.astype(np.float64) for values in sums)
    rare = hits <= trials / 2
    misses_squared = trials_squared - 2 * trials_hits + hits_squared
    z = quantile(confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = hits / trials
        users = trials**2 / trials_squared
        most = trials_squared / trials
        outcome = np.where(rare, hits, trials - hits) ** 2 / np.where(rare, hits_squared, misses_squared)
        squares = hits_squared - 2 * rate * trials_hits + rate**2 * trials_squared
        effect = squares / (trials * rate * (1 - rate))
        freedom = np.fmax(np.fmin(users - 1, outcome), 1.0)
        without_one = np.fmax(users / np.fmax(users - 1, 0.05), (outcome + 1) / outcome)
        raised = without_one**2 * (student_quantile(z, freedom) / z) ** 2
        # Where hardly any user has more than one trial, or users are not alike, there is nothing to correct; the root
        # allows for an effect that is found too low. Both were chosen by the coverage that they give.
        least = np.fmax(effect * raised**0.25, 1.0)
        effect = effect * raised ** (np.clip(most - 1, 0.0, 1.0) * np.clip(2 * (1 - 1 / least), 0.0, 1.0))
        effect = np.where((hits == 0) | (hits == trials) | (users < 2), np.fmax(effect, most), effect)
        return np.where(trials > 0, trials / np.fmax(np.where(np.isnan(effect), most, effect), 1.0), 0.0)


def user_wilson(sums: UserSums, *, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Bounds of hits / trials with users as the sampling unit: Wilson's interval of the effective trials.

    Parameters
    ----------
    sums : UserSums
        Of each cell.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    low, high : ndarray of float64
        Within 0 and 1; NaN without trials. Never narrower than `wilson` of the trials, and equal to it where each user
        has one trial.

    Notes
    -----
    See `effective_trials`; ``python -m tests.analysis.coverage`` measures how often the bounds hold the true rate.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = sums.hits / sums.trials
    return score_bounds(rate, effective_trials(sums, confidence=confidence), confidence=confidence)


def student_quantile(z: float, freedom: Any) -> Floats:
    """Quantile of Student's distribution for the probability of the normal quantile `z`.

    Notes
    -----
    The first terms of the series in 1 / freedom (Abramowitz and Stegun, 26.7.5).
    """
    f = np.asarray(freedom, dtype=np.float64)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return np.asarray(z + sum(term / f**power for power, term in enumerate(terms, start=1)))
