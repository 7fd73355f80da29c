"""plot_dimensions: bars of the values of one dimension."""

import pandas as pd
import pytest

from nucleus_pandas.plots import plot_dimensions
from nucleus_pandas.plots.style import REST


def bars(ax):
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    return dict(zip(labels, [patch.get_width() for patch in ax.patches], strict=True))


def test_a_bar_is_as_long_as_its_count(dimensions):
    assert bars(plot_dimensions(dimensions)) == {"win": 100, "mac": 60, "linux": 20, "(none)": 5}


def test_the_largest_is_on_top(dimensions):
    ax = plot_dimensions(dimensions)
    assert list(bars(ax)) == ["win", "mac", "linux", "(none)"]
    assert ax.yaxis_inverted()


def test_the_counts_stand_beside_the_bars(dimensions):
    dimensions.loc[1, "count"] = 12345
    texts = [text.get_text() for text in plot_dimensions(dimensions).texts]
    assert texts[:4] == ["12,345", "60", "20", "5"]


def test_another_dimension_is_drawn_when_asked_for(dimensions):
    assert bars(plot_dimensions(dimensions, dimension="version")) == {"0.9.0": 70, "0.10.0": 30}


def test_values_beyond_top_are_summed(dimensions):
    ax = plot_dimensions(dimensions, top=2)
    assert bars(ax) == {"win": 100, "mac": 60, "(other)": 25}
    assert "(other): the sum of 2 more." in " ".join(ax.texts[-1].get_text().split())


def test_missing_and_other_are_grey(dimensions):
    ax = plot_dimensions(dimensions)
    from matplotlib.colors import to_hex

    assert [to_hex(patch.get_facecolor()).upper() == REST for patch in ax.patches] == [False, False, False, True]


def test_a_value_without_a_number_is_left_out(dimensions):
    dimensions.loc[0, "count"] = pd.NA
    assert bars(plot_dimensions(dimensions)) == {"win": 100, "mac": 60, "(none)": 5}


def test_a_dimension_without_rows_says_no_data(dimensions):
    assert "no data" in [text.get_text() for text in plot_dimensions(dimensions, dimension="ram_gb").texts]


def test_an_unknown_dimension_is_refused_with_the_valid_ones(dimensions):
    with pytest.raises(ValueError, match='dimension="os" is not known; write one of "platform", "platform_raw"'):
        plot_dimensions(dimensions, dimension="os")


@pytest.mark.parametrize("top", [0, 31])
def test_a_top_out_of_range_is_refused(dimensions, top):
    with pytest.raises(ValueError, match="must be a whole number from 1 to 30"):
        plot_dimensions(dimensions, top=top)
