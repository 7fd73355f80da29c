"""Bounds of a ratio that count users, against leaving each user out, and against chance.

Run ``python -m tests.stats.test_user_ratio 400`` for how often a difference is reported where there is none.
"""

import math
import sys

import numpy as np
import pytest

from nucleus_pandas.stats.rate_ratio import rate_ratio
from nucleus_pandas.stats.user_ratio import Trials, user_bounds


def ratio_of(trials):
    counts = []
    for group in (False, True):
        own = trials.second == group
        counts += [np.bincount(trials.stratum[own & which], minlength=14) for which in (trials.hit, own)]
    return rate_ratio(*counts)


def without(trials, user):
    return Trials(*(values[trials.user != user] for values in trials))


def made_up(seed, *, users=150, each=20, rates=(0.2, 3.8), by_lot=True, once_a_day=False):
    """Users with rates of their own, in whose sessions on 14 days nothing depends on the group."""
    chance = np.random.default_rng(seed)
    rate, use = chance.beta(*rates, users), chance.gamma(1, each / 14, users)
    since = np.where(chance.random(users) < 0.5, 0, 14) if by_lot else chance.integers(0, 15, users)
    numbers = chance.poisson(use[:, None], (users, 14))
    user, day = (np.repeat(place.ravel(), numbers.ravel()) for place in np.indices(numbers.shape))
    trials = Trials(user, day, since[user] <= day, chance.random(len(user)) < rate[user])
    if once_a_day:
        keys, place = np.unique(user * 14 + day, return_inverse=True)
        hit = np.bincount(place, trials.hit) > 0
        trials = Trials(keys // 14, keys % 14, since[keys // 14] <= keys % 14, hit)
    both = [np.bincount(trials.stratum[trials.second == group], minlength=14) > 0 for group in (False, True)]
    kept = (both[0] & both[1])[trials.stratum]
    return Trials(*(values[kept] for values in trials))


def test_where_each_user_has_one_trial_the_bounds_are_those_of_the_logarithm():
    # 40 of 400 and 80 of 400: the variance of the logarithm of the ratio is 0.9 / 40 + 0.8 / 80.
    hit = np.repeat([True, False, True, False], [40, 360, 80, 320])
    trials = Trials(np.arange(800), np.zeros(800, dtype=np.int64), np.arange(800) >= 400, hit)
    low, high = user_bounds(trials, 2.0)
    assert math.log(high / 2) == pytest.approx(1.96 * math.sqrt(0.0325), rel=0.03)
    assert low * high == pytest.approx(4)


@pytest.mark.parametrize("by_lot", [True, False])
def test_the_bounds_come_from_leaving_each_user_out(by_lot):
    trials = made_up(1, users=80, rates=(2, 18), by_lot=by_lot)
    ratio = ratio_of(trials).ratio
    steps = [math.log(ratio_of(without(trials, user)).ratio / ratio) for user in np.unique(trials.user)]
    width = math.log(user_bounds(trials, ratio)[1] / ratio)
    # Student's quantile lies above 1.96, farther the fewer users decide.
    assert 1.96 < width / math.sqrt(sum(step**2 for step in steps)) < 2.6


def test_where_one_user_has_all_hits_nothing_is_known():
    trials = Trials(
        np.array([0, 0, 1, 2]), np.zeros(4, dtype=np.int64), np.array([1, 0, 1, 0]) > 0, np.array([1, 1, 0, 0]) > 0
    )
    assert user_bounds(trials, 1.0) == (0, math.inf)


def test_where_one_group_has_no_hits_each_user_counts_once():
    # One of 20 users has 30 hits of 49 trials; none of 20 others has any.
    user = np.repeat(np.arange(40), [30] + [1] * 39)
    trials = Trials(user, np.zeros(len(user), dtype=np.int64), user < 20, user == 0)
    low, high = user_bounds(trials, math.inf)
    assert (low, high) == (rate_ratio(0, 20, 1, 20).low, math.inf)
    assert low < 1 < rate_ratio(0, 20, 30, 49).low


def told(trials):
    """Whether a difference is told: by bounds that count sessions alone, and by the wider of both."""
    found = ratio_of(trials)
    low, high = user_bounds(trials, found.ratio)
    return found.low > 1 or found.high < 1, min(low, found.low) > 1 or max(high, found.high) < 1


def test_a_difference_is_hardly_told_where_hits_belong_to_users():
    by_session, by_user = np.array([told(made_up(seed)) for seed in range(60)]).mean(axis=0)
    assert by_session > 0.3
    assert by_user < 0.1


def measure(seeds):
    """Print how often a difference is told where there is none."""
    for rates in ((0.2, 3.8), (1, 19), (50, 950)):
        for by_lot in (True, False):
            for once_a_day in (False, True):
                kinds = {"rates": rates, "by_lot": by_lot, "once_a_day": once_a_day}
                alone, wider = np.array([told(made_up(seed, **kinds)) for seed in range(seeds)]).mean(axis=0)
                print(f"{kinds}: {alone:.1%} counting sessions alone, {wider:.1%} by the wider bounds", flush=True)


if __name__ == "__main__":
    measure(int(sys.argv[1]))
