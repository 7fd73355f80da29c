"""Errors per day beside what was to be expected, and which are new; expectations counted by hand."""

import datetime as dt
import math
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.planted import truth_of
from tests.conftest import AUTUMN

TEXT = pd.StringDtype("python")
MONDAY = pd.Timestamp("2026-06-01")


def days_of(number):
    return pd.date_range(MONDAY, periods=number, freq="D").as_unit("us")


def errors_of(counts, *, unsettled=0, incomplete=0):
    """Lay out counts per name, a number a day, as `load_error_counts` does; the last days are not final."""
    tables = [
        pd.DataFrame(
            {
                "day": days_of(len(numbers)),
                "error": pd.array([name] * len(numbers), dtype=TEXT),
                "count": pd.array(numbers, dtype="Int64"),
                "complete": [place < len(numbers) - incomplete for place in range(len(numbers))],
                "settled": [place < len(numbers) - max(unsettled, incomplete) for place in range(len(numbers))],
            }
        )
        for name, numbers in counts.items()
    ]
    return pd.concat(tables, ignore_index=True).sort_values(["day", "error"], ignore_index=True)


def daily_of(sessions, users=None):
    return pd.DataFrame(
        {
            "day": days_of(len(sessions)),
            "active_users": pd.array(sessions if users is None else users, dtype="Int64"),
            "sessions": pd.array(sessions, dtype="Int64"),
            "complete": True,
            "settled": True,
        }
    )


def last(trend, error="E"):
    return trend[trend["error"] == error].iloc[-1]


def spikes(trend):
    found = trend[trend["spike"].fillna(False)]
    return list(zip(found["day"].dt.date, found["error"], strict=True))


def test_a_day_is_expected_to_have_the_median_rate_of_the_same_weekday_of_eight_weeks():
    counts = [0] * 64
    # The Monday of each week, the first one too far back.
    counts[0::7] = [900, 10, 20, 20, 30, 30, 40, 50, 60, 30]
    row = last(nu.error_trend(errors_of({"E": counts}), daily_of([200] * 64)))
    assert row["day"] == MONDAY + pd.Timedelta(days=63)
    assert (row["count"], row["base"], row["rate"], row["weeks"]) == (30, 200, 15.0, 8)
    assert row["expected"] == 15.0
    assert row["expected_low"] < 5
    assert row["expected_high"] > 30
    assert row["per"] == "100 sessions"
    assert not row["spike"]


def test_ten_times_the_errors_of_other_mondays_are_a_spike_and_of_ten_times_the_sessions_are_none():
    counts = [20] * 56 + [200]
    trend = nu.error_trend(errors_of({"E": counts}), daily_of([100] * 57))
    assert spikes(trend) == [(dt.date(2026, 7, 27), "E")]
    assert spikes(nu.error_trend(errors_of({"E": counts}), daily_of([100] * 56 + [1000]))) == []


def test_a_weekday_that_always_has_more_errors_is_none():
    counts = ([60] + [6] * 6) * 9
    assert spikes(nu.error_trend(errors_of({"E": counts}), daily_of([100] * 63))) == []


def test_with_less_than_four_weeks_of_history_nothing_is_told():
    trend = nu.error_trend(errors_of({"E": [1] * 27 + [500, 500]}), daily_of([100] * 29))
    assert trend["weeks"].tolist() == [day // 7 for day in range(29)]
    assert trend["spike"].isna().tolist() == [True] * 28 + [False]
    assert trend["expected"].isna().tolist() == [True] * 28 + [False]
    assert spikes(trend) == [(dt.date(2026, 6, 29), "E")]


def test_of_days_that_are_not_settled_only_the_rate_is_told_and_of_those_not_complete_not_even_that():
    errors = errors_of({"E": [1] * 56 + [500, 500, 500]}, unsettled=2, incomplete=1)
    trend = nu.error_trend(errors, daily_of([100] * 59))
    assert trend["rate"].tolist()[-3:-1] == [500.0, 500.0]
    assert trend[["expected", "expected_low", "expected_high"]].isna().all(axis=1).tolist()[-3:] == [False, True, True]
    assert pd.isna(last(trend)["rate"])
    assert spikes(trend) == [(dt.date(2026, 7, 27), "E")]
    assert trend["spike"].isna().tolist()[-3:] == [False, True, True]


def test_a_day_is_settled_if_it_is_in_both_tables():
    daily = daily_of([100] * 57)
    daily.loc[56, "settled"] = False
    trend = nu.error_trend(errors_of({"E": [1] * 56 + [500]}), daily)
    assert not last(trend)["settled"]
    assert pd.isna(last(trend)["spike"])


def test_a_row_without_a_day_is_left_out_and_told():
    errors, daily = errors_of({"E": [1, 2, 3]}), daily_of([10] * 3)
    lost = errors.iloc[[0]].assign(day=pd.NaT, count=pd.array([999], dtype="Int64")).astype(errors.dtypes)
    for with_lost in (pd.concat([errors, lost]), pd.concat([lost, errors])):
        with pytest.warns(nu.IncompleteDataWarning, match="1 of 4 rows of errors has no day"):
            assert nu.error_trend(with_lost)["count"].tolist() == [1, 2, 3]
        with pytest.warns(nu.IncompleteDataWarning, match="1 of 4 rows of errors has no day"):
            assert nu.new_errors(with_lost, days=1).empty
    lost = daily.iloc[[0]].assign(day=pd.NaT, sessions=pd.array([999], dtype="Int64")).astype(daily.dtypes)
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 4 rows of daily has no day"):
        assert nu.error_trend(errors, pd.concat([daily, lost]))["base"].tolist() == [10] * 3


@pytest.mark.parametrize("of", ["errors", "daily"])
@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda day: day + pd.Timedelta(9, "h"), ValueError, "3 rows of {} have a time of day"),
        (lambda day: day.dt.tz_localize("Europe/Paris"), ValueError, "the days of {} have a zone"),
        (lambda day: day.astype(str), TypeError, "the column day of {} is of type"),
    ],
)
def test_days_that_are_no_days_say_how_to_make_some(of, change, error, match):
    tables = {"errors": errors_of({"E": [1, 2, 3]}), "daily": daily_of([10] * 3)}
    tables[of] = tables[of].assign(day=change(tables[of]["day"]))
    with pytest.raises(error, match=match.format(of)):
        nu.error_trend(**tables)


@pytest.mark.parametrize("number", [3.5, math.inf, -4])
def test_numbers_that_are_no_counts_are_refused(number):
    errors, daily = errors_of({"E": [1, 2]}), daily_of([10] * 2)
    with pytest.raises(ValueError, match="1 of 2 numbers in the column count of errors is no count"):
        nu.error_trend(errors.assign(count=[1, number]), daily)
    with pytest.raises(ValueError, match="1 of 2 numbers in the column sessions of daily is no count"):
        nu.error_trend(errors, daily.assign(sessions=[1, number]))
    with pytest.raises(TypeError, match="the column count of errors is of type"):
        nu.error_trend(errors.assign(count=["1", "two"]))


def test_a_day_of_which_it_is_not_known_whether_it_is_complete_is_not():
    errors = errors_of({"E": [1, 2]}).assign(complete=pd.array([True, None], dtype="boolean"))
    trend = nu.error_trend(errors, daily_of([10] * 2))
    assert trend["complete"].tolist() == [True, False]
    assert trend["rate"].isna().tolist() == [False, True]


def test_a_table_with_only_the_days_that_had_errors_is_told():
    errors = errors_of({"E": [1, 0, 0, 1]})
    with pytest.warns(nu.IncompleteDataWarning, match="errors lacks 2 days of daily"):
        nu.error_trend(errors[errors["count"] > 0], daily_of([10] * 4))


def test_of_an_error_that_never_occurred_two_reports_are_no_spike_and_three_are():
    daily = daily_of([100] * 57)
    highest = [nu.error_trend(errors_of({"E": [0] * 56 + [count]}), daily)["spike"].iloc[-1] for count in (2, 3)]
    assert highest == [False, True]
    others = {f"F{number}": [0] * 57 for number in range(29)}
    trends = [nu.error_trend(errors_of({"E": [0] * 56 + [count]} | others), daily, top=30) for count in (4, 5)]
    assert [last(trend)["spike"] for trend in trends] == [False, True]


def test_of_an_error_that_never_occurred_one_report_is_no_spike_and_a_handful_are():
    daily = daily_of([100] * 57)
    assert spikes(nu.error_trend(errors_of({"E": [0] * 56 + [1]}), daily)) == []
    row = last(nu.error_trend(errors_of({"E": [0] * 56 + [5]}), daily))
    assert (row["expected"], row["expected_low"], row["spike"]) == (0, 0, True)


def test_a_spike_does_not_hide_the_next_one_a_week_later():
    counts = [2, 3, 1, 2, 0, 2, 3, 1] * 9
    counts[56] = counts[63] = 80
    found = spikes(nu.error_trend(errors_of({"E": counts}), daily_of([100] * 72)))
    assert found == [(dt.date(2026, 7, 27), "E"), (dt.date(2026, 8, 3), "E")]


def poisson(means, seed=1):
    return np.random.default_rng(seed).poisson(means).tolist()


def test_an_incident_of_three_weeks_does_not_hide_the_next_one():
    # A thousand sessions a day; one error in a hundred of them, while something is wrong twenty.
    means = [10] * 70 + [200] * 20 + [10] * 21 + [200] * 10
    trend = nu.error_trend(errors_of({"E": poisson(means)}), daily_of([1000] * len(means)))
    spike = trend["spike"].fillna(False).to_numpy(dtype=bool)
    assert spike[70:90].all()
    assert not spike[90:111].any()
    # From 8 days after the end on.
    assert trend["expected_high"].iloc[98:111].max() < 8
    assert spike[111:].sum() >= 7


def test_a_rare_error_that_has_been_an_incident_is_a_spike_when_it_is_one_again():
    means = [0.2] * 70 + [200] * 7 + [0.2] * 21 + [200] * 7
    trend = nu.error_trend(errors_of({"E": poisson(means)}), daily_of([1000] * len(means)))
    assert trend["spike"].iloc[-7:].all()


def test_of_an_incident_in_the_weeks_after_a_bad_release_days_are_found(autumn_app):
    errors, daily = loaded(autumn_app, AUTUMN)
    days = pd.date_range("2026-09-10", "2026-09-16")
    sessions = daily.set_index("day")["sessions"]
    hit = errors["error"].eq("uncaughtException") & errors["day"].isin(days)
    errors.loc[hit, "count"] = (0.4 * errors.loc[hit, "day"].map(sessions)).round().astype("Int64")
    trend = nu.error_trend(errors, daily).set_index(["error", "day"])
    assert trend.loc["uncaughtException"].loc[days, "spike"].sum() >= 3


def test_what_rises_and_stays_is_a_spike_for_weeks_and_then_is_what_is_expected():
    counts = [10] * 63 + [40] * 70
    trend = nu.error_trend(errors_of({"E": counts}), daily_of([100] * 133))
    spike = trend["spike"].iloc[63:].fillna(False).to_numpy(dtype=bool)
    assert spike[:28].all()
    assert not spike[35:].any()
    assert last(trend)["expected"] == 40


def test_an_error_that_always_comes_in_bursts_of_twenty_is_no_spike_when_it_comes_in_two_of_them():
    counts = [20 * (day % 3 == 0) for day in range(63)]
    counts += [40]
    daily = daily_of([100] * 64)
    assert spikes(nu.error_trend(errors_of({"E": counts}), daily)) == []
    # Where each report comes alone, forty on a day with a like mean are.
    alone = [7] * 63 + [40]
    assert spikes(nu.error_trend(errors_of({"E": alone}), daily)) == [(dt.date(2026, 8, 3), "E")]


def test_the_more_errors_there_are_the_farther_off_a_spike_must_be():
    counts = {"E": [5] * 57}
    alone = last(nu.error_trend(errors_of(counts), daily_of([100] * 57)))["expected_high"]
    many = {f"F{number}": [5] * 57 for number in range(30)}
    among = last(nu.error_trend(errors_of(counts | many), daily_of([100] * 57), top=31))["expected_high"]
    assert among > alone


def test_a_day_without_sessions_has_no_rate_and_is_no_week_of_another_one():
    counts, sessions = [3] * 57, [100] * 57
    counts[49] = sessions[49] = 0
    trend = nu.error_trend(errors_of({"E": counts}), daily_of(sessions))
    assert pd.isna(trend["rate"].iloc[49])
    assert pd.isna(trend["spike"].iloc[49])
    assert (last(trend)["weeks"], last(trend)["expected"]) == (7, 3.0)


def test_without_daily_there_are_counts_and_nothing_is_judged():
    trend = nu.error_trend(errors_of({"E": [1] * 56 + [500]}))
    assert last(trend)["count"] == 500
    assert trend[["base", "rate", "expected", "expected_low", "expected_high", "spike", "per"]].isna().all(axis=None)


def test_the_rate_per_active_user_is_no_percentage():
    trend = nu.error_trend(errors_of({"E": [3]}), daily_of([10], [4]), per="active_users")
    assert (trend["rate"].iloc[0], trend["base"].iloc[0], trend["per"].iloc[0]) == (0.75, 4, "active user")


def test_beyond_top_errors_are_put_together_and_a_sum_of_which_a_part_is_not_known_is_not_known():
    errors = errors_of({"often": [5, 5, 5], "some": [2, None, 2], "rare": [1, 1, 0]})
    trend = nu.error_trend(errors, top=1)
    assert trend["error"].tolist() == ["often", "(other)"] * 3
    assert trend["count"].tolist()[1::2] == [3, pd.NA, 2]


def test_a_name_that_is_not_listed_on_a_day_was_not_reported():
    errors = errors_of({"A": [1, 2], "B": [1, 0]}).iloc[:3]
    trend = nu.error_trend(errors)
    assert trend.loc[trend["error"] == "B", "count"].tolist() == [1, 0]


def test_empty_tables_give_the_same_columns_and_dtypes():
    errors, daily = errors_of({"E": [1] * 40}), daily_of([10] * 40)
    full, empty = nu.error_trend(errors, daily), nu.error_trend(errors.iloc[:0], daily.iloc[:0])
    assert len(empty) == 0
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)
    full, empty = nu.new_errors(errors_of({"E": [0] * 9 + [1]})), nu.new_errors(errors.iloc[:0])
    assert len(full) == 1
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)


def test_tables_are_left_as_they_were():
    errors, daily = errors_of({"E": [1] * 40}), daily_of([10] * 40)
    copies = errors.copy(deep=True), daily.copy(deep=True)
    nu.error_trend(errors, daily)
    nu.new_errors(errors)
    pd.testing.assert_frame_equal(errors, copies[0])
    pd.testing.assert_frame_equal(daily, copies[1])


def test_rows_in_any_order_give_the_same_table():
    errors, daily = errors_of({"E": [1, 2, 3] * 15, "F": [2] * 45}), daily_of([10, 20, 30] * 15)
    mixed = nu.error_trend(errors.sample(frac=1, random_state=1), daily.iloc[::-1])
    pd.testing.assert_frame_equal(mixed, nu.error_trend(errors, daily))


def test_days_that_daily_lacks_have_no_rate_and_a_warning_says_how_many():
    with pytest.warns(nu.IncompleteDataWarning, match="lacks 2 of the 5 days"):
        trend = nu.error_trend(errors_of({"E": [1] * 5}), daily_of([10] * 3))
    assert trend["rate"].isna().tolist() == [False] * 3 + [True] * 2


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"per": "users"}, '"sessions", "active_users", None'),
        ({"per": "sessions"}, "needs the table of load_daily"),
        ({"top": 0}, "whole number from 1"),
        ({"daily": daily_of([1]).assign(day=pd.Timestamp("2020-01-01"))}, "none of the days of errors"),
        (
            {"daily": daily_of([1]).drop(columns="sessions")},
            "daily: missing sessions; found ",
        ),
        ({"daily": pd.concat([daily_of([1])] * 2)}, "daily holds days twice"),
    ],
)
def test_what_cannot_be_asked_says_what_can(arguments, match):
    with pytest.raises(ValueError, match=match):
        nu.error_trend(errors_of({"E": [1]}), **arguments)


def test_tables_that_overlap_are_refused():
    errors = errors_of({"E": [1, 2, 3]})
    with pytest.raises(ValueError, match="2 days of an error twice"):
        nu.error_trend(pd.concat([errors, errors.iloc[:2]]))


@pytest.mark.parametrize("function", [nu.error_trend, nu.new_errors])
def test_another_table_is_refused(function):
    with pytest.raises(TypeError, match=r"nu\.load_error_counts"):
        function([1])
    with pytest.raises(ValueError, match="missing error, count"):
        function(daily_of([1]))


def test_new_errors_are_those_first_seen_in_the_last_days():
    errors = errors_of(
        {"old": [1] * 10, "new": [0] * 6 + [2, 0, 3, 0], "late": [0] * 9 + [7], "back": [1] + [0] * 8 + [1]},
        unsettled=2,
        incomplete=1,
    )
    found = nu.new_errors(errors, days=4)
    assert found["error"].tolist() == ["late", "new"]
    assert found["count"].tolist() == [7, 5]
    assert found["first_seen"].dt.day.tolist() == [10, 7]
    assert found["last_seen"].dt.day.tolist() == [10, 9]
    assert found["days_seen"].tolist() == [1, 2]
    assert found["days_before"].tolist() == [9, 6]


def test_where_no_day_is_older_everything_would_be_new():
    with pytest.raises(ValueError, match="no day before the last 7 days"):
        nu.new_errors(errors_of({"E": [1] * 7}))


def loaded(app, as_of):
    """The tables of errors and days of a made-up app, as the service would count them."""
    last_day = as_of.date()
    counts = app.daily_counts(ZoneInfo("UTC"), app.start.date(), last_day, as_of=as_of)
    names = sorted({name for day in counts.values() for name in day.errors})
    ends = [dt.datetime.combine(day, dt.time(), dt.UTC) + dt.timedelta(days=1) for day in counts]
    states = {
        "complete": [end <= as_of for end in ends],
        "settled": [end + dt.timedelta(days=2) <= as_of for end in ends],
    }
    days = pd.DataFrame(states | {"day": pd.DatetimeIndex(list(counts)).as_unit("us")})
    daily = days.assign(sessions=[day.sessions for day in counts.values()])
    errors = [days.assign(error=name, count=[day.errors.get(name, 0) for day in counts.values()]) for name in names]
    return pd.concat(errors, ignore_index=True), daily.astype({"sessions": "Int64"})


def verdict(app, as_of=AUTUMN):
    """Days judged; spikes by chance; whether the spike day was found; days with a spike of the bad release."""
    planted = truth_of(app, as_of)
    trend = nu.error_trend(*loaded(app, as_of))
    bad = [day for day, versions in planted.adoption.items() if versions.get(planted.bad_release)]
    first, last = planted.releases[planted.bad_release].date(), max(day for day in bad if day <= as_of.date())
    found = spikes(trend)
    of_release = [day for day, error in found if error == planted.release_error and first <= day <= last]
    spike = (planted.spike_day, planted.spike_error)
    judged = trend.loc[trend["spike"].notna(), "day"].nunique()
    return judged, len(found) - len(of_release) - (spike in found), spike in found, len(of_release)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_in_the_made_up_app_the_planted_days_are_found_and_hardly_any_other(seed, autumn_app):
    app = autumn_app if seed == 1 else build_app(seed, scale=0.4, end=dt.date(2026, 11, 22))
    judged, by_chance, found, of_release = verdict(app)
    assert judged > 140
    assert by_chance <= 1
    assert found
    assert of_release >= 6


if __name__ == "__main__":
    print("seed  days judged  by chance  spike day found  days with a spike of the bad release")
    for seeds in (range(1, 21), range(101, 121)):
        totals = [verdict(build_app(seed, end=dt.date(2026, 11, 22))) for seed in seeds]
        for seed, total in zip(seeds, totals, strict=True):
            print(seed, *total)
        print("all", *map(sum, zip(*totals, strict=True)))
