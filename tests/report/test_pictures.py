"""Pictures on a page: what a dark one has in place of the colours of a white one."""

from xml.etree import ElementTree as ET

import matplotlib as mpl

mpl.use("Agg")

import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from nucleus_pandas.plots import plot_error_counts, plot_hours, plot_retention
from nucleus_pandas.plots.shares import NOBODY
from nucleus_pandas.plots.style import PALETTE, QUIET, REST, figures_for_page
from nucleus_pandas.report.pictures import DARK, svg_of
from tests.plots.gallery import small

PAGE = DARK["#ffffff"]


def drawn(plot, table: pd.DataFrame) -> ET.Element:
    with figures_for_page(10.0):
        figure = plot(table).figure
    assert isinstance(figure, Figure)
    return ET.fromstring(svg_of(figure, prefix="p", look="picture", title="t", description="d"))


def named(root: ET.Element, tag: str) -> list[ET.Element]:
    return list(root.iter(f"{{http://www.w3.org/2000/svg}}{tag}"))


def luminance(color: str) -> float:
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


@pytest.mark.parametrize("color", [*PALETTE, REST, QUIET, NOBODY])
def test_every_colour_of_the_house_stands_out_on_a_dark_page(color):
    dark = DARK.get(color.lower(), color)
    assert (luminance(dark) + 0.05) / (luminance(PAGE) + 0.05) >= 3


def test_others_together_and_missing_are_told_apart_on_a_dark_page():
    rest, nobody = (luminance(DARK[color.lower()]) + 0.05 for color in (REST, NOBODY))
    assert rest / nobody >= 1.5


def test_grounds_and_hatches_are_dark_on_a_dark_page():
    for ground in ("#ffffff", "#ebebeb"):
        assert (luminance(DARK[ground]) + 0.05) / (luminance(PAGE) + 0.05) < 1.5


def test_bars_that_may_still_grow_are_hatched_in_the_page_too():
    patterns = named(drawn(plot_error_counts, small("errors")), "pattern")
    assert patterns
    # A ground of the colour of the lines would hide them.
    assert {rect.get("style") for pattern in patterns for rect in named(pattern, "rect")} == {"fill:none"}


def test_the_ground_of_cells_that_are_missing_follows_the_page():
    (pattern,) = named(drawn(plot_hours, small("hours")), "pattern")
    assert [rect.get("style") for rect in named(pattern, "rect")] == ["fill:var(--cffffff)"]


def test_many_cells_are_one_picture_and_not_a_path_each():
    cohorts = pd.date_range("2023-01-02", periods=50, freq="7D").repeat(50)
    table = pd.concat([small("retention").iloc[:1]] * 2_500).assign(cohort=cohorts, age=[*range(50)] * 50)
    assert len(named(drawn(plot_retention, table), "path")) < 500
