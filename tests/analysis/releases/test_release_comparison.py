"""Adoption and releases of logs that can be counted by eye."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from nucleus_pandas.core.dtypes import COUNT, INSTANT, NUMBER, TEXT

# Logs here have no kinds, and most of them no errors.
pytestmark = pytest.mark.filterwarnings("ignore:No event is an error")

FIRST = pd.Timestamp("2026-09-01T00:00Z")
AS_OF = pd.Timestamp("2026-09-30T00:00Z")


def sessions(version, day, number, errors=0, *, hour=12.0, error="error:Own", who="u", every=1.0):
    """So many sessions of a version from an hour of a day on, each of its own user, the first ones with an error."""
    rows = []
    for n in range(number):
        start = FIRST + pd.Timedelta(days=day, hours=hour, minutes=n * every)
        user = f"{who}-{version}-{day}-{n}"
        rows.append((user, start, start, "init", version))
        if n < errors:
            rows.append((user, start, start + pd.Timedelta(minutes=1), error, None))
    return rows


def log(*parts):
    rows = [row for part in parts for row in part]
    frame = pd.DataFrame(rows, columns=["user_id", "session_start", "time", "event", "version"])
    times = {name: pd.to_datetime(frame[name], utc=True).dt.as_unit("us") for name in ("session_start", "time")}
    return frame.assign(session_id="s", **times).astype({"user_id": TEXT, "event": TEXT, "version": TEXT})


def of(table, version):
    return table.set_index("version").loc[version]


TWO_DAYS = log(
    sessions("0.9", 0, 6), sessions("0.10", 0, 2), sessions(None, 0, 2), sessions("0.10", 1, 3), sessions("0.9", 1, 1)
)


def test_adoption_gives_shares_of_the_sessions_of_a_day_in_the_order_of_versions():
    table = nu.version_adoption(TWO_DAYS, as_of=AS_OF, freq="D")
    assert table["version"].tolist() == ["0.9", "0.10", "(none)"] * 2
    assert table["sessions"].tolist() == [6, 2, 2, 1, 3, 0]
    assert table["share"].tolist() == [0.6, 0.2, 0.2, 0.25, 0.75, 0.0]
    assert table["period"].dt.day.tolist() == [1, 1, 1, 2, 2, 2]
    assert table[["complete", "settled"]].all(axis=None)


def test_a_user_counts_once_a_day_with_the_version_of_the_last_session():
    one, other = sessions("0.9", 0, 1, who="ana"), sessions("0.10", 0, 1, hour=15, who="ana")
    same = [("ana", *row[1:]) for row in one + other]
    table = nu.version_adoption(log(same, sessions("0.9", 0, 1, who="ben")), per="users", as_of=AS_OF, freq="D")
    assert table["users"].tolist() == [1, 1]
    assert table["share"].tolist() == [0.5, 0.5]
    assert nu.version_adoption(log(same), as_of=AS_OF, freq="D")["sessions"].tolist() == [1, 1]


def test_versions_beyond_top_are_put_together_after_the_others():
    table = nu.version_adoption(TWO_DAYS, top=1, as_of=AS_OF, freq="D")
    assert table["version"].tolist() == ["0.10", "(other)", "(none)"] * 2
    assert table["sessions"].tolist() == [2, 6, 2, 3, 1, 0]


OLD_AND_NEW = log(
    sessions("1.0", 0, 50),
    sessions("1.1", 0, 40),
    sessions("1.2", 1, 9),
    sessions("1.3", 1, 8),
    sessions("2.0", 2, 1),
    sessions("3.0-beta", 2, 2),
)


def test_the_newest_release_has_rows_however_few_sessions_it_has():
    assert "2.0" in nu.version_adoption(OLD_AND_NEW, top=1, as_of=AS_OF, freq="D")["version"].tolist()


def test_versions_are_ranked_by_the_last_complete_period_and_not_by_all_of_them():
    # The 3rd is not over, so the 2nd decides; on it nobody used 1.0 and 1.1 any more.
    table = nu.version_adoption(OLD_AND_NEW, top=3, as_of=FIRST + pd.Timedelta(days=2, hours=20), freq="D")
    assert table["version"].unique().tolist() == ["1.2", "1.3", "2.0", "(other)"]


def test_versions_of_earlier_periods_fill_the_rows_that_are_left():
    table = nu.version_adoption(OLD_AND_NEW, top=5, as_of=FIRST + pd.Timedelta(days=2, hours=20), freq="D")
    assert table["version"].unique().tolist() == ["1.0", "1.1", "1.2", "1.3", "2.0", "(other)"]


def by_few_users(version, users, each):
    return [(f"{version}-{n}", *row[1:]) for n in range(users) for row in sessions(version, 0, each, hour=n / 10)]


def test_a_share_of_sessions_is_no_more_certain_than_its_users_allow():
    many = nu.version_adoption(
        log(by_few_users("1.0", 20, 30), by_few_users("1.1", 20, 30)), as_of=AS_OF, freq="D"
    ).iloc[0]
    once = nu.version_adoption(log(by_few_users("1.0", 20, 1), by_few_users("1.1", 20, 1)), as_of=AS_OF, freq="D").iloc[
        0
    ]
    assert many["share"] == once["share"] == 0.5
    assert many["share_low"] <= once["share_low"] < 0.36
    assert many["share_high"] >= once["share_high"] > 0.64


def test_days_without_sessions_are_there_without_a_share_and_a_day_that_is_not_over_has_none():
    gap = log(sessions("1.0", 0, 2), sessions("1.0", 2, 3))
    table = nu.version_adoption(gap, as_of=FIRST + pd.Timedelta(days=2, hours=13), freq="D")
    assert table["sessions"].tolist() == [2, 0, 3]
    assert table["share"].isna().tolist() == [False, True, True]
    assert table["complete"].tolist() == [True, True, False]
    assert table["settled"].tolist() == [False, False, False]


def test_weeks_and_months_and_the_zone_are_those_that_were_asked_for():
    late = log(sessions("1.0", 0, 1, hour=23.5))
    assert nu.version_adoption(late, tz="Europe/Paris", as_of=AS_OF, freq="D")["period"].tolist() == [
        pd.Timestamp("2026-09-02")
    ]
    assert nu.version_adoption(late, freq="W", as_of=AS_OF)["period"].tolist() == [pd.Timestamp("2026-08-31")]
    assert nu.version_adoption(late, freq="M", as_of=AS_OF)["period"].tolist() == [pd.Timestamp("2026-09-01")]


def test_the_version_of_a_session_is_that_of_its_init_or_what_it_told_later():
    rows = log(sessions("0.9", 0, 1, errors=1), sessions(None, 0, 1, errors=1, who="late"))
    errors = rows["event"] == "error:Own"
    rows.loc[errors, "version"] = ["0.10", "1.0"]
    assert nu.version_adoption(rows, as_of=AS_OF, freq="D")["version"].tolist() == ["0.9", "1.0"]


def test_what_starts_outside_the_interval_does_not_count():
    table = nu.version_adoption(TWO_DAYS, start="2026-09-02", end="2026-09-02", as_of=AS_OF, freq="D")
    assert table["sessions"].tolist() == [1, 3]


some = st.lists(
    st.tuples(st.sampled_from(["0.9", "0.10", "1.0", "unknown", "", None]), st.integers(0, 3), st.integers(1, 3)),
    min_size=1,
    max_size=6,
)


@given(some, st.integers(1, 5), st.sampled_from(["sessions", "users"]))
@settings(max_examples=30)
def test_the_shares_of_a_day_add_up_to_one_whatever_comes(parts, top, per):
    table = nu.version_adoption(
        log(*(sessions(*part, who=f"{n}") for n, part in enumerate(parts))), top=top, per=per, as_of=AS_OF, freq="D"
    )
    for _, day in table.groupby("period"):
        assert day[per].sum() == 0 or day["share"].sum() == pytest.approx(1, abs=1e-12)
        assert day["share"].isna().all() == (day[per].sum() == 0)
    assert table[per].sum() == sum(number for _, _, number in parts)


BAD = log(
    *(sessions("1.0", day, 40, 2, error="error:uncaughtException") for day in range(4)),
    *(sessions("1.1", day, 40, 12, hour=14, error="error:uncaughtException") for day in (2, 3)),
    *(sessions("1.1", day, 40, 12, hour=14) for day in (4, 5)),
)


def test_a_release_is_compared_with_the_one_before_on_the_days_both_were_in_use():
    row = of(nu.compare_releases(BAD, as_of=AS_OF), "1.1")
    assert (row["before"], row["days"], row["base"], row["base_before"]) == ("1.0", 2, 80, 80)
    assert (row["errors"], row["errors_before"]) == (24, 4)
    assert (row["error_free"], row["error_free_before"]) == pytest.approx((0.7, 0.95))
    assert row["error_ratio"] == pytest.approx(6)
    assert 1 < row["error_ratio_low"] < 6 < row["error_ratio_high"]
    assert row["error_change"] == "more"
    assert row["sessions"] == row["users"] == 160


def test_crashes_are_counted_apart_from_other_errors():
    row = of(nu.compare_releases(BAD.assign(event=BAD["event"].replace({"error:Own": "init"}))), "1.1")
    assert (row["crashes"], row["crashes_before"], row["crash_change"]) == (24, 4, "more")
    own = BAD.assign(event=BAD["event"].replace({"error:uncaughtException": "error:Own"}))
    row = of(nu.compare_releases(own, as_of=AS_OF), "1.1")
    assert (row["errors"], row["crashes"], row["crash_free"], row["crash_change"]) == (24, 0, 1, "too little history")
    assert math.isnan(row["crash_ratio"])


def test_the_one_after_a_bad_release_has_fewer():
    mended = log(
        *(sessions("1.0", day, 60, 20) for day in range(3)), *(sessions("1.1", day, 60, 3, hour=15) for day in (1, 2))
    )
    assert of(nu.compare_releases(mended, as_of=AS_OF), "1.1")["error_change"] == "fewer"


def test_a_bad_day_speaks_neither_for_nor_against_a_release():
    # On day 1 half of all sessions fail, with any version; the new one is used more on that day than on day 0.
    days = log(
        sessions("1.0", 0, 200, 10, every=0.1),
        sessions("1.1", 0, 20, 1, hour=14, every=0.1),
        sessions("1.0", 1, 20, 10, every=0.1),
        sessions("1.1", 1, 200, 100, hour=14, every=0.1),
    )
    row = of(nu.compare_releases(days, as_of=AS_OF), "1.1")
    assert row["error_ratio"] == pytest.approx(1)
    assert row["error_free"] == pytest.approx(row["error_free_before"])
    assert row["error_change"] == "within normal variation"


def test_one_user_with_many_errors_makes_no_difference_and_counts_once_a_day_with_users_as_the_unit():
    loud = [("loud", *row[1:]) for row in sessions("1.1", 1, 30, 30, hour=14)]
    calm = sessions("1.1", 1, 40, 0, hour=16)
    rows = log(*(sessions("1.0", day, 40, 1) for day in (0, 1)), loud, calm)
    by_session, by_user = (of(nu.compare_releases(rows, per=per, as_of=AS_OF), "1.1") for per in ("sessions", "users"))
    assert (by_session["errors"], by_session["base"], by_session["error_change"]) == (30, 70, "within normal variation")
    assert (by_user["errors"], by_user["base"], by_user["error_change"]) == (1, 41, "within normal variation")
    assert (by_user["per"], by_user["base_before"]) == ("users", 40)


def test_a_release_is_not_compared_with_pre_releases_nor_with_what_came_later_nor_with_what_is_no_version():
    names = [
        ("1.0", 0),
        ("1.1-nightly.1", 2),
        ("1.1-nightly.2", 3),
        ("1.1", 4),
        ("1.0.1", 5),
        ("unknown", 1),
        (None, 1),
    ]
    table = nu.compare_releases(log(*(sessions(name, day, 5) for name, day in names)), as_of=AS_OF)
    before = dict(zip(table["version"], table["before"].fillna("-"), strict=True))
    assert before == {
        "1.0": "-",
        "1.0.1": "1.0",
        "1.1-nightly.1": "1.0",
        "1.1-nightly.2": "1.1-nightly.1",
        "1.1": "1.0",
        "unknown": "-",
    }


def test_releases_that_were_never_in_use_on_one_day_are_not_compared():
    row = of(nu.compare_releases(log(sessions("1.0", 0, 50, 2), sessions("1.1", 2, 50, 2)), as_of=AS_OF), "1.1")
    assert (row["before"], row["days"], row["base"], row["low_n"]) == ("1.0", 0, 0, True)
    assert row[["error_free", "error_ratio", "error_ratio_low", "error_ratio_high", "error_change"]].isna().all()


def staged():
    """One in ten of 100 sessions a day for three days from day 2 on, then all."""
    old = [sessions("1.0", day, 100, hour=0, every=14.4) for day in (0, 1)]
    old += [sessions("1.0", day, 90, hour=0, every=16) for day in (2, 3, 4)]
    new = [sessions("1.1", day, 10, hour=0, every=144) for day in (2, 3, 4)]
    rest = [sessions("1.1", day, 100, hour=0, every=14.4) for day in (5, 6, 7)]
    return log(*old, *new, *rest)


def test_hours_to_half_and_to_most_go_on_through_the_stages_of_a_roll_out():
    row = of(nu.compare_releases(staged(), as_of=AS_OF), "1.1")
    assert row["first_seen"] == FIRST + pd.Timedelta(days=2)
    # 72 hours at a tenth, then the last 24 hours are to be half and nine tenths of the new version.
    assert row["hours_to_50"] == pytest.approx(72 + 24 * 40 / 90, abs=0.5)
    assert row["hours_to_90"] == pytest.approx(72 + 24 * 80 / 90, abs=0.5)
    assert (row["peak_share"], row["latest_share"]) == (1, 1)
    assert row["days"] == 3


def test_of_a_version_that_was_there_from_the_start_nobody_knows_since_when():
    row = of(nu.compare_releases(staged(), as_of=AS_OF), "1.0")
    assert math.isnan(row["hours_to_50"])
    assert row["first_seen"] == FIRST
    assert row["peak_share"] == 1


def test_a_share_that_is_never_reached_has_no_hours():
    table = nu.compare_releases(log(*(sessions("1.0", d, 40) for d in range(4)), sessions("1.1", 2, 10)), as_of=AS_OF)
    assert of(table, "1.1")[["hours_to_50", "hours_to_90"]].isna().all()


def test_one_session_in_a_quiet_time_is_no_half():
    quiet = log(sessions("1.0", 0, 40), sessions("1.0", 1, 40), sessions("1.1", 5, 1), sessions("1.0", 5, 9, hour=13))
    assert math.isnan(of(nu.compare_releases(quiet, as_of=AS_OF), "1.1")["hours_to_50"])


def test_clocks_that_are_years_behind_do_not_tell_when_a_release_came():
    seven_years = pd.Timedelta(days=2557)
    behind = [
        (user, start - seven_years, time - seven_years, *rest) for user, start, time, *rest in sessions("1.1", 2, 1)
    ]
    rows = log(*(sessions("1.0", day, 100) for day in range(3)), sessions("1.1", 2, 50, hour=15), behind)
    message = "1 of 351 sessions lie before .* clocks that are behind"
    with pytest.warns(nu.IncompleteDataWarning, match=message):
        first_seen = of(nu.compare_releases(rows, as_of=AS_OF), "1.1")["first_seen"]
    assert first_seen == FIRST + pd.Timedelta(days=2, hours=15)
    with pytest.warns(nu.IncompleteDataWarning, match=message):
        assert nu.version_adoption(rows, as_of=AS_OF, freq="D")["period"].min() == pd.Timestamp("2026-09-01")


def test_the_table_is_the_same_whatever_it_holds():
    of_adoption = {"period": np.dtype("datetime64[us]"), "version": TEXT, "sessions": COUNT}
    of_adoption |= {"share": NUMBER, "share_low": NUMBER, "share_high": NUMBER, "complete": np.dtype(bool)}
    of_adoption |= {"settled": np.dtype(bool), "sample": NUMBER}
    full = nu.compare_releases(BAD)
    assert full.dtypes["first_seen"] == INSTANT
    assert full.columns[-1] == "sample"
    for rows in (BAD, BAD.head(1), BAD.head(0), nu.EventLog(BAD)):
        assert nu.version_adoption(rows, freq="D").dtypes.to_dict() == of_adoption
        pd.testing.assert_series_equal(nu.compare_releases(rows).dtypes, full.dtypes)
    assert len(nu.compare_releases(BAD.head(0))) == len(nu.version_adoption(BAD.head(0), freq="D")) == 0


def test_events_without_a_session_are_left_out_and_told_once():
    lost = BAD.assign(session_id=BAD["session_id"].where(BAD.index > 1).astype(TEXT))
    with pytest.warns(nu.IncompleteDataWarning, match="2 of .* events have no session") as caught:
        nu.compare_releases(lost, as_of=AS_OF)
    assert len(caught) == 1


def test_only_what_is_asked_for_gets_rows():
    assert nu.compare_releases(BAD, top=1)["version"].tolist() == ["1.0"]


@pytest.mark.parametrize("analysis", [nu.version_adoption, nu.compare_releases])
def test_sessions_without_versions_are_refused_with_what_to_do(analysis):
    table = pd.DataFrame({"user_id": ["a"], "start": [FIRST], "errors": [0]})
    with pytest.raises(ValueError, match=r"table of load_sessions does not tell: pass nu\.load_session_events"):
        analysis(table)
    with pytest.raises(ValueError, match="needs the column version"):
        analysis(BAD.drop(columns="version"))
    with pytest.raises(ValueError, match="no column session_id"):
        analysis(BAD.drop(columns="session_id"))
    with pytest.raises(ValueError, match='per="day" is not known; write one of "sessions", "users"'):
        analysis(BAD, per="day")


def test_sessions_that_tell_their_version_are_compared_by_errors_alone():
    table = BAD.drop_duplicates("user_id")[["user_id", "session_start", "version"]].rename(
        columns={"session_start": "start"}
    )
    table["errors"] = pd.array(table["user_id"].isin(BAD.loc[BAD["event"] != "init", "user_id"]), dtype="Int64")
    row = of(nu.compare_releases(table, as_of=AS_OF), "1.1")
    assert (row["errors"], row["errors_before"], row["error_change"]) == (24, 4, "more")
    assert row[["crashes", "crash_free", "crash_change"]].isna().all()


def test_the_arguments_stay_as_they_were():
    before = BAD.copy()
    nu.version_adoption(BAD, freq="D")
    nu.compare_releases(BAD)
    pd.testing.assert_frame_equal(BAD, before)


def canary():
    """Two releases that everyone takes in turn, and between them one that a tester has a week before all others."""
    return log(
        sessions("1.0", 0, 480, hour=0, every=30),
        sessions("1.1", 4, 1),
        sessions("1.2", 7, 300, hour=0, every=30),
        sessions("1.1", 14, 500, hour=0, every=10),
    )


def test_a_release_is_first_seen_when_the_first_tester_has_it():
    table = nu.compare_releases(canary(), as_of=AS_OF)
    row = of(table, "1.1")
    assert row["first_seen"] == FIRST + pd.Timedelta(days=4, hours=12)
    # All sessions are of 1.1 from day 14 on, 9.5 days after the tester's.
    assert 9.5 * 24 < row["hours_to_50"] < 9.5 * 24 + 24
    assert of(table, "1.2")["before"] == "1.1"


def test_the_latest_share_is_that_of_the_day_before_as_of():
    # 40 sessions of 1.0 in the morning, and 40 of 1.1 in the evening of the same day.
    day = log(sessions("1.0", 0, 40, hour=6), sessions("1.1", 0, 40, hour=20))
    shares = {
        hours: nu.compare_releases(day, as_of=FIRST + pd.Timedelta(hours=hours))["latest_share"].tolist()
        for hours in (24, 36, 240)
    }
    # At noon of the next day the morning is gone; long after, the last 30 sessions are the evening's.
    assert shares == {24: [0.5, 0.5], 36: [0, 1], 240: [0, 1]}


def test_sessions_of_one_instant_count_together_whatever_their_order():
    times = {"every": 0.0}
    parts = [sessions("1.0", day, 100, hour=0, every=10) for day in range(2)]
    parts += [sessions("1.1", 2, 60, **times), sessions("1.0", 2, 60, who="v", **times)]
    rows = log(*parts)
    first, last = (nu.compare_releases(one, as_of=AS_OF) for one in (rows, rows.iloc[::-1].reset_index(drop=True)))
    pd.testing.assert_frame_equal(first, last)
    # From 16:30 of day 2 on, the last sessions of day 1 are 24 hours old; those of day 2 are 60 of each version.
    assert of(first, "1.1")["peak_share"] == 0.5


def test_the_peak_is_no_lower_than_the_latest_share():
    # 1.1 is half of the sessions at most while they come, and all of them once those of 1.0 are 24 hours old.
    day = log(sessions("1.0", 0, 40, hour=6), sessions("1.1", 0, 40, hour=20))
    row = of(nu.compare_releases(day, as_of=FIRST + pd.Timedelta(hours=36)), "1.1")
    assert (row["latest_share"], row["peak_share"]) == (1.0, 1.0)


def test_a_share_that_a_release_reaches_as_old_sessions_drop_out_is_timed():
    old = [sessions("1.0", 0, 1), sessions("1.0", 3, 40, hour=6, every=0)]
    rows = log(*old, sessions("1.1", 3, 35, hour=20, every=0))
    row = of(nu.compare_releases(rows, as_of=FIRST + pd.Timedelta(days=4, hours=12)), "1.1")
    # At 6:00 of the next day those of 1.0 are 24 hours old: 10 hours after 1.1 came.
    assert (row["hours_to_50"], row["hours_to_90"]) == (10, 10)


def test_a_peak_after_as_of_does_not_count():
    rows = log(*(sessions("1.0", day, 40) for day in range(3)), sessions("1.1", 2, 80, hour=13))
    late = nu.compare_releases(rows, as_of=FIRST + pd.Timedelta(days=2, hours=13, minutes=10))
    assert of(late, "1.1")["peak_share"] < 0.3 < of(nu.compare_releases(rows, as_of=AS_OF), "1.1")["peak_share"]


def test_bounds_of_releases_are_for_all_of_them_together():
    # The same two versions, alone and beside two others between which nothing changed.
    pair = [
        *(sessions("1.0", day, 40, 6) for day in range(3)),
        *(sessions("1.1", day, 40, 5, hour=3) for day in range(3)),
    ]
    more = [sessions("1.2", day, 40, 6, hour=5) for day in range(3)]
    alone, beside = (of(nu.compare_releases(log(*rows), as_of=AS_OF), "1.1") for rows in (pair, [*pair, *more]))
    assert alone["error_ratio"] == beside["error_ratio"]
    assert beside["error_ratio_low"] < alone["error_ratio_low"]
    assert beside["error_ratio_high"] > alone["error_ratio_high"]


def test_bounds_of_errors_and_crashes_are_for_both_together():
    def compared(error):
        parts = (sessions("1.0", day, 40, 6, error=error) for day in range(3))
        others = (sessions("1.1", day, 40, 5, hour=3, error=error) for day in range(3))
        return of(nu.compare_releases(log(*parts, *others), as_of=AS_OF), "1.1")

    errors, crashes = compared("error:Own"), compared("error:uncaughtException")
    assert crashes["error_ratio_low"] == crashes["crash_ratio_low"] < errors["error_ratio_low"]
    assert crashes["error_ratio_high"] == crashes["crash_ratio_high"] > errors["error_ratio_high"]


def test_when_a_release_came_does_not_depend_on_the_interval():
    lives = ["before", "first_seen", "hours_to_50", "hours_to_90", "peak_share", "latest_share"]
    whole = nu.compare_releases(staged(), as_of=AS_OF)
    later = nu.compare_releases(staged(), start="2026-09-05", as_of=AS_OF)
    assert later["version"].tolist() == ["1.0", "1.1"]
    assert later["sessions"].tolist() == [90, 310]
    pd.testing.assert_frame_equal(later[lives], whole[lives])
    assert of(later, "1.1")[["days", "base", "base_before"]].tolist() == [1, 10, 90]
    assert nu.compare_releases(staged(), end="2026-09-02", as_of=AS_OF)["version"].tolist() == ["1.0"]


def test_what_a_release_is_compared_with_does_not_depend_on_which_get_rows():
    parts = [sessions("1.0", day, 50) for day in range(6)] + [sessions("1.1", day, 5) for day in (2, 3)]
    rows = log(*parts, *(sessions("1.2", day, 20) for day in (3, 4)))
    whole, top = (nu.compare_releases(rows, top=top, as_of=AS_OF) for top in (20, 2))
    assert top["version"].tolist() == ["1.0", "1.2"]
    expected = whole[whole["version"] != "1.1"].reset_index(drop=True)
    assert of(top, "1.2")["before"] == "1.1"
    pd.testing.assert_frame_equal(top, expected)


def test_a_release_is_not_compared_with_itself_written_otherwise():
    rows = log(*(sessions(name, day, 5) for day, name in enumerate(["0.9", "1.0.0", "v1.0.0", "1.0"])))
    table = nu.compare_releases(rows, as_of=AS_OF)
    assert table["before"].fillna("-").tolist() == ["-", "0.9", "0.9", "0.9"]
