"""plot_daily, plot_event_counts, and plot_dimensions over time: lines whose open end looks different."""

import numpy as np
import pandas as pd
import pytest

from nucleus_pandas.plots import plot_daily, plot_dimensions, plot_event_counts
from tests.plots.conftest import TEXT

NAN = np.nan
SOLID, DASHED, HOLLOW = 0, 1, 2


def names(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax, name, kind):
    """Give the y data of one of the three lines that stand for a name."""
    return ax.lines[3 * names(ax).index(name) + kind].get_ydata().tolist()


def subtitle(ax):
    return " ".join(" ".join(text.get_text() for text in ax.texts).split())


def settle(table):
    return table.assign(complete=True, settled=True)


def test_daily_draws_sessions_active_and_new_users(daily):
    ax = plot_daily(settle(daily))
    assert names(ax) == ["Sessions", "Active users", "New users"]
    assert [one.get_ydata().tolist() for one in ax.lines] == [[30, 41, 33, 12], [20, 25, 22, 9], [5, 4, 6, 1]]


def test_daily_draws_each_number_over_its_day(daily):
    ax = plot_daily(settle(daily))
    assert ax.lines[0].get_xdata().tolist() == daily["day"].to_numpy().tolist()


def test_daily_sorts_the_days(daily):
    ax = plot_daily(settle(daily).iloc[::-1])
    assert ax.lines[0].get_ydata().tolist() == [30, 41, 33, 12]


def test_settled_days_are_solid(daily):
    np.testing.assert_equal(line(plot_daily(daily), "Sessions", SOLID), [30, 41, NAN, NAN])


def test_segments_that_touch_an_unsettled_day_are_dashed(daily):
    ax = plot_daily(daily)
    np.testing.assert_equal(line(ax, "Sessions", DASHED), [NAN, 41, 33, 12])
    assert ax.lines[DASHED].is_dashed()
    assert not ax.lines[SOLID].is_dashed()


def test_incomplete_days_are_hollow(daily):
    ax = plot_daily(daily)
    np.testing.assert_equal(line(ax, "Sessions", HOLLOW), [NAN, NAN, NAN, 12])
    assert ax.lines[HOLLOW].get_markerfacecolor() == "white"


def test_an_unsettled_stretch_in_the_middle_is_dashed_alone(daily):
    table = daily.assign(complete=True, settled=[True, False, True, True])
    ax = plot_daily(table)
    solid, dashed = ax.lines[0].get_ydata(), ax.lines[1].get_ydata()
    np.testing.assert_equal(solid, [30, NAN, 33, 12])
    np.testing.assert_equal(dashed, [30, 41, 33, NAN])


def test_a_first_day_cut_by_the_window_is_dashed(daily):
    table = daily.assign(complete=[False, True, True, True], settled=True)
    ax = plot_daily(table)
    np.testing.assert_equal(line(ax, "Sessions", DASHED), [30, 41, NAN, NAN])
    np.testing.assert_equal(line(ax, "Sessions", HOLLOW), [30, NAN, NAN, NAN])


def test_the_subtitle_says_what_dashed_and_hollow_mean(daily):
    text = subtitle(plot_daily(daily))
    assert "Dashed: may still grow" in text
    assert "Dashed and hollow: day not over, or cut by the interval." in text


def test_the_subtitle_says_nothing_of_dashes_where_all_is_settled(daily):
    assert "Dashed" not in subtitle(plot_daily(settle(daily)))


def test_a_table_with_only_incomplete_days_is_drawn(daily):
    ax = plot_daily(daily.assign(complete=False, settled=False))
    np.testing.assert_equal(line(ax, "Sessions", HOLLOW), [30, 41, 33, 12])


def test_a_missing_number_is_a_gap(daily):
    table = settle(daily)
    table.loc[1, "sessions"] = pd.NA
    np.testing.assert_equal(plot_daily(table).lines[0].get_ydata(), [30, NAN, 33, 12])


def test_a_day_alone_between_gaps_has_a_marker(daily):
    table = pd.concat([settle(daily)] * 10, ignore_index=True)
    table["day"] = pd.date_range("2026-09-01", periods=40)
    table.loc[[4, 6], "sessions"] = pd.NA
    assert 5 in plot_daily(table).lines[0].get_markevery()


def test_counts_start_at_zero_with_whole_ticks(daily):
    ax = plot_daily(settle(daily).assign(sessions=pd.array([1, 2, 1, 2], dtype="Int64")))
    assert ax.get_ylim()[0] == 0
    assert all(float(tick).is_integer() for tick in ax.get_yticks())


def test_a_single_day_is_labelled_with_its_date(daily):
    ax = plot_daily(daily.iloc[[0]])
    ax.figure.canvas.draw()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2026-09-01"]


def test_a_few_days_are_labelled_without_clock_times(daily):
    ax = plot_daily(daily)
    ax.figure.canvas.draw()
    assert not [tick for tick in ax.get_xticklabels() if ":" in tick.get_text()]


def test_events_draw_the_most_frequent_first(events):
    ax = plot_event_counts(settle(events))
    assert names(ax) == ["open", "save", "close"]
    assert [one.get_ydata().tolist() for one in ax.lines] == [[9, 8, 7, 6], [3, 0, 2, 1], [1, 1, 1, 1]]


def test_events_beyond_top_are_summed(events):
    ax = plot_event_counts(settle(events), top=1)
    assert names(ax) == ["open", "(other)"]
    assert ax.lines[1].get_ydata().tolist() == [4, 1, 3, 2]


def test_a_sum_of_others_with_a_missing_number_is_a_gap(events):
    table = settle(events)
    table.loc[(table["event"] == "save") & (table["day"] == "2026-09-02"), "count"] = pd.NA
    np.testing.assert_equal(plot_event_counts(table, top=1).lines[1].get_ydata(), [4, NAN, 3, 2])


def test_an_event_called_other_stays_apart_from_the_others(events):
    table = settle(events).replace({"event": {"open": "(other)"}})
    ax = plot_event_counts(table, top=1)
    assert names(ax) == ["(other)", "(other)"]
    assert [one.get_ydata().tolist() for one in ax.lines] == [[9, 8, 7, 6], [4, 1, 3, 2]]


def test_an_event_not_listed_on_a_day_is_drawn_as_zero(events):
    table = settle(events)
    table = table[~((table["event"] == "open") & (table["day"] == "2026-09-03"))]
    assert plot_event_counts(table).lines[0].get_ydata().tolist() == [9, 8, 0, 6]


@pytest.mark.parametrize("top", [0, 31])
def test_events_refuse_a_top_out_of_range(events, top):
    with pytest.raises(ValueError, match="must be a whole number from 1 to 30"):
        plot_event_counts(events, top=top)


def test_thirty_one_lines_are_told_apart_by_colour_and_marker(events):
    table = pd.concat([settle(events).assign(event=f"event {i}") for i in range(40)])
    ax = plot_event_counts(table, top=30)
    assert len({(one.get_color(), one.get_marker()) for one in ax.lines}) == 31


def test_dimensions_with_a_period_draw_a_line_a_value(dimensions_over_time):
    ax = plot_dimensions(settle(dimensions_over_time))
    assert names(ax) == ["win", "mac"]
    assert [one.get_ydata().tolist() for one in ax.lines] == [[9, 8, 7, 6], [3, 0, 2, 1]]


def test_dimensions_with_a_period_have_a_dashed_tail(dimensions_over_time):
    ax = plot_dimensions(dimensions_over_time)
    np.testing.assert_equal(line(ax, "win", DASHED), [NAN, 8, 7, 6])
    assert "period not over" in subtitle(ax)


def test_no_line_leads_over_days_that_are_not_in_the_table(events):
    table = settle(events)
    (drawn, *_) = plot_event_counts(table[table["day"] != "2026-09-03"]).lines
    np.testing.assert_equal(drawn.get_ydata(), [9, 8, NAN, 6])


def test_names_that_pandas_2_cannot_hash_are_drawn_once_each_with_their_counts(events):
    texts = [pd.array([name] * len(events), dtype=TEXT) for name in ("\ud800 half", "nul\x00 a", "plain")]
    table = pd.concat([settle(events).assign(event=name) for name in texts])
    ax = plot_event_counts(table)
    assert sorted(names(ax)) == ["nul\N{REPLACEMENT CHARACTER} a", "plain", "\N{REPLACEMENT CHARACTER} half"]
    assert len({tuple(one.get_ydata()) for one in ax.lines}) == 1
