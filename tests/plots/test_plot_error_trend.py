"""The numbers that plots of errors draw equal the table's."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.dates import date2num

import nucleus_pandas as nu
from tests.plots.conftest import DAYS, TEXT, counted


def drawn(ax):
    """The points of every line that has any, rounded days to values."""
    lines = [np.column_stack([date2num(line.get_xdata()), line.get_ydata().astype(float)]) for line in ax.lines]
    return [points[~np.isnan(points[:, 1])].tolist() for points in lines]


def text_of(ax):
    return [text.get_text() for text in ax.texts]


DAY = date2num(DAYS.to_numpy()).tolist()


def test_the_rate_is_drawn_with_its_range_and_a_ring_on_each_spike(error_trend):
    ax = nu.plot_error_trend(error_trend, error="uncaughtException")
    assert [[DAY[0], 4.0], [DAY[1], 0.0]] in drawn(ax)
    assert [[DAY[0], 2.0], [DAY[1], 2.0]] in drawn(ax)
    assert [[DAY[2], 90.0]] in drawn(ax)
    [band] = ax.collections
    assert band.get_datalim(ax.transData).y1 == 6
    assert ax.get_ylabel() == "errors per 100 sessions"
    assert ax.get_title(loc="left") == "Errors per day: uncaughtException"


def test_without_rates_the_counts_are_drawn(error_trend):
    ax = nu.plot_error_trend(error_trend.assign(rate=np.nan, expected=np.nan, low=np.nan, high=np.nan, spike=pd.NA))
    assert ax.get_ylabel() == "errors per day"
    assert [[DAY[3], 1.0]] in drawn(ax)


def test_releases_in_the_span_are_marked_and_named_where_there_is_room(error_trend):
    releases = {"9.0": "2020-01-01", "1.0": "2026-09-02", "1.0.1": "2026-09-02T10:00", "$x^{2$": pd.Timestamp(DAYS[3])}
    ax = nu.plot_error_trend(error_trend, releases=releases)
    verticals = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"]
    assert verticals == [DAY[1], DAY[1], DAY[3]]
    assert text_of(ax)[:2] == ["1.0", "$x^{2$"]
    assert not any(text.get_parse_math() for text in ax.texts)
    table = pd.DataFrame({"version": ["1.0"], "first_seen": pd.to_datetime(["2026-09-02T23:00Z"])})
    assert text_of(nu.plot_error_trend(error_trend, releases=table))[0] == "1.0"


def test_what_cannot_be_drawn_says_what_can(error_trend):
    with pytest.raises(ValueError, match="there are uncaughtException, DiskFull"):
        nu.plot_error_trend(error_trend, error="Timeout")
    with pytest.raises(TypeError, match="pass a mapping of version to day"):
        nu.plot_error_trend(error_trend, releases=["1.0"])
    with pytest.raises(ValueError, match="releases has no column first_seen"):
        nu.plot_error_trend(error_trend, releases=pd.DataFrame({"version": ["1"]}))
    many = pd.concat([error_trend.assign(error=pd.array([f"E{n}"] * 8, dtype=TEXT)) for n in range(10)])
    with pytest.raises(ValueError, match="up to 9 errors, not 10: make the table with top=8"):
        nu.plot_error_trend(many)


def test_the_table_of_the_analysis_is_drawn():
    errors = counted("error", {"$E$": [4, 0, 2, 1]})
    ax = nu.plot_error_trend(nu.error_trend(errors))
    ax.figure.canvas.draw()
    assert ax.get_legend().get_texts()[0].get_text() == "$E$"


@pytest.mark.parametrize("of", ["sessions", "users"])
def test_the_share_without_errors_is_drawn_with_bounds_but_for_few_users(error_free, of):
    ax = nu.plot_error_free(error_free, of=of)
    assert [[DAY[0], 0.95], [DAY[1], 0.95]] in drawn(ax)
    [band] = ax.collections
    assert band.get_datalim(ax.transData).y0 == 0.9
    assert ax.get_title(loc="left") == f"{of.capitalize()} without errors"
    assert ax.get_ylim()[0] > 0.8


def test_crashes_are_drawn_by_segment(crash_free_segments):
    ax = nu.plot_error_free(crash_free_segments)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["1.0", "1.1"]
    assert ax.get_title(loc="left") == "Sessions without crashes"


def test_a_table_without_periods_is_refused(error_free):
    with pytest.raises(ValueError, match="missing period"):
        nu.plot_error_free(error_free.drop(columns="period"))
    with pytest.raises(ValueError, match="'sessions', 'users'"):
        nu.plot_error_free(error_free, of="days")


def test_differences_are_drawn_in_percentage_points(impact_of_errors):
    ax = nu.plot_impact_of_errors(impact_of_errors)
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots] == pytest.approx([-10, -2, -5, -3])
    assert [line.get_markerfacecolor() == "white" for line in dots] == [True, False, False, False]
    bars = [line.get_xdata() for line in ax.lines if line.get_marker() != "o"][1:]
    np.testing.assert_allclose(bars, [[-30, 10], [-20, 16], [-17, 8], [-15, 10]])
    assert "20 with, 200 without" in text_of(ax)
    plt.close(ax.figure)
