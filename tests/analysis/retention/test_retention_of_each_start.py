"""Retention in which a user starts several times: cohorts share users, so pooling them says less than it seems."""

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu

MONDAY = pd.Timestamp("2026-08-31T12:00Z")
NOW = "2026-12-31"


def visits(weeks):
    """A session in each week in which a user (a row) is active."""
    user, week = np.nonzero(weeks)
    start = (MONDAY + pd.to_timedelta(7 * week, unit="D")).as_unit("us")
    return pd.DataFrame({"user_id": [f"user {one}" for one in user], "start": start})


def curve_of(weeks, **asked):
    return nu.retention_curve(nu.retention(visits(weeks), first_time=False, periods=1, as_of=NOW, **asked))


ALTERNATING = np.array([[1, 1, 1, 1, 1, 1, 1, 1, 1, 0]] * 20 + [[1, 0, 1, 0, 1, 0, 1, 0, 1, 0]] * 20)


def test_users_who_always_or_never_return_count_little_more_than_once_each():
    row = curve_of(ALTERNATING).iloc[1]
    assert (row["eligible"], row["retained"]) == (280, 160)
    # 40 users whose returns are all alike: Wilson's bounds of 40 are 0.3 wide, those of 280 are 0.12.
    assert 0.25 < row["rate_high"] - row["rate_low"] < 0.4


def test_a_cohort_has_each_user_once_and_the_bounds_of_different_users():
    table = nu.retention(visits(ALTERNATING), first_time=False, periods=1, as_of=NOW)
    once = nu.retention(visits(ALTERNATING[:, :2]), periods=1, as_of=NOW)
    bounds = ["eligible", "retained", "rate_low", "rate_high"]
    pd.testing.assert_frame_equal(table.loc[:1, bounds], once.loc[:1, bounds])


def test_the_design_effect_is_there_only_where_users_can_start_several_times():
    assert "design_effect" not in nu.retention(visits(ALTERNATING), as_of=NOW).columns


@pytest.mark.parametrize("how", [{}, {"clock": "elapsed"}, {"criterion": "on_or_after"}], ids=str)
def test_the_design_effect_does_not_depend_on_how_many_users_are_counted_at_a_time(monkeypatch, how):
    asked = {"first_time": False, "as_of": NOW, **how}
    whole = nu.retention(visits(ALTERNATING), **asked)
    monkeypatch.setattr("nucleus_pandas.analysis.retention.retention_counts._MOST_AT_ONCE", 30)
    pd.testing.assert_frame_equal(nu.retention(visits(ALTERNATING), **asked), whole)


def test_bounds_of_the_curve_hold_the_true_rate_as_often_as_they_say():
    rng = np.random.default_rng(3)
    held = []
    for _ in range(200):
        # The chance to come in a week follows Beta(1, 2), so 1/2 of all weeks are followed by another: E(q²) / E(q).
        chance = rng.beta(1, 2, 120)
        row = curve_of(rng.random((120, 11)) < chance[:, None], end="2026-11-08").iloc[1]
        held.append(row["rate_low"] <= 0.5 <= row["rate_high"])
    assert 0.92 <= np.mean(held) <= 0.985
