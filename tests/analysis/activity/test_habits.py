"""On how many days users come, and how far apart, of logs that can be counted by eye."""

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu
from tests.analysis.activity.test_growth import EVERY_DAY, log

# Small logs with few times hold such rows; test_row_checks.py has the warning.
pytestmark = pytest.mark.filterwarnings("ignore:.*repeat another row")


def counts(table):
    return {row.days: row.users for row in table.itertuples() if row.users}


def test_users_count_by_the_number_of_their_days_in_the_last_ones():
    frame = log(a=EVERY_DAY, b=[25, 31, 31], c=[1, 31], d=[1])
    table = nu.days_active(frame, 7, as_of="2026-01-31")
    assert table["users"].tolist() == [1, 1, 0, 0, 0, 0, 1]
    assert table["share"].tolist() == pytest.approx([1 / 3, 1 / 3, 0, 0, 0, 0, 1 / 3])
    assert table["share_at_least"].tolist() == pytest.approx([1, 2 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3])
    assert (table["first_day"].iloc[0].day, table["last_day"].iloc[0].day) == (25, 31)


def test_by_default_the_days_end_with_the_last_that_is_over():
    noon = pd.Timestamp("2026-01-31 12:00", tz="UTC")
    table = nu.days_active(log(a=EVERY_DAY), 5, as_of=noon)
    assert table["last_day"].unique() == pd.Timestamp("2026-01-30")
    assert table["settled"].unique() == [False]
    assert nu.days_active(log(a=EVERY_DAY), 5, end="2026-01-28", as_of=noon)["settled"].all()


def test_a_log_that_begins_within_the_days_is_told():
    with pytest.warns(nu.IncompleteDataWarning, match="begins on 2026-01-01, and holds 31 of the 40 days up to 2026-0"):
        nu.days_active(log(a=EVERY_DAY), 40, as_of="2026-01-31")


def test_a_last_day_that_is_not_over_is_told():
    with pytest.warns(nu.IncompleteDataWarning, match="2026-01-31, the last of the 7 days, was not over"):
        nu.days_active(log(a=EVERY_DAY), 7, end="2026-01-31")


def test_days_before_the_log_are_missing_and_not_zero():
    with pytest.warns(nu.IncompleteDataWarning, match="The log begins on 2026-01-10, and holds 0 of the 3 days"):
        table = nu.days_active(log(a=[10, 11]), 3, end="2026-01-05")
    assert table["users"].isna().all()
    assert table["share"].isna().all()


def test_an_end_beyond_the_data_is_told():
    with pytest.warns(
        nu.IncompleteDataWarning, match="known until 2026-01-31, which is before end: the 7 days end with"
    ):
        table = nu.days_active(log(a=EVERY_DAY), 7, end="2026-02-10", as_of="2026-01-31")
    assert table["last_day"].unique() == pd.Timestamp("2026-01-31")


def test_days_on_which_nobody_came_give_no_share():
    table = nu.days_active(log(a=[1, 2]), 3, as_of="2026-01-20")
    assert table["users"].tolist() == [0, 0, 0]
    assert table[["share", "share_low", "share_high", "share_at_least"]].isna().all(axis=None)


def test_the_interval_is_the_median_of_a_users_distances():
    # Distances of a: 1, 1, 5; of b: 7; of c: 2 and 3, half a day rounded up; d came once.
    frame = log(a=[1, 2, 3, 8], b=[1, 8], c=[1, 3, 6], d=[4, 4])
    table = nu.usage_interval(frame)
    assert counts(table) == {1: 1, 3: 1, 7: 1}
    assert table["share_at_most"].tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3, 1])
    assert table["once"].unique().tolist() == [1]


def test_who_never_stayed_away_for_longer_is_told_beside_the_median():
    # The median of a is 1, the longest distance 9; of b both are 2.
    table = nu.usage_interval(log(a=[1, 2, 3, 12], b=[1, 3], c=[5]))
    assert counts(table) == {1: 1, 2: 1}
    assert table["longest_at_most"].tolist() == [0, *[0.5] * 7, 1]


def test_the_interval_is_of_the_days_that_were_asked_for():
    frame = log(a=[1, 2, 3, 10, 20])
    table = nu.usage_interval(frame, start="2026-01-03", end="2026-01-19")
    assert counts(table) == {7: 1}
    assert len(table) == 7
    assert (table["first_day"].iloc[0].day, table["last_day"].iloc[0].day) == (3, 19)


def test_where_nobody_came_on_two_days_there_is_no_interval():
    assert len(nu.usage_interval(log(a=[1, 1], b=[2]))) == 0


def test_few_users_are_flagged():
    many = {f"u{number}": [1, 2] for number in range(30)}
    assert not nu.usage_interval(log(**many))["low_n"].any()
    assert nu.usage_interval(log(**many | {"u0": [1]}))["low_n"].all()


@pytest.mark.parametrize("ask", [nu.days_active, nu.usage_interval], ids=["days_active", "usage_interval"])
def test_no_activity_gives_the_same_columns_and_types(ask):
    full, none = ask(log(a=EVERY_DAY)), ask(log(a=[1]).iloc[:0])
    assert len(none) == 0
    pd.testing.assert_series_equal(none.dtypes, full.dtypes)
    assert full.columns[-1] == "sample"


@pytest.mark.parametrize("days", [0, 367, 2.5, True])
def test_a_number_of_days_that_cannot_be_is_refused(days):
    with pytest.raises(ValueError, match="must be a whole number from 1 to 366: of how many days"):
        nu.days_active(log(a=EVERY_DAY), days)


def test_shares_add_up_to_one():
    frame = log(a=EVERY_DAY, b=[25, 31], c=[30, 31])
    for table in (nu.days_active(frame, 7, as_of="2026-01-31"), nu.usage_interval(frame)):
        assert np.isclose(table["share"].sum(), 1)
        assert table["share"].between(table["share_low"], table["share_high"]).all()


@pytest.mark.filterwarnings("ignore:.*was not over at as_of")
@pytest.mark.parametrize(
    ("end", "as_of"), [(None, None), ("2011-12-30", None), (None, "2011-12-30"), ("2011-12-29", None)]
)
def test_a_day_that_a_zone_skipped_is_never_the_last(end, as_of):
    # Samoa went from the 29th of December to the 31st.
    starts = pd.to_datetime(["2011-12-29 05:00", "2011-12-30 05:00", "2011-12-30 15:00"], utc=True)
    sessions = pd.DataFrame({"user_id": ["ana", "ana", "ben"], "start": starts})
    table = nu.days_active(sessions, days=2, end=end, tz="Pacific/Apia", as_of=as_of)
    assert set(table["last_day"]) == {pd.Timestamp("2011-12-29")}
