"""plot_retention, plot_retention_curve, plot_retention_trend: what is drawn is what the table says."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colors import to_rgb

from nucleus_pandas.plots import plot_retention, plot_retention_curve, plot_retention_trend
from tests.plots.conftest import TEXT, cohorts, pooled, segmented


def mesh(ax):
    [found] = [one for one in ax.collections if isinstance(one, QuadMesh)]
    return found.get_array()


def numbers(ax):
    """The texts in the cells, by row and column."""
    return {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text()
        for text in ax.texts
        if text.get_color() in ("black", "white")
    }


def hatched(ax):
    found = [one for one in ax.collections if isinstance(one, PolyCollection)]
    return [tuple(path.vertices[0][::-1]) for one in found for path in one.get_paths()]


def subtitle(ax):
    [found] = [text for text in ax.texts if text.get_color() == "#666666"]
    return " ".join(found.get_text().split())


def ticks(axis):
    return [tick.get_text() for tick in axis.get_ticklabels()]


def test_each_cohort_is_a_row_and_each_period_a_column(retention):
    ax = plot_retention(retention)
    cells = mesh(ax)
    assert cells.tolist() == [[1.0, 0.4, 0.0], [1.0, 0.5, None], [1.0, None, None]]
    assert ax.yaxis_inverted()
    assert ticks(ax.xaxis) == ["0", "1", "2"]


def test_the_users_of_a_cohort_stand_beside_its_first_day(retention):
    assert ticks(plot_retention(retention).yaxis) == ["2026-09-07 · 100", "2026-09-14 · 50", "2026-09-21 · 10"]


def test_nobody_is_a_zero_and_what_is_not_over_an_empty_cell(retention):
    ax = plot_retention(retention)
    assert numbers(ax) == {(0, 0): "100", (0, 1): "40", (0, 2): "0", (1, 0): "100", (1, 1): "50", (2, 0): "100*"}
    cells = mesh(ax)
    assert cells.mask.tolist() == [[False, False, False], [False, False, True], [False, True, True]]
    zero = ax.collections[0].get_cmap()(0.0)
    assert min(zero[:3]) < 0.9
    assert "Empty: not over yet or without users." in subtitle(ax)


def test_hardly_anybody_is_not_nobody_and_nearly_everybody_not_everybody():
    ax = plot_retention(cohorts({"2026-09-07": [1000, 996, 994, 6, 4, 0]}))
    assert [numbers(ax)[0, column] for column in range(6)] == ["100", ">99", "99", "1", "<1", "0"]


def test_a_part_of_a_cohort_is_hatched_and_told(retention):
    table = retention.assign(complete=retention["complete"] & ~((retention["users"] == 50) & (retention["age"] == 1)))
    ax = plot_retention(table)
    assert hatched(ax) == [(1.0, 1.0)]
    assert "Hatched: of a part of the cohort only." in subtitle(ax)
    assert hatched(plot_retention(retention)) == []


def test_numbers_can_be_read_on_every_colour():
    table = cohorts({f"2026-09-{day:02}": [100, *range(0, 100, 5)] for day in (7, 14)})
    ax = plot_retention(table)
    faces = {
        (row, column): ax.collections[0].get_cmap()(min(1.0, value / 0.95))[:3]
        for row, values in enumerate(mesh(ax).filled(np.nan))
        for column, value in enumerate(values)
    }

    def luminance(color):
        return sum(
            part * (tone / 12.92 if tone <= 0.03928 else ((tone + 0.055) / 1.055) ** 2.4)
            for part, tone in zip((0.2126, 0.7152, 0.0722), color, strict=True)
        )

    for text in ax.texts:
        if text.get_color() in ("black", "white"):
            x, y = text.get_position()
            ground, ink = luminance(faces[int(y), int(x)]), luminance(to_rgb(text.get_color()))
            assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) >= 4.5


def test_an_asterisk_is_explained_only_where_there_is_one():
    few = cohorts({f"2026-{month:02}-01": [10] * 60 for month in range(1, 13)})
    assert "*: fewer than 30 users." in subtitle(plot_retention(few.query("age < 5")))
    _, ax = plt.subplots(figsize=(4, 3))
    assert "*" not in subtitle(plot_retention(few, ax))
    assert numbers(ax) == {}


def test_few_users_do_not_set_the_scale():
    ax = plot_retention(cohorts({"2026-09-07": [100, 20], "2026-09-14": [3, 3]}))
    assert ax.collections[0].get_clim() == (0, 0.2)


def test_where_there_is_no_room_there_are_no_numbers_and_fewer_labels():
    days = pd.date_range("2026-01-01", periods=200).strftime("%Y-%m-%d")
    ax = plot_retention(cohorts({day: [100] * 90 for day in days}), plt.subplots(figsize=(6, 4))[1])
    assert numbers(ax) == {}
    assert 5 < len(ax.get_yticks()) < 60


def test_several_segments_are_refused_with_what_to_do(retention):
    with pytest.raises(ValueError, match="draws one segment, this table has 2"):
        plot_retention(segmented(free=retention, pro=retention))
    ax = plot_retention(segmented(**{"$x^{2$": retention}))
    assert subtitle(ax).startswith("$x^{2$. Per cent of those")
    assert not any(text.get_parse_math() for text in ax.texts)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "active in the week; weeks of the calendar"),
        ({"freq": "D", "clock": "elapsed"}, "active on the day; days of 24 hours from each user's start"),
        ({"criterion": "on_or_after"}, "active in the week or later, as far as is known"),
        ({"criterion": "on_or_before", "freq": "M"}, "active in the month or before it"),
    ],
)
def test_the_subtitle_tells_what_was_asked(retention, retention_curve, asked, told):
    assert told in subtitle(plot_retention(retention.assign(**asked)))
    assert told in subtitle(plot_retention_curve(retention_curve.assign(**asked)))


def test_brackets_name_the_columns(retention, retention_curve):
    names = {0: "0", 1: "1–7", 2: "8–30"}
    for plot, table in ((plot_retention, retention), (plot_retention_curve, retention_curve)):
        named = table.assign(bracket=table["age"].map(names).astype(TEXT), criterion="brackets")
        assert ticks(plot(named).xaxis) == ["0", "1–7", "8–30"]


def test_brackets_stand_side_by_side_and_those_that_overlap_are_not_joined(retention_curve):
    table = retention_curve.assign(age=[1, 7, 30], criterion="brackets")
    [line] = lines(plot_retention_curve(table.assign(bracket=pd.array(["0–1", "2–7", "8–30"], dtype=TEXT))))
    assert line.get_xdata().tolist() == [0, 1, 2]
    ax = plot_retention_curve(table.assign(bracket=pd.array(["1", "1–7", "1–30"], dtype=TEXT)))
    assert lines(ax) == []
    [points] = [line for line in ax.get_lines() if len(line.get_xdata()) == 3]
    assert points.get_ydata().tolist() == pytest.approx([1.0, 65 / 150, 0.0])
    assert ticks(ax.xaxis) == ["1", "1–7", "1–30"]
    assert "Upright: 95 % bounds." in subtitle(ax)
    assert below(ax) == ["160", "150", "100"]


def lines(ax):
    return [line for line in ax.get_lines() if line.get_linestyle() != "None" and len(line.get_xdata())]


def below(ax):
    return [text.get_text() for text in ax.texts if text.get_color() not in ("#666666", "black", "white")]


def test_markers_of_a_long_stretch_of_few_users_do_not_run_into_each_other():
    curve = pooled([5] * 240, of=[40] * 100 + [20] * 140)
    hollow = [line for line in plot_retention_curve(curve).get_lines() if line.get_markerfacecolor() == "white"]
    at = np.flatnonzero(~np.isnan(hollow[0].get_ydata()))
    assert (at[0], at[-1]) == (100, 239)
    assert np.diff(at).max() <= 4
    assert len(at) < 50


def test_the_curve_is_the_share_of_each_period_and_its_users_stand_below(retention_curve):
    ax = plot_retention_curve(retention_curve)
    [line] = lines(ax)
    assert line.get_ydata().tolist() == pytest.approx([1.0, 65 / 150, 0.0])
    assert below(ax) == ["160", "150", "100"]
    assert ax.get_legend() is None


def test_each_segment_has_a_curve_and_a_row_of_users(retention_curve_segments):
    ax = plot_retention_curve(retention_curve_segments)
    assert [line.get_ydata()[1] for line in lines(ax)] == pytest.approx([40 / 90, 25 / 60])
    assert below(ax) == ["100", "90", "80", "60", "60", "20"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["free", "pro"]
    assert "Hollow: fewer than 30 users." in subtitle(ax)


def test_with_many_segments_the_users_are_left_to_the_table(retention_curve):
    ax = plot_retention_curve(segmented(**{f"plan {n}": retention_curve for n in range(6)}))
    assert below(ax) == []
    assert "is in the table: column eligible" in subtitle(ax)


def test_the_band_runs_from_bound_to_bound(retention_curve):
    [band] = plot_retention_curve(retention_curve).collections
    ys = {round(float(y), 6) for y in band.get_paths()[0].vertices[:, 1]}
    assert ys == {
        round(rate * by, 6) for rate, by in ((1.0, 0.9), (1.0, 1.0), (65 / 150, 0.9), (65 / 150, 1.1), (0, 1))
    }


def test_a_period_that_is_not_over_is_a_gap():
    table = pooled([100, 50, 20], of=[100, 100, 100])
    table.loc[1, ["retained", "rate", "rate_low", "rate_high"]] = [pd.NA, np.nan, np.nan, np.nan]
    [line] = lines(plot_retention_curve(table))
    assert np.isnan(line.get_ydata()).tolist() == [False, True, False]


def test_a_table_of_cohorts_is_no_curve(retention, retention_curve):
    with pytest.raises(ValueError, match=r"pass it to nu\.retention_curve first"):
        plot_retention_curve(retention)
    with pytest.raises(ValueError, match="missing cohort"):
        plot_retention(retention_curve)


@pytest.mark.parametrize(
    "other", [{"freq": "D"}, {"clock": "elapsed"}, {"criterion": "on_or_after"}, {"sample": 0.5}], ids=str
)
def test_answers_to_several_questions_are_refused(retention, retention_curve, retention_trend, other):
    for plot, table in (
        (plot_retention, retention),
        (plot_retention_curve, retention_curve),
        (plot_retention_trend, retention_trend),
    ):
        with pytest.raises(ValueError, match=f"{plot.__name__} draws one question, this table has {next(iter(other))}"):
            plot(pd.concat([table, table.assign(**other)], ignore_index=True))


def test_where_nobody_is_eligible_there_is_nothing_to_draw(retention, retention_curve, retention_trend):
    for plot, table in (
        (plot_retention, retention),
        (plot_retention_curve, retention_curve),
        (plot_retention_trend, retention_trend),
    ):
        ax = plot(table.assign(eligible=0, rate=np.nan, rate_low=np.nan, rate_high=np.nan))
        assert "no data" in [text.get_text() for text in ax.texts]


def test_a_marker_at_0_is_whole(retention_curve):
    low, high = plot_retention_curve(retention_curve).get_ylim()
    assert -0.05 < low / high < 0


def test_the_trend_is_the_share_of_each_cohort(retention_trend):
    ax = plot_retention_trend(retention_trend)
    assert lines(ax)[0].get_ydata().tolist() == pytest.approx([0.17, 0.24, 0.31])
    assert "Week 1 since the start." in subtitle(ax)


def test_a_cohort_of_which_only_a_part_is_known_is_dashed_and_one_without_a_share_a_gap(retention_trend):
    table = retention_trend.reset_index(drop=True)
    table.loc[0, "complete"] = False
    table.loc[2, ["retained", "rate", "rate_low", "rate_high", "complete"]] = [pd.NA, np.nan, np.nan, np.nan, False]
    ax = plot_retention_trend(table)
    assert any(line.get_linestyle() == "--" for line in lines(ax))
    assert "Dashed and hollow: of a part of the cohort only." in subtitle(ax)
    assert "Without a share, as not over yet or without users: 1 cohort." in subtitle(ax)


def test_several_periods_are_no_trend(retention):
    with pytest.raises(ValueError, match=r"pass the table to nu\.retention_trend first"):
        plot_retention_trend(retention)
