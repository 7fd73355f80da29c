"""A change in words, and how often one as large comes about from one period to the next."""

from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from nucleus_pandas.report.changes import Measured, change_of, p_of_change, words_of
from nucleus_pandas.stats.significance import Verdict, verdicts_of


@pytest.mark.parametrize(
    ("now", "before", "told"),
    [
        (112, 100, "▲ up 12 % from 100"),
        (95, 100, "▼ down 5.0 % from 100"),
        (100, 100, "= as before: 100"),
        (5, 0, "▲ up from 0"),
        (0, 5, "▼ down 100 % from 5"),
        (np.nan, 5, "nothing to compare with"),
        (5, np.nan, "nothing to compare with"),
    ],
)
def test_it_says_which_way_how_much_and_from_what(now, before, told):
    assert change_of(now, before, written=f"{before:.0f}", verdict=Verdict.CLEAR) == told


def test_a_change_within_normal_variation_has_no_arrow():
    assert change_of(228, 236, written="236", verdict=Verdict.NORMAL) == "within normal variation (236 before)"


def test_a_change_that_could_not_be_tested_is_not_called_normal():
    assert change_of(228, 236, written="236", verdict=Verdict.UNTESTED) == "too little history (236 before)"


def weeks(*counts, base=100):
    return [Measured(count, base) for count in counts]


def test_a_change_is_judged_by_how_much_weeks_differ_from_each_other():
    calm, wild = weeks(100, 104, 98, 101, 99), weeks(100, 140, 90, 130, 95)
    now, before = Measured(140, 100), Measured(100, 100)
    assert p_of_change(now, before, calm) < 0.05
    assert p_of_change(now, before, wild) > 0.05


def test_weeks_that_were_alike_by_chance_leave_what_chance_makes_of_counts():
    # The logarithms of 4.5 and 9.5 differ by 0.75, and chance makes 0.57 of such counts (the root of 1/4.5 + 1/9.5).
    p = 2 * NormalDist().cdf(-np.log(9.5 / 4.5) / np.sqrt(1 / 9.5 + 1 / 4.5))
    assert p_of_change(Measured(9, 100), Measured(4, 100), weeks(5, 5, 5, 5, 5)) == pytest.approx(p)


def test_weeks_before_the_app_was_there_tell_nothing():
    calm = weeks(100, 104, 98, 101, 99)
    assert p_of_change(Measured(140, 100), Measured(100, 100), [*calm, *weeks(0, 0)]) == p_of_change(
        Measured(140, 100), Measured(100, 100), calm
    )


def test_small_weeks_long_ago_do_not_hide_a_change_of_large_ones():
    small = weeks(11, 14, 6, 9, 8, 6, 6)
    assert p_of_change(Measured(67, 110), Measured(11, 100), small) < 0.01


def test_rates_are_compared_and_not_counts():
    assert p_of_change(Measured(200, 200), Measured(100, 100), weeks(100, 104, 98, 101, 99)) > 0.9


def test_a_mean_has_no_chance_of_counts():
    means = [Measured(value) for value in (10.0, 10.1, 9.9, 10.0, 10.1)]
    assert p_of_change(Measured(11.0), Measured(10.0), means) < 0.05


@pytest.mark.parametrize(
    "earlier", [weeks(1, 2, 3, 4), [], weeks(1, 2, 3, 4, 5, base=0), weeks(1, np.nan, 3, np.nan, 5, 6, np.nan)]
)
def test_with_fewer_than_four_pairs_of_weeks_there_is_too_little_history(earlier):
    p = p_of_change(Measured(900, 100), Measured(1, 100), earlier)
    assert np.isnan(p)
    assert verdicts_of([p]) == [Verdict.UNTESTED]


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_of_weeks_in_which_nothing_changed_no_more_than_one_of_twenty_is_called_a_change(spread):
    rng = np.random.default_rng(7)
    rates = 200 * np.exp(spread * rng.standard_normal((2000, 9)))
    found = []
    for counts in rng.poisson(rates).tolist():
        now, before, *_ = weeks(*counts)
        found.append(p_of_change(now, before, weeks(*counts[1:])) < 0.05)
    assert 0.01 < np.mean(found) < 0.06


def test_clear_differences_have_a_direction_and_others_their_verdict():
    verdicts = [Verdict.CLEAR, Verdict.CLEAR, Verdict.NORMAL, Verdict.UNTESTED, pd.NA]
    compared = pd.DataFrame({"difference": [0.1, -0.1, 0.1, 0.1, 0.1], "verdict": pd.array(verdicts, dtype="string")})
    assert words_of(compared) == ["higher", "lower", "within normal variation", "too little history", "–"]
