"""The estimate of survival: published figures, its ends, and lifelines where it is installed.

lifelines may ask for an older pandas, so give it an environment of its own:
``pip install -e '.[test]' lifelines``.
"""

import numpy as np
import pytest

from nucleus_pandas.stats.kaplan_meier import kaplan_meier, survival_bounds, survival_error

# Weeks in remission of the patients on 6-mercaptopurine, Freireich et al. (1963).
RELAPSED = [6, 6, 6, 7, 10, 13, 16, 22, 23]
FOLLOWED = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
WEEKS = RELAPSED + FOLLOWED
LOST = [True] * len(RELAPSED) + [False] * len(FOLLOWED)
# As textbooks print them.
SURVIVAL = {5: 1.0, 6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448, 35: 0.448}
# As statistics packages print them whose bounds are on that scale.
BOUNDS = {6: (0.620, 0.952), 10: (0.503, 0.889), 23: (0.188, 0.680)}


def test_the_published_figures_are_found():
    survival, _, _ = kaplan_meier(WEEKS, LOST).at(list(SURVIVAL))
    assert survival.tolist() == pytest.approx(list(SURVIVAL.values()), abs=5.1e-4)


def test_the_bounds_are_those_of_greenwood_on_the_log_log_scale():
    _, low, high = kaplan_meier(WEEKS, LOST).at(list(BOUNDS))
    assert list(zip(low, high, strict=True)) == [pytest.approx(pair, abs=1e-3) for pair in BOUNDS.values()]


def test_the_error_of_bounds_is_the_one_that_they_were_made_of():
    error = np.array([0.01, 0.2, 1.5])
    np.testing.assert_allclose(survival_error(*survival_bounds(np.array([0.99, 0.5, 0.1]), error)), error)


def test_without_censoring_it_is_the_share_of_those_still_there():
    survival, _, _ = kaplan_meier([1, 2, 2, 4], [True] * 4).at([0, 1, 2, 3, 4])
    assert survival.tolist() == pytest.approx([1, 0.75, 0.25, 0.25, 0])


def test_who_is_censored_when_others_are_lost_was_at_risk_with_them():
    survival, _, _ = kaplan_meier([1, 1, 2], [True, False, True]).at([1, 2])
    assert survival.tolist() == pytest.approx([2 / 3, 0])


def test_the_bounds_hold_the_share_and_stay_within_0_and_1():
    estimate = kaplan_meier(range(1, 200), [n % 3 == 0 for n in range(1, 200)])
    some = (estimate.survival > 0) & (estimate.survival < 1)
    assert ((estimate.low >= 0) & (estimate.low <= estimate.survival))[some].all()
    assert ((estimate.high <= 1) & (estimate.high >= estimate.survival))[some].all()


def test_where_nobody_is_lost_or_left_the_bounds_are_not_known():
    survival, low, high = kaplan_meier([1, 2, 3], [False, True, True]).at([0, 1, 2, 3])
    assert survival.tolist() == [1, 1, 0.5, 0]
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [True, True, False, True]


def test_of_nobody_nothing_ends():
    estimate = kaplan_meier(np.array([], dtype=np.int64), [])
    assert [len(values) for values in estimate] == [0, 0, 0, 0]


def test_the_order_does_not_matter_and_the_arguments_stay_as_they_were():
    times, lost = np.array([5, 1, 3]), np.array([True, False, True])
    there, back = kaplan_meier(times, lost), kaplan_meier(times[::-1], lost[::-1])
    assert there.survival.tolist() == back.survival.tolist()
    assert (times.tolist(), lost.tolist()) == ([5, 1, 3], [True, False, True])


def made_up(seed):
    """Times of a few to thousands, in whole units with many ties or as they come, more or less of them censored."""
    rng = np.random.default_rng(seed)
    size = int(rng.choice([3, 40, 500, 5_000]))
    times = rng.exponential(30, size) if seed % 2 else rng.geometric(0.05, size).astype(float)
    return times, rng.random(size) < rng.choice([0.05, 0.5, 0.95])


@pytest.mark.parametrize("seed", range(10))
def test_it_agrees_with_lifelines(seed):
    lifelines = pytest.importorskip("lifelines", reason="lifelines is not installed", exc_type=ImportError)
    times, lost = made_up(seed)
    ours = kaplan_meier(times, lost)
    theirs = lifelines.KaplanMeierFitter().fit(times, lost)
    at = theirs.survival_function_.index
    bounds = theirs.confidence_interval_.to_numpy().T
    for found, expected in zip(ours.at(at), [theirs.survival_function_.iloc[:, 0], *bounds], strict=True):
        known = ~np.isnan(found)
        assert (ours.at(at)[0][~known] % 1 == 0).all()
        np.testing.assert_allclose(found[known], expected[known], rtol=0, atol=1e-9)
