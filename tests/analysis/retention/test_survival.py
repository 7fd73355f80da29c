"""Survival from the list of users, of lists that can be counted by eye, and of the made-up app."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from tests.conftest import AUTUMN

TEXT = pd.StringDtype("python")
FIRST = pd.Timestamp("2026-01-01", tz="UTC")
COLUMNS = [
    *("day", "at_risk", "lost", "censored", "survival", "survival_low", "survival_high"),
    *("pending", "low_n", "gap", "sample"),
]


def at(days):
    return FIRST + pd.Timedelta(days, "D")


def people(*stays, plan=None):
    """A list of users, each from when to when they were seen, in days of the year."""
    frame = pd.DataFrame(
        {
            "created_at": pd.DatetimeIndex([at(first) for first, _ in stays], tz="UTC").as_unit("us"),
            "last_seen": pd.DatetimeIndex([at(last) for _, last in stays], tz="UTC").as_unit("us"),
        }
    )
    return frame if plan is None else frame.assign(**{"props.plan": pd.array(plan, dtype=TEXT)})


def rows(table):
    return {row.day: (row.at_risk, row.lost, row.censored) for row in table.itertuples()}


def test_a_user_silent_for_longer_than_the_gap_is_lost_when_seen_last_and_the_others_are_censored_before_the_gap():
    # Known until day 30, so followed until day 20: one lost after 2 days, one seen within the gap, followed for 10.
    table = nu.survival(people((0, 2), (10, 25)), gap="10d", as_of=at(30))
    assert rows(table) == {day: (2 if day <= 2 else 1, int(day == 2), int(day == 10)) for day in range(11)}
    assert table["survival"].tolist() == [1, 1] + [0.5] * 9


def test_a_user_silent_for_just_the_gap_is_not_lost():
    assert nu.survival(people((0, 20)), gap="10d", as_of=at(30))["lost"].sum() == 0
    assert (
        nu.survival(people((0, 19.9)), gap="10d", as_of=at(30))["lost"].sum() == 0
    )  # on day 20, which was not reached
    assert nu.survival(people((0, 19)), gap="10d", as_of=at(30))["lost"].sum() == 1


def test_days_of_life_are_counted_from_the_creation_and_not_by_the_calendar():
    table = nu.survival(people((0.9, 1.1), (0.1, 2.2), (0, 9)), gap="1d", as_of=at(10))
    assert table.loc[table["lost"] > 0, "day"].tolist() == [1, 3]


def test_when_all_are_pending_the_time_of_the_first_to_be_counted_is_named():
    words = (
        r"10d after the account was created\. The first can be counted by 2026-01-11 00:00 UTC, and .* 2026-01-06 00"
    )
    with pytest.warns(nu.IncompleteDataWarning, match=words):
        table = nu.survival(people((0, 2), (1, 1)), gap="10d", as_of=at(5))
    assert table["pending"].tolist() == [2]


def test_who_was_seen_only_when_created_is_lost_on_day_0():
    table = nu.survival(people((0, 0), (0, 5)), gap="1d", as_of=at(6))
    assert table["survival"].tolist() == [0.5] * 6


def test_who_was_created_within_the_gap_is_pending_and_who_was_created_later_does_not_count():
    table = nu.survival(people((0, 29), (25, 26), (40, 41)), gap="10d", as_of=at(30))
    assert table["at_risk"].iloc[0] == 1
    assert set(table["pending"]) == {1}


@pytest.mark.filterwarnings("ignore:No user can be counted yet")
def test_where_all_are_pending_there_is_one_row_without_a_share():
    table = nu.survival(people((28, 29)), gap="10d", as_of=at(30))
    assert table[["day", "at_risk", "pending"]].to_numpy().tolist() == [[0, 0, 1]]
    assert table["survival"].isna().all()


def test_the_rows_end_with_the_last_day_that_somebody_was_followed_through():
    assert nu.survival(people((0, 29)), gap="26.5d", as_of=at(30))["day"].tolist() == [0, 1, 2, 3]


def test_each_segment_has_rows_of_its_own_those_with_most_users_first():
    frame = people((0, 2), (0, 9), (0, 3), plan=["pro", None, "pro"])
    table = nu.survival(frame, gap="1d", by="plan", as_of=at(10))
    assert table["segment"].unique().tolist() == ["pro", "(none)"]
    assert table.loc[table["segment"] == "pro", "survival"].tolist() == [1, 1, 0.5, 0]
    assert table.columns.tolist() == ["segment", *COLUMNS]


def test_only_users_created_in_the_interval_count():
    frame = people((0, 5), (10, 15), (20, 25))
    table = nu.survival(frame, gap="1d", start="2026-01-11", end="2026-01-11", as_of=at(30))
    assert table["at_risk"].iloc[0] == 1


def test_by_default_the_list_is_known_until_somebody_was_seen_last():
    frame = people((0, 2), (0, 20))
    pd.testing.assert_frame_equal(nu.survival(frame, "5d"), nu.survival(frame, "5d", as_of=at(20)))


def test_users_without_their_times_or_seen_long_before_they_were_created_are_left_out_with_a_warning():
    frame = people((0, 20), (0, 5), (10, 3), (5, 4))
    frame.loc[1, "last_seen"] = pd.NaT
    with pytest.warns(
        nu.IncompleteDataWarning,
        match="2 of 4 users are left out: 1 has no last_seen, 1 was seen last more than 48 hours before",
    ):
        table = nu.survival(frame, gap="5d", as_of=at(20))
    # What was sent late, a day before the account was made, is dated to the creation.
    assert table.loc[0, ["at_risk", "lost"]].tolist() == [2, 1]


def test_a_user_who_stands_there_twice_counts_once_as_seen_last():
    frame = people((0, 20), (0, 2), (0, 3), (0, 4)).assign(user_db_id=["a", "a", None, None])
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 4 users is left out: 1 stands there twice"):
        table = nu.survival(frame, gap="5d", as_of=at(20))
    pd.testing.assert_frame_equal(table, nu.survival(frame.iloc[[0, 2, 3]], gap="5d", as_of=at(20)))


def test_accounts_dated_long_before_the_others_are_left_out_with_a_warning():
    frame = people((-20_000, 3), *[(day, day + 1) for day in range(10)] * 12)
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 121 times of created_at lie before 7 days or more without"):
        table = nu.survival(frame, gap="5d", as_of=at(30))
    pd.testing.assert_frame_equal(table, nu.survival(frame.iloc[1:], gap="5d", as_of=at(30)))
    pd.testing.assert_frame_equal(table, nu.survival(frame, gap="5d", start="2026-01-01", as_of=at(30)))


def test_of_few_users_a_life_of_more_days_than_can_be_is_refused():
    with pytest.raises(ValueError, match=r"there are 20,004 days; there can be 5,000. Pass start="):
        nu.survival(people((-20_000, 3), (0, 1)), as_of=at(30))


def test_no_users_give_the_same_columns_and_types():
    full, none = (nu.survival(frame, as_of=at(60)) for frame in (people((0, 5)), people((0, 5)).iloc[:0]))
    assert none.columns.tolist() == COLUMNS
    assert len(none) == 0
    pd.testing.assert_series_equal(none.dtypes, full.dtypes)


def test_the_list_stays_as_it_was():
    frame = people((0, 5), (3, 2.5), plan=["a", "b"])
    before = frame.copy(deep=True)
    nu.survival(frame, by="plan", as_of=at(60))
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gap": "0d"}, "gap"),
        ({"gap": "2 fortnights"}, 'write a duration such as gap="14d"'),
        ({"by": "plam"}, 'Did you mean "plan"'),
        ({"top": 0, "by": "plan"}, "top=0"),
    ],
)
def test_a_wrong_value_says_what_to_write(arguments, message):
    with pytest.raises(ValueError, match=message):
        nu.survival(people((0, 1), plan=["pro"]), **arguments)


@pytest.mark.parametrize("arguments", [{"gap": 14}, {"by": ["plan"]}])
def test_a_wrong_type_says_what_to_write(arguments):
    with pytest.raises(TypeError, match="write"):
        nu.survival(people((0, 1), plan=["pro"]), **arguments)


def test_what_is_no_list_of_users_is_refused():
    with pytest.raises(TypeError, match="pass the DataFrame of load_users, or an EventStore"):
        nu.survival([1, 2])
    with pytest.raises(ValueError, match="missing last_seen"):
        nu.survival(people((0, 1)).drop(columns="last_seen"))
    with pytest.raises(ValueError, match='"created_at" is naive'):
        nu.survival(people((0, 1)).assign(created_at=pd.Timestamp("2026-01-01")))


def slowly(stays, gap, known):
    """Day by day in hours, as it is told: who is there, who goes, what share stays of those who were there."""
    ends = [(last - first, True) if last < known - gap else (known - gap - first, False) for first, last in stays]
    ends = [(hours, lost) for hours, lost in ends if hours >= 0]
    share, found, hour = 1.0, [], 0
    longest = max(hours for hours, _ in ends)
    for day in range(longest // 24 + 1):
        at_risk = sum(hours >= hour for hours, _ in ends)
        lost = censored = 0
        while hour <= day * 24:
            here = [was_lost for hours, was_lost in ends if hours == hour]
            there = sum(hours >= hour for hours, _ in ends)
            share *= 1 - sum(here) / there
            lost, censored, hour = lost + sum(here), censored + len(here) - sum(here), hour + 1
        found.append((day, at_risk, lost, censored, pytest.approx(share)))
    return found


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)).map(sorted), min_size=1, max_size=8),
    st.integers(1, 60),
)
@settings(max_examples=60)
def test_survival_is_that_of_going_through_it_hour_by_hour(stays, gap):
    # Whole hours: a part of a day would be rounded.
    times = [[FIRST + pd.Timedelta(hour, "h") for hour in stay] for stay in [*stays, (0, 0)]]
    frame = pd.DataFrame(times, columns=["created_at", "last_seen"]).astype("datetime64[us, UTC]")
    table = nu.survival(frame, gap=f"{gap}h", as_of=FIRST + pd.Timedelta(90, "h"))
    found = list(table[["day", "at_risk", "lost", "censored", "survival"]].itertuples(index=False, name=None))
    assert found == slowly([*stays, (0, 0)], gap, 90)


def test_of_the_made_up_app_more_of_the_pro_users_stay(shared_app):
    table = nu.survival(nu.load_users(shared_app), by="plan", as_of=AUTUMN)
    month = table[table["day"] == 30].set_index("segment")
    assert month.loc["pro", "survival_low"] > month.loc["free", "survival_high"]


@pytest.mark.parametrize("day", [0.5, 1, 7.25, 30, 60])
def test_it_agrees_with_lifelines_on_the_made_up_app(shared_app, day):
    lifelines = pytest.importorskip("lifelines", reason="lifelines is not installed", exc_type=ImportError)
    users = nu.load_users(shared_app)
    until = pd.Timestamp(AUTUMN) - pd.Timedelta(14, "D")
    lost = users["last_seen"] < until
    days = (users["last_seen"].where(lost, until) - users["created_at"]) / pd.Timedelta(1, "D")
    theirs = lifelines.KaplanMeierFitter().fit(days[days >= 0], lost[days >= 0])
    table = nu.survival(users, as_of=AUTUMN).set_index("day")
    day = int(np.ceil(day))
    last = theirs.survival_function_.index.searchsorted(day, side="right") - 1
    expected = [theirs.survival_function_.iloc[last, 0], *theirs.confidence_interval_.iloc[last]]
    np.testing.assert_allclose(
        table.loc[day, ["survival", "survival_low", "survival_high"]].astype(float), expected, rtol=0, atol=1e-9
    )
