"""Times of which only the first and the last of each day are kept say what all of them say."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nucleus_pandas as nu
from nucleus_pandas.events.clock_errors import Times, days_of_utc, newest, oldest, warn_behind

DAY = 86_400_000_000
times = st.lists(
    st.one_of(
        st.integers(0, 20 * DAY),
        st.integers(0, 40).map(lambda half: half * DAY // 2),
        st.sampled_from([-20_000 * DAY, -400 * DAY, -8 * DAY, 27 * DAY, 28 * DAY, 500 * DAY, 5_000 * DAY]),
    ),
    min_size=1,
    max_size=8,
)


def told(ask):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        return ask(), [str(one.message) for one in found]


@given(times, st.integers(0, 300), st.integers(0, 8))
def test_a_silence_is_found_in_days_as_in_instants(some, often, split):
    every = np.array(some + [DAY * 3 + number for number in range(often)], dtype=np.int64)
    first, second = (Times(part).thinned(days_of_utc) for part in (every[:split], every[split:]))
    thin = first.and_also(second).thinned(days_of_utc)
    assert thin.number == len(every)
    assert len(thin.moments) <= 2 * len(set((every // DAY).tolist()))
    assert told(lambda: newest(thin)) == told(lambda: newest(every))
    assert oldest(thin) == oldest(every)
    begin = oldest(every)
    assert told(lambda: warn_behind(thin, begin, "x", "y")) == told(lambda: warn_behind(every, begin, "x", "y"))


def test_of_each_day_the_first_and_the_last_instant_are_kept_with_all_that_lie_between():
    thin = Times(np.array([5, 1, 3, DAY, 2 * DAY, 2 * DAY])).thinned(days_of_utc)
    assert thin.moments.tolist() == [1, 5, DAY, 2 * DAY]
    assert thin.counts.tolist() == [2, 1, 1, 2]


def test_one_clock_at_1970_among_forty_users_makes_no_cohorts_of_its_own():
    starts = pd.date_range("2026-01-01", periods=40, freq="5D", tz="UTC").as_unit("us")
    starts = starts.insert(0, pd.Timestamp("1970-01-01", tz="UTC")).as_unit("us")
    log = pd.DataFrame({"user_id": [f"u{n}" for n in range(41)], "time": starts, "event": "init"})
    with pytest.warns(nu.IncompleteDataWarning, match="clocks that are behind"):
        table = nu.retention(log, freq="M")
    assert table["cohort"].min() == pd.Timestamp("2026-01-01")
    assert len(table) < 100


@pytest.mark.parametrize(("early", "kept"), [(4, False), (5, True)])
def test_a_few_early_users_two_years_before_the_others_are_right_if_they_are_one_in_ten(early, kept):
    some = np.array([*range(early), *(800 * DAY + number for number in range(40))], dtype=np.int64)
    assert (oldest(some) == 0) is kept
