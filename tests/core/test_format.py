"""Numbers as text."""

import math

import pytest

from nucleus_pandas.core.text import percent


@pytest.mark.parametrize(
    ("share", "written"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.123, "12.3 %"),
        (1.5, "150.0 %"),
        (12, "1,200.0 %"),
        (0.001, "0.1 %"),
        (0.999, "99.9 %"),
        (90e-9, "< 0.1 %"),
        (0.00001, "< 0.1 %"),
        (0.99999, "> 99.9 %"),
        (1 - 0.7 - 0.3, "0 %"),
        (-1e-17, "0 %"),
        (1 + 1e-15, "100 %"),
        (math.nan, "no rate"),
    ],
)
def test_a_share_never_looks_like_none_or_all_unless_it_is(share, written):
    assert percent(share) == written


@pytest.mark.parametrize(("share", "written"), [(0.004, "< 1 %"), (0.996, "> 99 %"), (0.5, "50 %"), (0, "0 %")])
def test_without_decimals_the_bound_is_a_whole_number(share, written):
    assert percent(share, decimals=0) == written
