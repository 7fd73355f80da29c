"""The numbers that plots of errors draw equal the table's."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.dates import date2num

import nucleus_pandas as nu
from tests.plots.conftest import DAYS, TEXT, counted, segmented


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
    assert ax.get_title(loc="left") == "Errors per 100 sessions: uncaughtException"


def test_without_rates_the_counts_are_drawn(error_trend):
    ax = nu.plot_error_trend(
        error_trend.assign(rate=np.nan, expected=np.nan, expected_low=np.nan, expected_high=np.nan, spike=pd.NA)
    )
    assert ax.get_ylabel() == "errors per day"
    assert ax.get_title(loc="left") == "Errors per day"
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
    with pytest.raises(ValueError, match="releases: missing first_seen"):
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


def test_a_line_alone_needs_no_legend_as_the_title_names_it(error_free, crash_free_segments):
    assert nu.plot_error_free(error_free).get_legend() is None
    assert nu.plot_error_free(crash_free_segments).get_legend() is not None


def test_rates_in_the_thousands_are_written_with_a_comma(error_trend):
    ax = nu.plot_error_trend(error_trend.assign(rate=1_000.0))
    assert "1,000" in [tick.get_text() for tick in ax.get_yticklabels()]


def test_few_users_are_hollow_and_a_band_is_named_only_where_there_is_one(error_free):
    ax = nu.plot_error_free(error_free)
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert [line.get_ydata().tolist() for line in hollow] == [[0.9]]
    assert "Band: 95 % bounds." in text_of(ax)[0].replace("\n", " ")
    assert "Hollow, no band: fewer than 30 users." in text_of(ax)[0].replace("\n", " ")
    few = nu.plot_error_free(error_free.assign(low_n=True))
    assert "Band" not in text_of(few)[0]
    assert not few.collections


def test_no_two_of_many_segments_look_the_same(error_free):
    table = segmented(**{f"1.{number}": error_free for number in range(9)})
    handles = nu.plot_error_free(table).get_legend().legend_handles
    assert len({(handle.get_color(), handle.get_marker()) for handle in handles}) == 9


def test_a_table_of_all_periods_together_says_how_to_make_one_by_period(error_free):
    with pytest.raises(ValueError, match="in place of freq=None"):
        nu.plot_error_free(error_free.drop(columns=["period", "complete", "settled"]))


def test_the_line_of_what_is_expected_is_named(error_trend):
    ax = nu.plot_error_trend(error_trend, error="uncaughtException")
    assert "Thin grey line: the rate expected." in text_of(ax)[0].replace("\n", " ")
    assert "grey" not in text_of(nu.plot_error_trend(error_trend))[0]


@pytest.mark.parametrize("day", ["garbage", "today", "10:00", 5, "2026"])
def test_a_release_without_a_day_that_can_be_read_is_told(error_trend, day):
    with pytest.raises(ValueError, match=rf"the day of 1\.0 is {day!r}; write a date"):
        nu.plot_error_trend(error_trend, releases={"1.0": day})


def test_an_error_is_found_by_the_name_that_it_had_in_the_data():
    table = nu.error_trend(counted("error", {"a\x00b": [4, 0, 2, 1]}))
    assert "a\ufffdb" in nu.plot_error_trend(table, error="a\x00b").get_title(loc="left")


def test_what_is_refused_leaves_no_figure_behind(error_trend):
    plt.close("all")
    many = pd.concat([error_trend.assign(error=pd.array([f"E{n}"] * 8, dtype=TEXT)) for n in range(10)])
    with pytest.raises(ValueError, match="up to 9 errors"):
        nu.plot_error_trend(many)
    assert not plt.get_fignums()


def test_the_users_whom_the_pooled_row_leaves_out_are_told(impact_of_errors):
    assert "Not in (pooled)" not in text_of(nu.plot_impact_of_errors(impact_of_errors))[-1]
    table = impact_of_errors.assign(users_without=pd.array([200, 180, 180, 380], dtype="Int64"))
    told = " ".join(" ".join(text_of(nu.plot_impact_of_errors(table))).split())
    assert "Not in (pooled), with nobody to compare them with: 200 users." in told


def test_crashes_are_drawn_by_segment(crash_free_segments):
    ax = nu.plot_error_free(crash_free_segments)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["1.0", "1.1"]
    assert ax.get_title(loc="left") == "Sessions without crashes"


def test_a_table_without_periods_is_refused(error_free):
    with pytest.raises(ValueError, match="missing users"):
        nu.plot_error_free(error_free.drop(columns="users"), of="users")
    with pytest.raises(ValueError, match='"sessions", "users"'):
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


def test_a_picture_without_rings_says_where_no_day_is_judged(error_trend):
    told = [
        text_of(nu.plot_error_trend(table))[0].replace("\n", " ")
        for table in (
            error_trend,
            error_trend.assign(spike=pd.array([None] * len(error_trend), dtype="boolean")),
            nu.error_trend(counted("error", {"E": [4, 0, 2, 1]})),
        )
    ]
    assert "No day is judged" not in told[0]
    assert "No day is judged: fewer than four weeks before." in told[1]
    assert "No day is judged: counts without sessions have no rate; pass daily=." in told[2]
