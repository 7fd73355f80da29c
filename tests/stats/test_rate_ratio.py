"""Ratios of rates: figures worked out by hand, an enumeration of everything that could have come, and SciPy."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucleus_pandas.stats.rate_ratio import rate_ratio

CASES = [(0, 10, 3, 10), (3, 1000, 9, 800), (450, 1000, 520, 1100), (1, 250_000, 3, 7), (5000, 100_000, 5300, 101_000)]


def test_of_one_stratum_it_is_the_quotient_of_the_rates():
    found = rate_ratio(4, 100, 12, 150)
    assert found.ratio == pytest.approx(2)
    assert (found.rate_a, found.rate_b) == pytest.approx((0.04, 0.08))
    assert found.low < 2 < found.high


def test_bounds_that_can_be_worked_out_by_hand():
    # One hit, and it is b's: as rare as 2.5 % where b has 2.5 % of all, 0.025 / 0.975 of a's. b has twice the trials.
    found = rate_ratio(0, 50, 1, 100)
    assert found.low == pytest.approx(0.025 / 0.975 / 2, rel=1e-13)
    assert (found.ratio, found.high) == (math.inf, math.inf)
    # Both of two hits: the square root of 0.025.
    chance = math.sqrt(0.025)
    assert rate_ratio(0, 50, 2, 50).low == pytest.approx(chance / (1 - chance), rel=1e-13)


def test_with_the_groups_changed_over_it_is_turned_around():
    there, back = rate_ratio([3, 5], [90, 40], [8, 2], [100, 30]), rate_ratio([8, 2], [100, 30], [3, 5], [90, 40])
    assert (there.ratio, there.low, there.high) == pytest.approx(
        (1 / back.ratio, 1 / back.high, 1 / back.low), rel=1e-9
    )
    assert rate_ratio(3, 10, 0, 10)[:2] == (0.0, 0.0)


def test_what_makes_a_whole_day_worse_for_both_falls_out():
    # Twice a's rate on each day, but b is used more on the day on which ten times as much goes wrong: 202 of 1,100 are
    # ten times 20 of 1,100.
    a, n, b, m = [10, 10], [1000, 100], [2, 200], [100, 1000]
    found = rate_ratio(a, n, b, m)
    assert found.ratio == pytest.approx(2)
    assert found.rate_b / found.rate_a == pytest.approx(2)


def test_strata_with_the_same_share_of_trials_are_as_one():
    several, one = rate_ratio([1, 3], [10, 30], [4, 9], [20, 60]), rate_ratio(4, 40, 13, 80)
    assert several == pytest.approx(one, rel=1e-12)


def test_a_stratum_that_only_one_group_is_in_tells_nothing():
    assert rate_ratio([4, 9], [100, 80], [12, 0], [150, 0]) == rate_ratio(4, 100, 12, 150)


def test_without_any_hits_nothing_speaks_against_any_ratio():
    found = rate_ratio([0, 0], [10, 20], [0, 0], [5, 5])
    assert math.isnan(found.ratio)
    assert (found.low, found.high, found.rate_a, found.rate_b) == (0, math.inf, 0, 0)


@pytest.mark.parametrize("trials", [([], [], [], []), (0, 0, 3, 10)], ids=["no strata", "no trials"])
def test_without_trials_in_both_groups_nothing_is_known(trials):
    assert all(math.isnan(number) for number in rate_ratio(*trials))


@pytest.mark.parametrize("counts", [(-1, 5, 0, 5), (6, 5, 0, 5), (0, 5, 6, 5)])
def test_hits_beyond_the_trials_are_refused(counts):
    with pytest.raises(ValueError, match="between 0 and trials"):
        rate_ratio(*counts)


def test_a_confidence_that_is_no_part_of_one_is_refused():
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        rate_ratio(1, 5, 1, 5, confidence=95)


def test_more_confidence_makes_wider_bounds():
    wide, usual = rate_ratio(4, 100, 12, 150, confidence=0.99), rate_ratio(4, 100, 12, 150)
    assert wide.low < usual.low < usual.high < wide.high


def test_large_numbers_over_many_days_are_no_trouble():
    rng = np.random.default_rng(7)
    n, m = 20 * rng.integers(1, 3_000, 60), 20 * rng.integers(1, 3_000, 60)
    found = rate_ratio(n // 20, n, m // 10, m)
    assert found.ratio == pytest.approx(2)
    # As a normal number would have it: each day tells 1 / (1/a + 1/b) about the logarithm.
    error = 1 / math.sqrt((n // 20 * (m // 10) / (n // 20 + m // 10)).sum())
    assert (found.low, found.high) == pytest.approx((2 * math.exp(-1.96 * error), 2 * math.exp(1.96 * error)), rel=1e-3)


def test_bounds_hold_the_ratio_whatever_the_counts():
    rng = np.random.default_rng(3)
    for _ in range(30):
        days = rng.integers(1, 30)
        n, m = rng.integers(1, 120, days), rng.integers(1, 120, days)
        a, b = rng.binomial(n, rng.random() / 3), rng.binomial(m, rng.random() / 3)
        found = rate_ratio(a, n, b, m)
        assert found.low <= found.ratio <= found.high or not (a + b).any()
        back = rate_ratio(b, m, a, n)
        assert found.low * back.high == pytest.approx(1, rel=1e-9) or found.low == 0


strata = st.lists(
    st.tuples(st.integers(0, 2), st.integers(2, 9), st.integers(0, 2), st.integers(2, 9)), min_size=1, max_size=3
)


def chance_of(ratio, strata, holds):
    """The chance that b's hits come to what `holds`, from every way to deal out the hits of each stratum."""
    total = 0.0
    for dealt in itertools.product(*(range(a + b + 1) for a, _, b, _ in strata)):
        if holds(sum(dealt)):
            chances = [ratio * m / (n + ratio * m) for _, n, _, m in strata]
            total += math.prod(
                math.comb(a + b, k) * p**k * (1 - p) ** (a + b - k)
                for k, p, (a, _, b, _) in zip(dealt, chances, strata, strict=True)
            )
    return total


@given(strata)
@settings(max_examples=40)
def test_at_its_bounds_what_came_is_as_rare_as_they_promise(strata):
    found, hits = rate_ratio(*zip(*strata, strict=True)), sum(b for _, _, b, _ in strata)
    if found.low > 0:
        assert chance_of(found.low, strata, lambda k: k >= hits) == pytest.approx(0.025, rel=1e-9)
    if math.isfinite(found.high):
        assert chance_of(found.high, strata, lambda k: k <= hits) == pytest.approx(0.025, rel=1e-9)
    if sum(a + b for a, _, b, _ in strata):
        assert found.low <= found.ratio <= found.high


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_it_agrees_with_clopper_and_pearson_of_scipy(confidence):
    stats = pytest.importorskip("scipy.stats", exc_type=ImportError)
    tail = (1 - confidence) / 2
    for a, n, b, m in CASES:
        low = stats.beta.ppf(tail, b, a + 1)
        high = stats.beta.ppf(1 - tail, b + 1, a) if a else 1.0
        found = rate_ratio(a, n, b, m, confidence=confidence)
        assert found.low == pytest.approx(low / (1 - low) * n / m, rel=1e-10)
        assert found.high == pytest.approx(high / (1 - high) * n / m if a else math.inf, rel=1e-10)


def test_its_test_is_the_exact_one_of_statsmodels():
    rates = pytest.importorskip("statsmodels.stats.rates", exc_type=ImportError)
    for a, n, b, m in CASES[1:]:
        low = rate_ratio(a, n, b, m).low
        theirs = rates.test_poisson_2indep(b, m, a, n, value=low, method="exact-cond", alternative="larger")
        assert theirs.pvalue == pytest.approx(0.025, abs=1e-10)
