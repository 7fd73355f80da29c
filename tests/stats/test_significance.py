"""Several changes judged together, worked out by hand."""

import numpy as np
import pytest

from nucleus_pandas.stats.intervals import newcombe
from nucleus_pandas.stats.significance import Verdict, compare_rates, compare_survival, holm_confidence, verdicts_of


def test_a_verdict_is_clear_normal_or_too_little_history():
    assert verdicts_of([0.001, 0.5, np.nan]) == [Verdict.CLEAR, Verdict.NORMAL, Verdict.UNTESTED]


def test_of_many_changes_one_must_be_more_unusual():
    assert verdicts_of([0.03]) == [Verdict.CLEAR]
    assert verdicts_of([0.03, 0.5, 0.6]) == [Verdict.NORMAL] * 3


def test_a_change_that_could_not_be_tested_does_not_count_among_the_several():
    assert verdicts_of([0.03, np.nan, np.nan])[0] is Verdict.CLEAR


def test_the_confidence_of_bounds_follows_the_steps_of_holm():
    # 0.05 / 3, then 0.05 / 2; the third is the first one that is not below its level.
    np.testing.assert_allclose(holm_confidence([0.3, 0.001, 0.02]), [1 - 0.05, 1 - 0.05 / 3, 1 - 0.05 / 2])
    np.testing.assert_allclose(
        holm_confidence([0.3, 0.02, np.nan, 0.2]), [1 - 0.05 / 3, 1 - 0.05 / 3, 0.95, 1 - 0.05 / 3]
    )


def test_equal_p_values_have_the_same_confidence():
    np.testing.assert_allclose(holm_confidence([0.001, 0.001]), [0.975, 0.975])


def test_a_single_comparison_has_the_bounds_of_newcombe():
    # Newcombe (1998), method 10, case (a).
    found = compare_rates([48], [80], [56], [70])
    assert (found.difference_low[0], found.difference_high[0]) == pytest.approx((0.0524, 0.3339), abs=5.1e-5)
    assert found.verdict == [Verdict.CLEAR]


def test_bounds_beside_a_clear_change_do_not_hold_zero():
    rng = np.random.default_rng(11)
    found = compare_rates(*(rng.integers(low, high, 3000) for low, high in ((0, 30), (30, 300), (0, 30), (30, 300))))
    clear = np.array([one == Verdict.CLEAR for one in found.verdict])
    assert clear.any()
    assert ((found.difference_low[clear] > 0) | (found.difference_high[clear] < 0)).all()


def test_a_comparison_of_two_survivals_has_the_bounds_of_both_combined():
    found = compare_survival(np.array([0.8]), np.array([0.2]), np.array([0.5]), np.array([0.1]))
    # 0.8 ** exp(1.96 * 0.2) = 0.719, 0.8 ** exp(-1.96 * 0.2) = 0.860; 0.5 ** exp(1.96 * 0.1) = 0.430 and 0.566.
    assert found.difference_low[0] == pytest.approx(-0.3 - np.hypot(0.070, 0.060), abs=1e-3)
    assert found.difference_high[0] == pytest.approx(-0.3 + np.hypot(0.066, 0.081), abs=1e-3)
    assert found.verdict == [Verdict.CLEAR]


def test_without_anybody_in_a_group_nothing_is_tested():
    assert compare_rates([3], [10], [0], [0]).verdict == [Verdict.UNTESTED]


def test_bounds_of_one_confidence_are_those_of_the_same_confidence_for_each():
    one = newcombe([3, 5], [10, 10], [6, 5], [10, 10], confidence=0.9)
    each = newcombe([3, 5], [10, 10], [6, 5], [10, 10], confidence=np.array([0.9, 0.9]))
    np.testing.assert_allclose(one, each)
