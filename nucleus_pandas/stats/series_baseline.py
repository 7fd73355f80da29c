"""What a day's count should be, from the same weekday of the weeks before: a range that chance seldom leaves."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WEEK = 7
#: A day is judged by the same weekday of so many weeks before it.
FEWEST_WEEKS, MOST_WEEKS = 4, 8
#: In what part of the days on which nothing is wrong chance may make a spike, in whatever row of the day. Real counts
#: have longer tails than any formula; it is so low that even then few days have one.
FALSE_ALARMS = 0.002

# How much counts spread is told by each of the eight weeks by itself, and the third quietest of them is taken. An
# incident, however long, spoils up to four of them, when it begins and when it ends; the next one, so far, a fifth. A
# quiet week shows about a third of what the spread of bursts has in excess of a Poisson's.
_QUIET = 3
_EXCESS_SHOWN = 1 / 3
_ANSCOMBE = 0.375
_NORMAL_MAD = 1.4826


class Range(NamedTuple):
    """For each day and row: the expected rate, its bounds, and the number of weeks that it comes from."""

    expected: Floats
    expected_low: Floats
    expected_high: Floats
    weeks: NDArray[np.int64]


def expected_range(counts: Floats, exposure: Floats) -> Range:
    """Give the expected rate of each day and its range.

    Parameters
    ----------
    counts : array, shape (days, rows)
        Of consecutive days; NaN is not known.
    exposure : array, shape (days,)
        What the rates are shares of; NaN or 0 where the day tells nothing.

    Returns
    -------
    Range
        Rates, per one of the exposure, each from the days before only; NaN with fewer than `FEWEST_WEEKS` weeks, and
        where the day itself has no exposure. That a rate lies above its range happens by chance in some row of one day
        in 1 / `FALSE_ALARMS`.

    Notes
    -----
    The expected rate is the median of the weeks. The range is the wider of two: the median and z times the MAD on both
    sides (weeks differ as they have differed), and what chance leaves if nothing changed (the floor). The floor
    compares two Poisson counts, of the day and of its weeks together, on the scale of square roots, where a spread does
    not depend on its mean (Anscombe; for two counts Huffman 1984). It is not zero where the count of the weeks is.

    Reports come in bursts, one session can send many, so that counts spread more than a Poisson's. By how much is told
    by days a week apart, of the same eight weeks: of two equal rates the squared difference is as large as the sum,
    times the dispersion. The counts are divided by it. It is that of one of the quieter weeks (the third of eight), so
    that an incident, which makes days a week apart differ when it begins and when it ends, does not count as spread.

    Of the weeks, a count that is itself out of all proportion is taken as the usual one, so that a spike does not hide
    the next one. For the same reason, of two numbers in the middle the median is the lower: four bad weeks of eight do
    not move it.
    """
    days, rows = counts.shape
    z = NormalDist().inv_cdf(1 - FALSE_ALARMS / max(1, rows))
    usable = np.where(exposure > 0, exposure, np.nan)
    empty = np.full((MOST_WEEKS * WEEK, 1), np.nan)
    weeks_exposure = _weeks_before(np.concatenate([empty, usable[:, None]]), days)[:, 0]
    found = [np.full((days, rows), np.nan) for _ in range(3)]
    weeks = np.zeros((days, rows), dtype=np.int64)
    for row in range(rows):
        count = counts[:, row]
        past = _weeks_before(np.concatenate([empty, count[:, None]]), days)[:, 0]
        base = np.where(np.isnan(past), np.nan, weeks_exposure)
        weeks[:, row] = (~np.isnan(past / base)).sum(axis=1)
        judged = (weeks[:, row] >= FEWEST_WEEKS) & ~np.isnan(usable)
        bounds = _bounds(past[judged], base[judged], usable[judged], _dispersion(count, usable)[judged], z)
        for column, values in zip(found, bounds, strict=True):
            column[judged, row] = values
    expected, low, high = found
    return Range(expected, low, high, weeks)


def _bounds(past: Floats, base: Floats, today: Floats, spread: Floats, z: float) -> tuple[Floats, Floats, Floats]:
    """The expected rate of some days and its bounds: counts and exposure of the weeks before, exposure of the day."""
    rates = past / base
    median = _low_median(rates)
    mad = _NORMAL_MAD * _low_median(np.abs(rates - median[:, None]))
    usual, found = base * median[:, None] / spread[:, None], past / spread[:, None]
    edge = (np.sqrt(usual + _ANSCOMBE) + z / 2) ** 2 - _ANSCOMBE
    together = np.nansum(np.where(np.isnan(base), np.nan, np.where(found > edge, usual, found)), axis=1)
    share = today / np.nansum(np.where(np.isnan(past), np.nan, base), axis=1)
    root, reach = np.sqrt(share * (together + _ANSCOMBE)), z / 2 * np.sqrt(1 + share)
    low, high = (spread * (np.maximum(0, edge) ** 2 - _ANSCOMBE) / today for edge in (root - reach, root + reach))
    return median, np.maximum(0, np.minimum(low, median - z * mad)), np.maximum(high, median + z * mad)


def _low_median(values: Floats) -> Floats:
    """The median of each row without what is missing, of two in the middle the lower."""
    place = np.maximum(0, (~np.isnan(values)).sum(axis=1) - 1) // 2
    found: Floats = np.sort(values, axis=1)[np.arange(len(values)), place]
    return found


def _dispersion(count: Floats, exposure: Floats) -> Floats:
    """How many times more the counts before each day spread than Poisson counts do, at least 1."""
    days, span = len(count), MOST_WEEKS * WEEK
    pairs = np.full((2, days + span), np.nan)
    x, y, of_x, of_y = count[WEEK:], count[:-WEEK], exposure[WEEK:], exposure[:-WEEK]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = [(x * of_y - y * of_x) ** 2 / (of_x * of_y * (x + y)), (x + y) * of_x * of_y]
    pairs[:, span + days - len(x) :] = found
    of_pair, known = sliding_window_view(pairs, span, axis=1)[:, :days].reshape(2, days, MOST_WEEKS, WEEK)
    pairs_known = (~np.isnan(of_pair)).sum(axis=-1)
    weeks = np.nansum(of_pair, axis=-1) / np.maximum(1, pairs_known)
    # A week in which nothing was reported is a quiet one; one of which nothing is known tells nothing.
    weeks[pairs_known == 0] = 1.0
    weeks[np.isnan(known).all(axis=-1)] = np.nan
    weeks.sort(axis=-1)
    place = np.maximum(0, (~np.isnan(weeks)).sum(axis=-1) - 1) // _QUIET
    quiet = np.nan_to_num(weeks[np.arange(days), place], nan=1.0)
    spread: Floats = 1 + np.maximum(0, quiet - 1) / _EXCESS_SHOWN
    return spread


def _weeks_before(padded: Floats, days: int) -> Any:
    """For each day (and row) the values of the same weekday of the weeks before it."""
    first = len(padded) - days
    return np.stack([padded[first - WEEK * week : first - WEEK * week + days] for week in range(1, MOST_WEEKS + 1)], -1)
