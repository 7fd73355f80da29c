"""Bounds that count users: sums worked out by hand, Wilson's bounds as a special case, and coverage by simulation."""

import numpy as np
import pytest

from nucleus_pandas.stats.clusters import UserSums, effective_trials, student_quantile, sum_users, user_wilson
from nucleus_pandas.stats.intervals import quantile, wilson
from tests.analysis.coverage import coverage, made_up, sums_of


def sums(*users):
    """One cell, from the trials and hits of each user."""
    trials, hits = (np.array([values], dtype=np.int64) for values in zip(*users, strict=True))
    return sums_of(trials, hits)


def test_sums_are_of_the_trials_and_hits_of_each_user():
    # Cell 0: user 0 has 2 trials and 1 hit, user 1 has 1 and 1. Cell 1: user 0 has 1 trial and no hit.
    cell, user, hit = np.array([0, 0, 0, 1]), np.array([0, 1, 0, 0]), np.array([True, True, False, False])
    found = sum_users(cell, user, hit, 3)
    assert [one.tolist() for one in found] == [[3, 1, 0], [2, 0, 0], [5, 1, 0], [3, 0, 0], [2, 0, 0]]


def test_sums_of_no_trials_are_zero():
    nothing = np.empty(0, dtype=np.int64)
    assert [one.tolist() for one in sum_users(nothing, nothing, nothing.astype(bool), 2)] == [[0, 0]] * 5


def test_misses_are_hits_turned_round():
    assert sums((3, 1), (2, 2)).misses == sums((3, 2), (2, 0))


def test_users_with_one_trial_each_have_wilson_s_bounds():
    once = sums(*[(1, 1)] * 7, *[(1, 0)] * 3)
    np.testing.assert_allclose(user_wilson(once), wilson([7], [10]))


def test_users_whose_sessions_are_all_alike_count_little_more_than_once():
    alike = sums(*[(20, 20)] * 30, *[(20, 0)] * 30)
    assert 45 < effective_trials(alike)[0] <= 60


def test_users_who_differ_less_than_chance_would_make_them_have_wilson_s_bounds():
    even = sums(*[(20, 10)] * 40)
    np.testing.assert_allclose(user_wilson(even), wilson([400], [800]))


def test_a_single_user_says_as_much_as_one_trial():
    assert effective_trials(sums((1000, 300)))[0] == pytest.approx(1)


def test_where_every_session_is_a_hit_users_count_once_each():
    low, high = user_wilson(sums(*[(5, 5)] * 40))
    assert (low[0], high[0]) == (wilson(40, 40)[0], 1)


def test_without_trials_there_are_no_bounds():
    empty = UserSums(*(np.zeros(1, dtype=np.int64) for _ in UserSums._fields))
    assert np.isnan(user_wilson(empty)).all()


def test_bounds_are_never_narrower_than_those_of_sessions():
    rng = np.random.default_rng(5)
    for tail in ("even", "heavy"):
        found = sums_of(*made_up(rng, 500, 15, 4, 0.1, tail, 0.8))
        (low, high), (narrow_low, narrow_high) = user_wilson(found), wilson(found.hits, found.trials)
        assert (low <= narrow_low + 1e-12).all()
        assert (high >= narrow_high - 1e-12).all()


@pytest.mark.parametrize(("freedom", "known"), [(3, 3.182), (5, 2.571), (10, 2.228), (60, 2.000)])
def test_quantiles_of_student_are_those_of_the_tables(freedom, known):
    assert student_quantile(quantile(0.95), freedom) == pytest.approx(known, rel=0.01)


@pytest.mark.parametrize("tail", ["even", "heavy"])
@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("each", [1, 3, 20])
def test_bounds_hold_the_true_rate_as_often_as_they_say(each, correlation, tail):
    rng = np.random.default_rng(each)
    found = sums_of(*made_up(rng, 2000, 200, each, correlation, tail, 0.85))
    assert 93 <= coverage(found, 0.85)[1] <= 97.5


@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("sessions", [5, 20])
def test_bounds_near_1_hold_the_true_rate_often_enough(sessions, correlation):
    found = sums_of(*made_up(np.random.default_rng(3), 1500, 200, sessions, correlation, "heavy", 0.98))
    assert coverage(found, 0.98)[1] >= 93


def test_bounds_that_count_sessions_do_not():
    found = sums_of(*made_up(np.random.default_rng(1), 1000, 200, 20, 0.3, "heavy", 0.85))
    assert coverage(found, 0.85)[0] < 50
