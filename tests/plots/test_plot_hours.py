"""plot_hours: a heatmap of means."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from nucleus_pandas.plots import plot_hours


def cells(ax):
    return ax.collections[0].get_array().reshape(7, 24)


def test_a_cell_is_the_mean_over_the_days_of_its_weekday(hours):
    means = cells(plot_hours(hours))
    assert means[1, 8] == 15
    assert means[1, 9] == 4.5
    assert means[2, 8] == 7


def test_what_the_table_does_not_have_is_missing_and_not_zero(hours):
    means = cells(plot_hours(hours))
    assert means.count() == 3
    assert np.ma.is_masked(means[0, 8])


def test_missing_cells_show_a_hatched_ground_and_the_subtitle_says_so(hours):
    ax = plot_hours(hours)
    assert ax.patch.get_hatch()
    assert "Hatched: not in the table." in " ".join(ax.texts[0].get_text().split())


def test_a_full_week_says_nothing_of_hatches():
    days = pd.date_range("2026-09-07", periods=7).repeat(24)
    table = pd.DataFrame({"day": days, "hour": list(range(24)) * 7, "sessions": pd.array([2] * 168, dtype="Int64")})
    ax = plot_hours(table)
    assert cells(ax).count() == 168
    assert "Hatched" not in ax.texts[0].get_text()


def test_the_subtitle_counts_the_days_that_may_still_grow(hours):
    ax = plot_hours(hours.assign(settled=[True, True, False, False, False]))
    assert "Of these, 2 may still grow" in " ".join(ax.texts[0].get_text().split())


def test_a_table_of_settled_days_says_nothing_of_growth(hours):
    assert "grow" not in plot_hours(hours.assign(settled=True)).texts[0].get_text()


def test_a_missing_number_does_not_pull_the_mean_down(hours):
    hours.loc[0, "sessions"] = pd.NA
    assert cells(plot_hours(hours))[1, 8] == 20


def test_weekdays_run_from_monday_at_the_top(hours):
    ax = plot_hours(hours)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert ax.yaxis_inverted()


def test_the_colours_start_at_zero(hours):
    assert plot_hours(hours).collections[0].get_clim()[0] == 0


def test_the_colour_bar_is_labelled_and_stands_on_the_axes_itself(hours):
    figure, ax = plt.subplots()
    plot_hours(hours, ax)
    assert figure.axes == [ax]
    assert [inset.get_ylabel() for inset in ax.child_axes] == ["mean sessions per hour"]
