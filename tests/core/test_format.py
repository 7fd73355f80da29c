"""Numbers as text."""

import datetime as dt
import math

import pytest

from nucleus_pandas.core.text import did_you_mean, near_names, percent, points, rounded, short_date


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


@pytest.mark.parametrize(
    ("share", "written"),
    [
        (0.12345, "12 %"),
        (0.012, "1.2 %"),
        (0.0994, "9.9 %"),
        (0.0996, "10 %"),
        (0.0001, "< 0.1 %"),
        (0.999, "> 99 %"),
        (3.5, "350 %"),
        (0, "0 %"),
    ],
)
def test_only_a_small_share_has_a_decimal_where_none_are_asked_for(share, written):
    assert percent(share, decimals=None) == written


def test_a_date_is_written_without_its_year():
    assert short_date(dt.date(2026, 9, 7)) == "7 Sep"


def test_names_are_near_whatever_their_case_and_the_closest_is_first():
    assert near_names(" export_pfd", ["EXPORT_PDF", "EXPORT_PNG", "OPENED"]) == ["EXPORT_PDF", "EXPORT_PNG"]
    assert near_names("x" * 1_000_000, ["y"]) == []
    assert did_you_mean(["a", "b"]) == ' Did you mean "a" or "b"?'
    assert did_you_mean([]) == ""


@pytest.mark.parametrize(
    ("difference", "written"),
    [
        (0.3, "+30.0"),
        (-0.031, "−3.1"),
        (-0.0004, "−0.04"),
        (0.0000012, "+0.0001"),
        (0.0, "0"),
        (1 - 0.7 - 0.3, "0"),
        (-12.5, "−1,250.0"),
    ],
)
def test_a_difference_that_is_not_0_never_looks_like_0(difference, written):
    assert points(difference) == written


@pytest.mark.parametrize(
    ("value", "decimals", "written"),
    [
        (0.04, 1, "< 0.1"),
        (-0.04, 1, "> −0.1"),
        (0, 1, "0.0"),
        (-0.0, 1, "0.0"),
        (0.06, 1, "0.1"),
        (-1234.5, 1, "−1,234.5"),
    ],
)
def test_a_number_that_is_not_0_never_looks_like_0(value, decimals, written):
    assert rounded(value, decimals) == written
