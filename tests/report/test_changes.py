"""A change is told in words, and whether it may be chance."""

import numpy as np
import pandas as pd
import pytest

from nucleus_pandas.report.changes import Counted, change_of, may_be_chance, percent_of, words_of


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
    assert change_of(now, before, written=f"{before:.0f}") == told


def test_it_says_that_a_number_may_still_grow_and_that_it_may_be_chance():
    assert change_of(1, 2, written="2", chance=True, so_far=True) == "▼ so far down 50 % from 2 (may be chance)"


@pytest.mark.parametrize(
    ("part", "written"),
    [(0.12345, "12 %"), (0.012, "1.2 %"), (0.0001, "less than 0.1 %"), (3.5, "350 %"), (0, "0.0 %")],
)
def test_per_cent_have_a_digit_behind_the_point_where_they_are_few(part, written):
    assert percent_of(part) == written


@pytest.mark.parametrize(
    ("now", "before", "chance"),
    [
        (Counted(27, 478), Counted(20, 474), True),
        (Counted(60, 478), Counted(20, 474), False),
        (Counted(200, 7), Counted(100, 3), True),  # about as many a day
        (Counted(200, 7), Counted(200, 3), False),
        (Counted(0, 7), Counted(0, 7), False),
        (Counted(np.nan, 7), Counted(1, 7), False),
        (Counted(1, 0), Counted(1, 7), False),
    ],
)
def test_counts_are_compared_by_what_they_are_of(now, before, chance):
    assert may_be_chance(now, before) is chance


def test_of_equal_periods_chance_is_ruled_out_in_one_of_twenty():
    rng = np.random.default_rng(7)
    pairs = rng.poisson(80, (2000, 2))
    found = np.mean([not may_be_chance(Counted(a, 7), Counted(b, 7)) for a, b in pairs.tolist()])
    assert 0.035 < found < 0.065


def test_differences_are_told_only_where_they_are_more_than_chance():
    compared = pd.DataFrame({"difference": [0.1, -0.1, 0.1, 0.1], "p_adjusted": [0.01, 0.01, 0.2, np.nan]})
    assert words_of(compared) == ["higher", "lower", "unclear", "unclear"]
