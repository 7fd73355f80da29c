"""The expected range of a day against a loop over days and weeks that does one thing at a time.

Run ``python -m tests.stats.test_series_baseline 5000`` for as many tables as you like.
"""

import math
import statistics
import sys
from statistics import NormalDist

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nucleus_pandas.stats.series_baseline import FALSE_ALARMS, expected_range

TABLES = 20


@st.composite
def tables(draw):
    days = draw(st.integers(0, 90))
    rows = draw(st.integers(1, 2))
    count = st.sampled_from([0, 0, 1, 2, 3, 8, 50, math.nan])
    exposure = st.sampled_from([0.0, 1.0, 2.5, 10.0, 10.0, math.nan])
    counts = draw(st.lists(st.lists(count, min_size=rows, max_size=rows), min_size=days, max_size=days))
    return counts, draw(st.lists(exposure, min_size=days, max_size=days)), rows


def known(value):
    return not math.isnan(value)


def slow_range(count, exposure, day, rows):
    """The range of one row on one day: expected, low, high, weeks."""
    here = [before for before in range(day - 7, day - 57, -7) if before >= 0 and exposure[before] > 0]
    here = [before for before in here if known(count[before])]
    if len(here) < 4 or not exposure[day] > 0:
        return math.nan, math.nan, math.nan, len(here)
    z = NormalDist().inv_cdf(1 - FALSE_ALARMS / rows)
    spread = slow_dispersion(count, exposure, day)
    rates = [count[before] / exposure[before] for before in here]
    median = statistics.median_low(rates)
    mad = 1.4826 * statistics.median_low(abs(rate - median) for rate in rates)
    together = 0.0
    for before in here:
        usual = exposure[before] * median / spread
        found = count[before] / spread
        together += usual if found > (math.sqrt(usual + 0.375) + z / 2) ** 2 - 0.375 else found
    share = exposure[day] / sum(exposure[before] for before in here)
    root, reach = math.sqrt(share * (together + 0.375)), z / 2 * math.sqrt(1 + share)
    low = spread * (max(0, root - reach) ** 2 - 0.375) / exposure[day]
    high = spread * ((root + reach) ** 2 - 0.375) / exposure[day]
    return median, max(0, min(low, median - z * mad)), max(high, median + z * mad), len(here)


def slow_dispersion(count, exposure, day):
    weeks = []
    for begin in range(day - 56, day, 7):
        both = [(x, x - 7) for x in range(begin, begin + 7) if x >= 7 and exposure[x] > 0 and exposure[x - 7] > 0]
        both = [(x, y) for x, y in both if known(count[x]) and known(count[y])]
        pairs = [
            (count[x] * exposure[y] - count[y] * exposure[x]) ** 2 / (exposure[x] * exposure[y] * (count[x] + count[y]))
            for x, y in both
            if count[x] + count[y]
        ]
        if both:
            weeks.append(statistics.fmean(pairs) if pairs else 1)
    quiet = sorted(weeks)[(len(weeks) - 1) // 3] if weeks else 1
    return 1 + 3 * max(0, quiet - 1)


def check(table):
    counts, exposure, rows = table
    found = expected_range(np.array(counts).reshape(len(counts), rows), np.array(exposure, dtype=np.float64))
    for day in range(len(counts)):
        for row in range(rows):
            expected = slow_range([one[row] for one in counts], exposure, day, rows)
            np.testing.assert_allclose([column[day, row] for column in found], expected, rtol=1e-9, atol=1e-12)


@given(tables())
@settings(max_examples=TABLES)
def test_the_range_is_that_of_going_through_the_weeks_one_by_one(table):
    check(table)


if __name__ == "__main__":
    thorough = settings(max_examples=int(sys.argv[1]), deadline=None, database=None, derandomize=False)
    thorough(given(tables())(check))()
