"""Plots of comparisons: what is drawn is what the table says."""

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.plots import style
from tests.plots.conftest import by_user, shared


def written(ax):
    return [" ".join(text.get_text().split()) for text in ax.texts]


def named(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def compared(before, after):
    return nu.compare(nu.breakdown(before, top=100), nu.breakdown(after, top=100))


def test_a_dumbbell_goes_from_rate_a_to_rate_b(comparison):
    ax = nu.plot_comparison(comparison)
    lines = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(lines, comparison[["rate_a", "rate_b"]])
    assert named(ax) == ["win", "mac", "linux"]


def test_a_difference_is_written_with_its_bounds_and_coloured_only_if_it_is_clear():
    table = compared(by_user(a=60, b=40), by_user(a=30, b=70))
    ax = nu.plot_comparison(table)
    bounds = table.loc[table["value"] == "b", ["difference_low", "difference_high"]].iloc[0]
    assert f"+30.0 ({100 * bounds['difference_low']:+.1f} to {100 * bounds['difference_high']:+.1f})" in written(ax)
    assert {line.get_color() for line in ax.lines} == {style.PALETTE[0]}
    assert ax.get_title(loc="left") == "2 of 2 differences clear"
    same = nu.plot_comparison(compared(by_user(a=6, b=4), by_user(a=5, b=5)))
    assert {line.get_color() for line in same.lines} == {style.REST}
    assert same.get_title(loc="left") == "0 of 2 differences clear"


def test_totals_are_drawn_without_bounds_and_the_caption_says_why():
    ax = nu.plot_comparison(compared(shared("value", a=60, b=40), shared("value", a=30, b=70)))
    assert {"+30.0", "−30.0"} <= set(written(ax))
    assert any("the number of users is not known" in text for text in written(ax))


def test_a_value_that_cannot_be_compared_says_so():
    assert "nothing to compare" in written(nu.plot_comparison(compared(shared("value", a=0), shared("value", a=5))))


def test_more_than_thirty_rows_are_refused():
    many = shared("value", **{f"v{i}": 1 for i in range(31)})
    with pytest.raises(ValueError, match="up to 30 rows, not 31"):
        nu.plot_comparison(compared(many, many))


def test_several_rates_are_refused(comparison):
    both = pd.concat([comparison, comparison.assign(rate="from_start")])
    with pytest.raises(ValueError, match="draws one rate"):
        nu.plot_comparison(both)


def test_rows_are_named_by_what_tells_them_apart_and_the_sides_by_their_segments(funnel_segments):
    two = nu.plot_comparison(nu.compare(funnel_segments))
    assert named(two) == ["save", "share"]
    assert any("Hollow: free. Full: pro." in text for text in written(two))
    team = funnel_segments[funnel_segments["segment"] == "pro"].assign(segment="team")
    ax = nu.plot_comparison(nu.compare(pd.concat([funnel_segments, team])))
    assert sorted(named(ax)) == ["pro · save", "pro · share", "team · save", "team · share"]
    assert any("Hollow: free. Full: the segment of the row." in text for text in written(ax))
    assert ax.get_xlabel() == "share of users who entered"
