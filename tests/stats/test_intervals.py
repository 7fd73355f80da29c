"""Intervals of rates: reference figures, ends, missing numbers, and the peers where they are installed."""

import math

import numpy as np
import pandas as pd
import pytest

from nucleus_pandas.stats.intervals import (
    equal_rates,
    holm,
    newcombe,
    score_bounds,
    student_tails,
    trials_of_bounds,
    wilson,
)

CASES = [(0, 10), (10, 10), (1, 2), (3, 29), (29, 30), (450, 1000), (1, 250_000), (999_999, 1_000_000)]
# Computed once with statsmodels 0.15: proportion_confint(successes, trials, method="wilson").
WILSON = {
    (1, 2): (0.0945312057, 0.9054687943),
    (3, 29): (0.0358148914, 0.2638508109),
    (450, 1000): (0.4194153841, 0.4809672918),
}


@pytest.mark.parametrize(("counts", "bounds"), WILSON.items())
def test_wilson_gives_the_reference_figures(counts, bounds):
    assert [float(bound) for bound in wilson(*counts)] == pytest.approx(bounds, abs=1e-9)


def test_the_trials_of_bounds_are_those_that_they_were_made_of():
    rate = np.array([0, 0.001, 0.3, 0.5, 0.7, 0.999, 1])
    for trials in (0.5, 3, 1_000, 2.5e9):
        np.testing.assert_allclose(trials_of_bounds(rate, *score_bounds(rate, trials)), trials, rtol=1e-5)
    assert np.isnan(trials_of_bounds([np.nan, 0.5], [0.1, np.nan], [0.3, np.nan])).all()


def test_wilson_is_exactly_0_where_nothing_and_1_where_everything_succeeded():
    low, high = wilson([0, 7], [7, 7])
    assert (low[0], high[1]) == (0.0, 1.0)
    assert 0 < high[0] < 1
    assert 0 < low[1] < 1


def test_wilson_holds_the_rate_and_stays_within_0_and_1():
    hits = np.arange(201)
    low, high = wilson(hits, 200)
    assert ((low >= 0) & (low <= hits / 200) & (hits / 200 <= high) & (high <= 1)).all()


def test_wilson_of_nobody_and_of_missing_counts_is_nan():
    low, high = wilson(pd.array([0, None, 1], dtype="Int64"), pd.array([0, 5, None], dtype="Int64"))
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_wilson_of_no_rows_is_empty():
    low, high = wilson([], [])
    assert (len(low), len(high)) == (0, 0)
    assert low.dtype == high.dtype == np.float64


def test_more_confidence_makes_wider_bounds():
    assert wilson(3, 10, confidence=0.99)[0] < wilson(3, 10)[0]


@pytest.mark.parametrize("counts", [(-1, 5), (6, 5), (1, -1)])
def test_successes_beyond_the_trials_are_refused(counts):
    with pytest.raises(ValueError, match="between 0 and trials"):
        wilson(*counts)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5])
def test_a_confidence_that_is_no_part_of_one_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        wilson(1, 2, confidence=confidence)


# Published in Newcombe (1998) for method 10, cases (a) to (h).
NEWCOMBE = [
    ((48, 80), (56, 70), (0.0524, 0.3339)),
    ((3, 10), (9, 10), (0.1705, 0.8090)),
    ((2, 7), (6, 7), (0.0582, 0.8062)),
    ((0, 29), (5, 56), (-0.0381, 0.1926)),
    ((0, 20), (0, 10), (-0.1611, 0.2775)),
    ((0, 10), (0, 10), (-0.2775, 0.2775)),
    ((0, 20), (10, 10), (0.6791, 1.0)),
    ((0, 10), (10, 10), (0.6075, 1.0)),
]


@pytest.mark.parametrize(("a", "b", "bounds"), NEWCOMBE)
def test_newcombe_gives_the_published_figures(a, b, bounds):
    _, low, high = newcombe(*a, *b)
    assert (float(low), float(high)) == pytest.approx(bounds, abs=5.1e-5)


def test_newcombe_gives_b_less_a():
    difference, low, high = newcombe(10, 100, 30, 100)
    assert float(difference) == pytest.approx(0.2)
    assert 0 < low < 0.2 < high


def test_newcombe_the_other_way_round_changes_the_sign_alone():
    there, back = newcombe(10, 100, 30, 90), newcombe(30, 90, 10, 100)
    assert [float(x) for x in there] == pytest.approx([-float(back[0]), -float(back[2]), -float(back[1])])


def test_newcombe_with_an_empty_group_is_nan():
    assert all(np.isnan(bound) for bound in newcombe(1, 2, 0, 0))


def test_the_test_of_equal_rates_gives_a_figure_counted_by_hand():
    # Pooled rate 1/2, error sqrt(1/4 * (1/50 + 1/50)) = 0.1, difference 0.2: two errors.
    assert float(equal_rates(20, 50, 30, 50)) == pytest.approx(math.erfc(2 / math.sqrt(2)))


def test_rates_that_are_both_0_or_both_1_give_no_reason_to_call_them_different():
    assert equal_rates([0, 5], [5, 5], [0, 9], [9, 9]).tolist() == [1.0, 1.0]


def test_the_test_of_equal_rates_is_nan_with_an_empty_group():
    assert np.isnan(equal_rates([0, 1, 0], [0, 2, 0], [1, 0, 0], [2, 0, 0])).all()


def test_holm_multiplies_the_smallest_by_all_the_next_by_one_less():
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])


def test_holm_goes_no_further_than_1_and_never_back():
    assert holm([0.5, 0.6, 0.02]).tolist() == pytest.approx([1.0, 1.0, 0.06])


def test_holm_does_not_count_what_was_not_compared():
    np.testing.assert_allclose(holm([0.01, np.nan, 0.03]), [0.02, np.nan, 0.03])


def test_holm_of_nothing_is_nothing():
    assert holm([]).tolist() == []


@pytest.mark.parametrize("p_values", [[1.5], [-0.1], [[0.1, 0.2]]])
def test_holm_refuses_what_is_no_list_of_p_values(p_values):
    with pytest.raises(ValueError, match="numbers from 0 to 1"):
        holm(p_values)


def test_the_arguments_stay_as_they_were():
    hits, count = np.array([1.0, 2.0]), np.array([5.0, 0.5 + 2.5])
    wilson(hits, count)
    holm(p_values := np.array([0.9, 0.1]))
    assert (hits.tolist(), count.tolist(), p_values.tolist()) == ([1.0, 2.0], [5.0, 3.0], [0.9, 0.1])


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_wilson_agrees_with_statsmodels(confidence):
    proportion = pytest.importorskip("statsmodels.stats.proportion", exc_type=ImportError)
    hits, count = np.array(CASES).T
    ours = wilson(hits, count, confidence=confidence)
    theirs = proportion.proportion_confint(hits, count, alpha=1 - confidence, method="wilson")
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_newcombe_agrees_with_statsmodels():
    proportion = pytest.importorskip("statsmodels.stats.proportion", exc_type=ImportError)
    for a in CASES:
        for b in CASES:
            _, *ours = newcombe(*a, *b)
            theirs = proportion.confint_proportions_2indep(*b, *a, method="newcomb", compare="diff")
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_equal_rates_agree_with_the_chi_squared_test_of_scipy():
    stats = pytest.importorskip("scipy.stats", exc_type=ImportError)
    for a, b in [((20, 50), (33, 50)), ((3, 29), (29, 30)), ((450, 1000), (520, 1100))]:
        table = [[a[0], a[1] - a[0]], [b[0], b[1] - b[0]]]
        theirs = stats.chi2_contingency(table, correction=False).pvalue
        assert float(equal_rates(*a, *b)) == pytest.approx(theirs, rel=1e-9)


def test_holm_agrees_with_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest", exc_type=ImportError)
    p_values = np.array([0.04, 0.001, 0.2, 0.2, 0.9, 0.011, 1e-9])
    theirs = multitest.multipletests(p_values, method="holm")[1]
    np.testing.assert_allclose(holm(p_values), theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("freedom", "t"), [(1, 12.7062), (2, 4.30265), (3, 3.18245), (4, 2.77645), (7, 2.36462), (8, 2.306), (30, 2.04227)]
)
def test_beyond_the_values_of_student_s_table_lie_five_per_cent(freedom, t):
    assert student_tails(t, freedom) == pytest.approx(0.05, abs=1e-6)
    assert student_tails(-t, freedom) == student_tails(t, freedom)
    assert student_tails(0.0, freedom) == 1


def test_student_s_tails_are_those_of_scipy():
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    for freedom in range(1, 12):
        for t in (0.01, 0.5, 1.0, 2.0, 5.0, 20.0):
            assert student_tails(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), abs=1e-12)
