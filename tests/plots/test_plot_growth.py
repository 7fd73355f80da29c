"""The plots of survival, active users, growth and habits: what is drawn is what the table says."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import StepPatch

from nucleus_pandas.plots import (
    plot_active_users,
    plot_days_active,
    plot_growth,
    plot_survival,
    plot_usage_interval,
)

SOLID = "-"


def drawn(line):
    """What a line shows, without its gaps."""
    y = np.asarray(line.get_ydata(), dtype=float)
    return y[~np.isnan(y)].tolist()


def subtitle(ax):
    [text] = [text for text in ax.texts if text.get_color() == "#666666" and not text.get_in_layout()]
    return text.get_text().replace("\n", " ")


def written(ax):
    return [text.get_text() for text in ax.texts]


def names(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def heights(patch):
    return patch.get_data()[0].tolist()


def layers(ax):
    """The heights of the bars of each layer, without gaps, as (from, to) for each look."""
    found = []
    for patch in ax.patches:
        if isinstance(patch, StepPatch):
            values, _, baseline = patch.get_data()
            below = np.broadcast_to(baseline, values.shape)
            found.append([(float(a), float(b)) for a, b in zip(below, values, strict=True) if not np.isnan(b)])
    return found


@pytest.mark.parametrize(("freq", "days"), [("D", [1, 1]), ("W", [7, 7]), ("M", [31, 30]), ("Q", [91, 92])])
def test_a_bar_of_growth_is_as_long_as_its_period(freq, days):
    first = pd.Timestamp("2026-05-01" if freq == "M" else "2026-04-01")
    table = pd.DataFrame({"period": [first, first + pd.Timedelta(days[0], "D")], "freq": freq, "active": [4, 3]})
    counts = dict.fromkeys(["new", "returning", "resurrected", "dormant"], 1)
    table = table.assign(**counts, quick_ratio=2.0, complete=True, settled=True, sample=1.0)
    ax = plot_growth(table)
    edges = next(patch.get_data()[1] for patch in ax.patches if isinstance(patch, StepPatch))
    assert np.diff(edges).tolist() == days
    assert ("active in the quarter" in subtitle(ax)) == (freq == "Q")


def test_survival_is_drawn_in_steps_and_dotted_where_few_are_at_risk(survival):
    solid, dotted = plot_survival(survival).get_lines()
    assert (solid.get_drawstyle(), dotted.get_drawstyle()) == ("steps-post", "steps-post")
    assert (drawn(solid), drawn(dotted)) == ([1.0, 0.6, 0.45, 0.34], [0.34, 0.34])
    assert (solid.get_linestyle(), dotted.get_linestyle()) == ("-", "--")


def test_below_survival_stand_the_users_at_risk(survival):
    ax = plot_survival(survival)
    assert [text for text in written(ax) if text.isdigit()] == ["100", "60", "40", "20", "0"]
    assert "Below: how many users are at risk." in subtitle(ax)


def test_users_at_risk_have_the_colours_of_their_curves(survival_segments):
    ax = plot_survival(survival_segments)
    colors = {text.get_color() for text in ax.texts if text.get_text().isdigit()}
    assert colors == {line.get_color() for line in ax.get_lines()}


def test_the_band_of_survival_is_drawn_where_few_are_at_risk_too(survival):
    ax = plot_survival(survival)
    [band] = ax.collections
    assert {x for x, _ in band.get_paths()[0].vertices} == {1, 2, 3, 4}
    assert "Band: 95 % bounds." in subtitle(ax)


def test_survival_of_day_0_alone_is_a_point(survival):
    ax = plot_survival(survival.head(1))
    assert [drawn(line) for line in ax.get_lines() if line.get_marker() == "o"] == [[1.0]]
    assert "Band" not in subtitle(ax)


def test_of_many_curves_neither_bands_nor_users_at_risk_are_drawn(survival):
    many = pd.concat([survival.assign(segment=f"plan {number}") for number in range(6)])
    ax = plot_survival(many)
    assert not [text for text in written(ax) if text.isdigit()]
    assert len(ax.collections) == 0


def test_survival_says_by_which_day_half_were_gone(survival, survival_segments):
    assert "Half were gone by day 2." in subtitle(plot_survival(survival))
    assert "More than half are still there." in subtitle(plot_survival(survival.head(2)))
    plt.figure()
    assert names(plot_survival(survival_segments, plt.gca())) == ["free: day 2", "pro: –"]


def test_survival_says_what_lost_means_and_who_is_left_out(survival):
    told = subtitle(plot_survival(survival.assign(sample=0.1)))
    assert "Lost: silent for longer than 14d" in told
    assert "Left out, as they came within the last 14d: 7." in told
    assert "A sample of 10 % of the users." in told


def test_survival_of_users_who_are_all_pending_says_no_data(survival):
    assert "no data" in written(plot_survival(survival.head(1).assign(survival=np.nan)))


def test_the_quick_ratio_is_explained_only_where_there_is_one(growth):
    assert "quick ratio" in subtitle(plot_growth(growth))
    assert "quick ratio" not in subtitle(plot_growth(growth.assign(quick_ratio=np.nan)))


def test_the_day_stands_whole_behind_a_name_that_is_cut(survival):
    [text] = plot_survival(survival.assign(segment="long " * 1_000)).get_legend().get_texts()
    assert text.get_text().count("…") == 1
    assert text.get_text().endswith(": day 2")


def test_names_of_segments_are_drawn_as_plain_text(survival):
    odd = "$x^{2$ \u202egnp.exe\n"
    ax = plot_survival(survival.assign(segment=odd))
    [text] = ax.get_legend().get_texts()
    assert text.get_text() == "$x^{2$ �gnp.exe�: day 2"
    assert not text.get_parse_math()


def test_active_users_are_drawn_solid_as_far_as_they_are_settled_and_dashed_beyond(active_users):
    lines = plot_active_users(active_users).get_lines()
    solid = {line.get_color(): drawn(line) for line in lines if line.get_linestyle() == SOLID}
    dashed = {line.get_color(): drawn(line) for line in lines if line.get_linestyle() == "--"}
    hollow = {line.get_color(): drawn(line) for line in lines if line.get_linestyle() == "None"}
    assert list(solid.values()) == [[], [60.0], [20.0, 25.0]]
    assert list(dashed.values()) == [[150.0, 155.0], [60.0, 65.0, 63.0], [25.0, 22.0, 9.0]]
    assert list(hollow.values()) == [[155.0], [63.0], [9.0]]


def test_days_before_the_log_are_not_part_of_the_axis(active_users):
    before = active_users.assign(day=active_users["day"] - pd.Timedelta(40, "D"), complete=False, settled=False)
    before = before.assign(**dict.fromkeys(["dau", "wau", "mau"], pd.array([None] * 4, dtype="Int64")))
    ax = plot_active_users(pd.concat([before, active_users]))
    assert plt.matplotlib.dates.num2date(ax.get_xlim()[0]).month == 8
    assert plt.matplotlib.dates.num2date(ax.get_xlim()[0]).day == 31


def test_the_layers_of_growth_stand_on_each_other_and_dormant_hangs_below(growth):
    found = layers(plot_growth(growth))
    # Returning, resurrected, new: settled, unsettled, not over.
    for bar in [(0, 20), (0, 21), (0, 9), (20, 22), (21, 24), (9, 9), (22, 27), (24, 30), (9, 10), (0, -10), (0, -6)]:
        assert any(bar in layer for layer in found), bar


def test_active_users_of_whom_nothing_else_is_known_are_grey(growth):
    ax = plot_growth(growth)
    grey = [patch for patch in ax.patches if isinstance(patch, StepPatch) and patch.get_facecolor()[0] == 181 / 255]
    assert any(30.0 in heights(patch) for patch in grey)
    assert names(ax)[-1] == "not known"
    assert "not known" not in names(plot_growth(growth.iloc[1:]))


def test_the_quick_ratio_stands_above_the_bars_where_there_is_room(growth):
    assert [text for text in written(plot_growth(growth)) if text.replace(".", "").isdigit()] == ["0.7", "1.5"]
    days = pd.date_range("2023-01-01", periods=1100, freq="D")
    long = pd.concat([growth.iloc[[1]]] * 1100).assign(period=days, freq="D")
    ax = plot_growth(long)
    assert not [text for text in written(ax) if text == "0.7"]
    assert "quick ratio" not in subtitle(ax)


@pytest.mark.parametrize("weeks", [1, 2, 4])
def test_a_few_weeks_have_a_tick_each(growth, weeks):
    ax = plot_growth(growth.head(weeks))
    ticks = [tick.strftime("%Y-%m-%d") for tick in plt.matplotlib.dates.num2date(ax.get_xticks())]
    assert ticks == ["2026-08-31", "2026-09-07", "2026-09-14", "2026-09-21"][:weeks]


def test_a_period_that_is_left_out_is_a_gap(growth):
    ax = plot_growth(growth.drop(index=2))
    assert len(heights(ax.patches[0])) == 4


@pytest.mark.parametrize("freq", ["D", "W", "M"])
def test_the_last_bar_is_as_wide_as_its_period(growth, freq):
    ax = plot_growth(growth.iloc[[1]].assign(period=pd.Timestamp("2026-02-01"), freq=freq))
    assert np.diff(ax.get_xlim())[0] == {"D": 1, "W": 7, "M": 28}[freq]


@pytest.mark.parametrize(
    ("plot", "table", "line"),
    [(plot_days_active, "days_active", "share_at_least"), (plot_usage_interval, "usage_interval", "share_at_most")],
    ids=["days_active", "usage_interval"],
)
def test_habits_are_bars_with_a_line_over_them(request, plot, table, line):
    table = request.getfixturevalue(table)
    ax = plot(table)
    assert heights(ax.patches[0]) == table["share"].tolist()
    assert drawn(ax.get_lines()[0]) == table[line].tolist()
    # In white and in black, of those that there are.
    assert [len(lines.get_segments()) for lines in ax.collections] == [3, 3]


def test_days_active_says_which_days_and_whether_they_are_final(days_active):
    told = subtitle(plot_days_active(days_active))
    assert "Of 40 users who were active on any day from 2026-09-01 to 2026-09-04." in told
    assert "may still grow" in told
    assert "may still grow" not in subtitle(plot_days_active(days_active.assign(settled=True)))


def test_the_usage_interval_says_what_median_most_have_and_for_how_long_they_stayed_away(usage_interval):
    told = subtitle(plot_usage_interval(usage_interval))
    assert "80 % of them have a median of 4 days or fewer." in told
    assert "80 % never stayed away for more than 3 days and came back." in told
    assert "Active on one day only, and left out: 6." in told


def test_of_the_usage_interval_the_last_hundredth_is_not_drawn(usage_interval):
    table = usage_interval.assign(share_at_most=[0.5, 0.99, 0.99, 1.0])
    ax = plot_usage_interval(table)
    assert len(ax.get_lines()[0].get_ydata()) == 2
    assert "Not drawn: medians of more than 2 days." in subtitle(ax)
    # Of those rows that nobody's median is there is nothing to tell.
    nobody = table.assign(users=pd.array([20, 20, 0, 0], dtype="Int64"))
    assert "Not drawn" not in subtitle(plot_usage_interval(nobody))
