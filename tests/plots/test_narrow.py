"""Pictures for narrow screens, where nobody enlarges what is small."""

from functools import cache
from itertools import pairwise

import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from nucleus_pandas.plots import plot_daily, plot_event_counts, plot_funnel, plot_hours, plot_paths
from nucleus_pandas.plots.style import figures_for_page
from tests.plots import conftest
from tests.plots.gallery import LONG, renamed, small


@cache
def drawn(name: str) -> Axes:
    """A picture of each plot, drawn once for all tests that only look at it."""
    with figures_for_page(3.6):
        ax = conftest.CASES[name][0](small(name))
    ax.figure.draw_without_rendering()
    return ax


def narrow(plot, table) -> Axes:
    with figures_for_page(3.6):
        ax = plot(table)
    ax.figure.draw_without_rendering()
    return ax


@pytest.fixture(params=conftest.CASES)
def ax(request: pytest.FixtureRequest) -> Axes:
    return drawn(request.param)


def texts(ax: Axes) -> list[Text]:
    return [text for text in ax.figure.findobj(Text) if text.get_visible() and text.get_text()]


def box(text: Text) -> Bbox:
    return text.get_window_extent()


def subtitle(ax: Axes) -> Text:
    [found] = [text for text in ax.texts if text.get_color() == "#666666"]
    return found


def test_no_text_is_cut_off(ax):
    # The layout leaves out the subtitle and the legend, for which it makes room otherwise.
    apart = [box(subtitle(ax))] + [legend.get_window_extent() for legend in [ax.get_legend()] if legend]
    needed = Bbox.union([ax.get_tightbbox(), *apart])
    assert needed.x0 >= 0
    assert needed.y0 >= 0
    assert needed.x1 <= ax.figure.bbox.x1
    assert needed.y1 <= ax.figure.bbox.y1


def test_no_text_is_smaller_than_10_css_pixels_on_a_screen_of_360(ax):
    # 3.6 inches are shown on 328 pixels.
    assert min(text.get_fontsize() for text in texts(ax)) * 328 / (3.6 * 72) >= 9.6


def test_title_subtitle_axes_label_and_legend_stand_below_each_other(ax):
    legend = ax.get_legend()
    parts = [box(ax._left_title), box(subtitle(ax)), ax.bbox, box(ax.xaxis.label)]
    parts += [] if legend is None else [legend.get_window_extent()]
    assert all(upper.y0 >= lower.y1 - 1 for upper, lower in pairwise(parts))


def test_labels_of_ticks_do_not_touch(ax):
    low, high = sorted(ax.get_xlim())
    labels = [text for text in ax.get_xticklabels() if low <= text.get_position()[0] <= high and text.get_text()]
    places = sorted((box(text).x0, box(text).x1) for text in labels)
    assert all(left[1] + 2 <= right[0] for left, right in pairwise(places))


def test_the_axes_takes_a_third_of_the_width_or_more(ax):
    assert ax.bbox.width >= ax.figure.bbox.width / 3


def test_long_names_in_the_legend_do_not_make_the_axes_smaller():
    short, long = (narrow(plot_event_counts, renamed(small("events"), names)) for names in (["a", "b", "c"], LONG))
    assert long.bbox.size == pytest.approx(short.bbox.size, abs=1)
    assert len(long.get_legend().get_texts()[0].get_text()) == 32


def test_what_stands_beside_a_short_bar_lies_on_the_figure():
    ax = narrow(plot_funnel, conftest.reached([464, 222, 103], events=["init", "PROJECT_CREATED", "EXPORT_PDF"]))
    assert max(box(text).x1 for text in ax.texts) <= ax.figure.bbox.x1 - 4


def test_a_legend_of_short_names_has_them_side_by_side():
    first, *_, last = narrow(plot_daily, small("daily")).get_legend().get_texts()
    assert box(first).y0 == pytest.approx(box(last).y0, abs=1)


def test_a_legend_of_many_names_makes_the_figure_higher_and_not_the_axes_lower():
    few, many = (
        narrow(plot_event_counts, renamed(small("events"), names))
        for names in (["a"], [f"{n} {20 * 'x'}" for n in range(8)])
    )
    assert many.bbox.height == pytest.approx(few.bbox.height, abs=1)
    assert many.figure.get_figheight() > few.figure.get_figheight() + 0.5


def test_the_bar_of_colours_stands_below_the_axes():
    ax = narrow(plot_hours, small("hours"))
    (bar,) = ax.child_axes
    assert bar.get_window_extent().y1 < box(ax.xaxis.label).y0
    assert bar.get_window_extent().width == pytest.approx(ax.bbox.width, abs=1)


def test_shares_of_paths_stand_below_their_names():
    found = [text.get_text() for text in narrow(plot_paths, small("paths")).texts]
    assert "save\n60.0 %" in found


def test_a_picture_without_data_is_low():
    ax = narrow(plot_daily, small("daily").iloc[:0])
    assert ax.figure.get_figheight() < 2


def test_an_axes_that_is_given_stays_as_it_is():
    import matplotlib.pyplot as plt

    _, given = plt.subplots(figsize=(3.6, 4), layout="constrained")
    with figures_for_page(3.6):
        plot_daily(small("daily"), given)
    assert given.figure.get_size_inches().tolist() == [3.6, 4]
    assert given.get_legend().get_bbox_to_anchor().x0 > given.bbox.x1
