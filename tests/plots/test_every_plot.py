"""What all plots promise."""

import subprocess
import sys
import time
from functools import cache
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from nucleus_pandas.plots.style import plain
from tests.plots.conftest import CASES
from tests.plots.gallery import small

# The plots whose names are values from the data, and nothing else.
NAMING = [
    *("events", "errors", "error_trend", "dimensions", "dimensions_over_time"),
    *("breakdown", "comparison", "breakdown_trend"),
]
# The plots whose marks are counts; others draw rates, which have columns of their own.
COUNTING = [
    *("daily", "events", "errors", "hours", "dimensions", "dimensions_over_time", "funnel", "funnel_segments"),
    *("survival_segments", "active_users", "retention_curve", "breakdown", "impact_of_errors"),
]
# The plots of nothing else than users: without any there is nothing to draw.
OF_SOMEBODY = ["paths", "impact_of_errors"]
# The plots that put rows, or their shares, on each other as they come.
STACKED = ["breakdown_trend", "version_adoption", "releases"]
NAMES = [
    ["$x^{2$ $\\frac{$", "$ok$", "_private", "<script>alert(1)</script>", "=1+1", "smile \N{GRINNING FACE}", "\\$5"],
    [
        "\u05e9\u05dc\u05d5\u05dd \u202egnp.exe",
        "tab\there\nnew line\x00\x1b[31m",
        "\ud800 alone",
        "",
        "  ",
        "% & #1 ~ {x}",
    ],
]


def drawn_figure(ax: Axes) -> Figure:
    """Lay the figure out as drawing it does, which takes less than drawing it."""
    figure = ax.figure
    figure.draw_without_rendering()
    return figure


class Drawing(NamedTuple):
    """A plot of a small table on a figure of its own, and what it did to the table and to the settings."""

    ax: Axes
    numbers: list[int]
    table_is_the_same: bool
    rcparams_are_the_same: bool


@cache
def drawing(name: str) -> Drawing:
    plot, table = CASES[name][0], small(name)
    before, settings = table.copy(deep=True), dict(mpl.rcParams)
    ax = plot(table)
    ax.figure.canvas.draw()
    return Drawing(ax, plt.get_fignums(), table.equals(before), settings == dict(mpl.rcParams))


@pytest.fixture(params=CASES)
def drawn(request: pytest.FixtureRequest) -> Drawing:
    """Made once for all tests that only look at it."""
    return drawing(request.param)


def draw(ax: Axes) -> None:
    """Draw it as it is: where it stands is seen to elsewhere."""
    ax.figure.set_layout_engine("none")
    drawn_figure(ax)


def shown(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.findobj(Text) if text.get_visible()]


def counts_of(table: pd.DataFrame) -> list[str]:
    # Not by select_dtypes, with which pandas 2 also gives the columns of int64.
    return [name for name in table.columns if isinstance(table[name].dtype, pd.Int64Dtype)]


def test_returns_the_axes_it_was_given(case):
    _, ax = plt.subplots()
    assert case.plot(case.table, ax) is ax


def test_takes_the_axes_by_name_through_pipe(case):
    _, ax = plt.subplots()
    assert case.table.pipe(case.plot, ax=ax) is ax


def test_makes_no_figure_when_axes_are_given(case):
    figure = Figure()
    case.plot(case.table, figure.subplots())
    assert plt.get_fignums() == []


def test_makes_one_constrained_figure_when_no_axes_are_given(drawn):
    assert drawn.numbers == [1]
    assert drawn.ax.figure.get_layout_engine() is not None


def test_leaves_the_table_as_it_was(drawn):
    assert drawn.table_is_the_same


def test_leaves_rcparams_as_they_were(drawn):
    assert drawn.rcparams_are_the_same


def test_leaves_the_other_axes_of_a_figure_alone(case):
    figure, (left, right) = plt.subplots(1, 2)
    before = right.get_position().bounds
    case.plot(case.table, left)
    drawn_figure(left)
    assert figure.axes == [left, right]
    assert right.get_position().bounds == before
    assert not right.has_data()
    assert right.get_title(loc="left") == ""


def test_empty_table_says_no_data(case):
    ax = case.plot(case.table.iloc[:0])
    draw(ax)
    assert "no data" in shown(ax)


def test_counts_that_are_all_missing_say_no_data(case):
    table = case.table.copy()
    numbers = counts_of(table)
    for name in numbers if len(numbers) else ["entered_at"]:
        table[name] = pd.array([None] * len(table), dtype=table[name].dtype)
    assert "no data" in shown(case.plot(table))


class Seen(NamedTuple):
    """What can be seen on an Axes: texts, and the coordinates of all that is drawn, each sorted."""

    texts: list[str]
    x: list[float]
    y: list[float]


def look_at(ax: Axes) -> Seen:
    draw(ax)
    points = [np.asarray(line.get_xydata(), dtype=float) for line in ax.lines]
    points += [patch.get_patch_transform().transform_path(patch.get_path()).vertices for patch in ax.patches]
    for collection in ax.collections:
        points += [np.ma.filled(np.ma.asarray(collection.get_offsets(), dtype=float), np.nan)]
        points += [path.vertices for path in collection.get_paths()]
    for image in ax.images:
        values = np.ma.filled(image.get_array().astype(float), np.nan).ravel()
        points.append(np.stack([values, values], axis=1))
    x, y = np.concatenate([np.empty((0, 2)), *(one.reshape(-1, 2) for one in points)]).round(9).T
    return Seen(sorted(filter(None, shown(ax))), np.sort(x).tolist(), np.sort(y).tolist())


def is_number_of_nothing(text: str) -> bool:
    return bool({"nan", "inf", "<NA>"} & set(text.split()))


def test_one_row_is_drawn(case):
    ax = case.plot(case.table.iloc[[0]])
    seen = look_at(ax)
    assert ax.has_data()
    assert "no data" not in seen.texts
    assert not any(map(is_number_of_nothing, seen.texts))


def with_first(table: pd.DataFrame, value: object) -> pd.DataFrame:
    """The table with another value in all counts of its first row."""
    changed = table.copy()
    changed.loc[changed.index[0], counts_of(table)] = value
    return changed


def test_other_rows_are_drawn_where_a_count_is_missing(case):
    ax = case.plot(with_first(case.table, pd.NA))
    seen = look_at(ax)
    assert ax.has_data()
    assert "no data" not in seen.texts
    assert not any(map(is_number_of_nothing, seen.texts))


@pytest.mark.parametrize("case", COUNTING, indirect=True)
def test_a_count_that_is_missing_does_not_look_like_zero(case):
    assert str(look_at(case.plot(with_first(case.table, pd.NA)))) != str(look_at(case.plot(with_first(case.table, 0))))


@pytest.mark.parametrize("case", [name for name in CASES if name not in OF_SOMEBODY], indirect=True)
def test_counts_that_are_all_zero_are_data(case):
    table = case.table.copy()
    for name in counts_of(table):
        table[name] = pd.array([0] * len(table), dtype="Int64")
    seen = look_at(case.plot(table))
    assert "no data" not in seen.texts
    assert not any(map(is_number_of_nothing, seen.texts))


@pytest.mark.parametrize("case", OF_SOMEBODY, indirect=True)
def test_transitions_and_returns_of_nobody_are_no_data(case):
    table = case.table.copy()
    for name in counts_of(table):
        table[name] = pd.array([0] * len(table), dtype="Int64")
    assert "no data" in look_at(case.plot(table)).texts


@pytest.mark.parametrize("case", [name for name in CASES if name not in STACKED], indirect=True)
def test_rows_in_any_order_show_the_same(case):
    np.testing.assert_equal(look_at(case.plot(case.table.iloc[::-1])), look_at(case.plot(case.table)))


@pytest.mark.parametrize("case", STACKED, indirect=True)
def test_rows_that_are_drawn_in_their_order_have_the_same_names_in_any(case):
    assert look_at(case.plot(case.table.iloc[::-1])).texts == look_at(case.plot(case.table)).texts


def test_says_which_columns_are_missing_and_where_the_table_comes_from(case):
    table = case.table.rename(columns={case.table.columns[-1]: "$other"})
    with pytest.raises(ValueError, match=rf"missing {case.table.columns[-1]}; found .*\$other.* nu\.{case.maker}\."):
        case.plot(table)


def test_refuses_what_is_no_table(case):
    with pytest.raises(TypeError, match="not a list"):
        case.plot([1, 2, 3])


def test_titles_and_axes_are_labelled(drawn):
    assert drawn.ax.get_title(loc="left")
    assert drawn.ax.get_xlabel()


@pytest.mark.parametrize(
    ("layout", "size"), [(None, (4, 3)), (None, (6.4, 4.8)), ("constrained", (4, 3)), ("constrained", (16, 3))]
)
def test_everything_fits_on_the_figure(case, layout, size):
    figure, ax = plt.subplots(figsize=size, layout=layout)
    case.plot(case.table, ax)
    drawn_figure(ax)
    box = ax.get_tightbbox()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert box.y1 <= figure.bbox.y1


def test_everything_still_fits_after_tight_layout(case):
    figure, ax = plt.subplots()
    case.plot(case.table, ax)
    figure.tight_layout()
    drawn_figure(ax)
    assert ax.get_tightbbox().x0 >= 0
    assert ax.get_tightbbox().x1 <= figure.bbox.x1


def test_subtitle_stands_between_plot_and_title(drawn):
    ax = drawn.ax
    [subtitle] = [text for text in ax.texts if text.get_color() == "#666666"]
    assert subtitle.get_window_extent().y0 >= ax.get_window_extent().y1
    assert subtitle.get_window_extent().y1 <= ax._left_title.get_window_extent().y0 + 1
    assert subtitle.get_window_extent().x1 <= ax.figure.bbox.x1


def test_plots_side_by_side_do_not_overlap(case):
    _, (left, right) = plt.subplots(1, 2, figsize=(14, 5))
    case.plot(case.table, left)
    case.plot(case.table, right)
    drawn_figure(left)
    assert left.get_tightbbox().x1 <= right.get_tightbbox().x0


def renamed(case, names: list[str]) -> pd.DataFrame:
    """Repeat the rows of one name, once for each of the names."""
    column = next(column for column in ("event", "error", "value") if column in case.table)
    rows = case.table[case.table[column] == case.table[column].iloc[0]]
    return pd.concat(
        [rows.assign(**{column: pd.array([name] * len(rows), dtype=pd.StringDtype("python"))}) for name in names]
    )


def names_on(ax: Axes) -> list[Text]:
    legend = ax.get_legend()
    return ax.get_yticklabels() if legend is None else legend.get_texts()


@pytest.mark.parametrize("names", NAMES, ids=["markup", "unprintable"])
@pytest.mark.parametrize("case", NAMING, indirect=True)
def test_text_from_the_data_is_drawn_as_plain_text(case, names):
    ax = case.plot(renamed(case, names))
    drawn_figure(ax)
    assert {text.get_text() for text in names_on(ax)} == {plain(name) for name in names}
    assert not any(text.get_parse_math() or text.get_usetex() for text in names_on(ax))


@pytest.mark.parametrize("case", NAMING, indirect=True)
def test_long_names_are_cut_to_what_the_axes_has_room_for(case):
    _, ax = plt.subplots(figsize=(4, 3))
    case.plot(renamed(case, ["start" + "-" * 500 + "end"]), ax)
    drawn_figure(ax)
    [text] = names_on(ax)
    assert text.get_text() == "start----…-end"


def labels(ax: Axes) -> list[str]:
    """The labels of the ticks, and what the mouse shows over the middle of the x axis."""
    drawn_figure(ax)
    ticks = [text.get_text() for axis in (ax.xaxis, ax.yaxis) for text in axis.get_ticklabels()]
    return [*ticks, ax.xaxis.get_offset_text().get_text(), ax.format_xdata(sum(ax.get_xlim()) / 2)]


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Kiritimati"])
def test_neither_the_zone_of_matplotlib_nor_that_of_the_machine_moves_a_label(case, monkeypatch, zone):
    before = labels(case.plot(case.table))
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        with mpl.rc_context({"timezone": zone}):
            assert labels(case.plot(case.table)) == before
    finally:
        monkeypatch.undo()
        time.tzset()


def test_importing_the_plots_does_not_import_matplotlib():
    code = "import sys, nucleus_pandas.plots; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
