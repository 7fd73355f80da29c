"""Kaplan and Meier's estimate of what share stays for how long, where some were not followed to the end."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nucleus_pandas.core.arrays import Ints, distinct
from nucleus_pandas.stats.intervals import quantile, quantiles

Floats = NDArray[np.floating[Any]]


class KaplanMeier(NamedTuple):
    """The times at which follow-up ended, in order, and what was estimated from each on until the next."""

    times: Ints
    survival: Floats
    low: Floats
    high: Floats

    def at(self, moments: Any) -> tuple[Floats, Floats, Floats]:
        """Give survival, low and high at some times; before the first time nobody is lost."""
        place = np.searchsorted(self.times, moments, side="right")
        return tuple(
            np.append(first, values)[place] for first, values in zip((1.0, np.nan, np.nan), self[1:], strict=True)
        )


def kaplan_meier(times: Any, lost: Any) -> KaplanMeier:
    """Estimate what share stays for how long.

    Parameters
    ----------
    times : array of numbers
        How long each one was followed.
    lost : array of bool
        Whether it was lost then; the others are censored: followed until then, and still there.

    Returns
    -------
    KaplanMeier
        With Greenwood's 95 % bounds on the log-log scale, which stay within 0 and 1. Where the share is 0 or 1 the
        formula knows no spread, and both bounds are missing (NaN): the share itself would look certain.

    Notes
    -----
    Kaplan and Meier (1958), Greenwood (1926), Kalbfleisch and Prentice (1980). Who is censored at a time at which
    others are lost was at risk with them.
    """
    times, lost = np.asarray(times), np.asarray(lost, dtype=np.bool_)
    ends = distinct(times)
    at_risk = len(times) - np.searchsorted(np.sort(times), ends, side="left")
    gone = _counts(ends, times[lost])
    survival = np.cumprod(1 - gone / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(np.cumsum(gone / (at_risk * (at_risk - gone))))
        error = np.where((survival > 0) & (survival < 1), -error / np.log(survival), np.nan)
    return KaplanMeier(ends, survival, *survival_bounds(survival, error))


def survival_bounds(survival: Any, error: Any, *, confidence: Any = 0.95) -> tuple[Floats, Floats]:
    """Bounds of a survival, from the standard error of log(−log survival); missing where one of the two is."""
    spread = quantiles(confidence) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (np.exp(np.log(survival) * np.exp(sign * spread)) for sign in (1, -1))
    return low, high


def survival_error(low: Any, high: Any) -> Floats:
    """Standard error of log(−log survival) that `survival_bounds` made 95 % bounds of; its inverse."""
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.log(-np.log(low)) - np.log(-np.log(high))
    return np.asarray(spread / (2 * quantile(0.95)))


def _counts(ends: Ints, times: Ints) -> Ints:
    """How many of some times are which of the ends."""
    counts: Ints = np.bincount(np.searchsorted(ends, times), minlength=len(ends))
    return counts
