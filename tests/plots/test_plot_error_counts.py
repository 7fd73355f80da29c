"""plot_error_counts: stacked bars whose open end is hatched."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import StepPatch

from nucleus_pandas.plots import plot_error_counts


def layers(ax):
    """Give height and hatch of each patch: a patch a layer and state of the days."""
    patches = [patch for patch in ax.patches if isinstance(patch, StepPatch)]
    return [((patch.get_data()[0] - patch.get_data()[2]).tolist(), patch.get_hatch()) for patch in patches]


def grounds(ax):
    """Give where each patch behind the stack starts."""
    return [np.atleast_2d(patch.get_xy())[:, 0].min() for patch in ax.patches if not isinstance(patch, StepPatch)]


def names(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def settle(table):
    return table.assign(complete=True, settled=True)


def test_each_error_is_a_layer_as_high_as_its_count(errors):
    ax = plot_error_counts(settle(errors))
    assert names(ax) == ["uncaughtException", "DiskFull", "Timeout"]
    assert [height for height, _ in layers(ax)] == [[4, 0, 2, 1], [1, 3, 0, 1], [1, 0, 1, 0]]


def test_the_top_of_the_stack_is_the_number_of_all_errors(errors):
    ax = plot_error_counts(settle(errors))
    assert ax.patches[-1].get_data()[0].tolist() == [6, 3, 3, 2]


def test_a_bar_stands_over_its_day(errors):
    edges = plot_error_counts(settle(errors)).patches[0].get_data()[1]
    assert edges.tolist() == [number_of("2026-09-01") + place - 0.5 for place in range(5)]


def test_errors_beyond_top_are_summed_in_grey_on_top(errors):
    ax = plot_error_counts(settle(errors), top=1)
    assert names(ax) == ["uncaughtException", "(other)"]
    assert layers(ax)[1][0] == [2, 3, 1, 1]


def test_unsettled_and_incomplete_days_are_hatched(errors):
    ax = plot_error_counts(errors.query("error == 'DiskFull'"))
    (settled, plain), (ground, pale), (unsettled, hatched), (incomplete, hollow) = layers(ax)
    np.testing.assert_equal(settled, [1, 3, np.nan, np.nan])
    np.testing.assert_equal(ground, [np.nan, np.nan, 0, np.nan])
    np.testing.assert_equal(unsettled, ground)
    np.testing.assert_equal(incomplete, [np.nan, np.nan, np.nan, 1])
    assert not plain
    assert not pale
    assert hatched == hollow == "/////"
    assert ax.patches[3].get_facecolor()[3] == 0


def test_the_subtitle_says_what_hatched_means(errors):
    text = " ".join(plot_error_counts(errors).texts[0].get_text().split())
    assert "Hatched: may still grow" in text


def test_a_day_with_a_missing_number_has_a_grey_ground(errors):
    table = settle(errors)
    table.loc[(table["error"] == "Timeout") & (table["day"] == "2026-09-02"), "count"] = pd.NA
    ax = plot_error_counts(table)
    assert grounds(ax) == [number_of("2026-09-02") - 0.5]
    assert "Grey ground: a number is missing." in " ".join(ax.texts[0].get_text().split())


def test_a_day_that_the_table_does_not_have_is_no_zero(errors):
    table = settle(errors)
    ax = plot_error_counts(table[table["day"] != "2026-09-03"])
    assert grounds(ax) == [number_of("2026-09-03") - 0.5]


def test_an_error_not_listed_on_a_day_is_no_missing_number(errors):
    table = settle(errors)
    ax = plot_error_counts(table[table["count"] > 0])
    assert [height for height, _ in layers(ax)] == [[4, 0, 2, 1], [1, 3, 0, 1], [1, 0, 1, 0]]
    assert "Grey" not in ax.texts[0].get_text()


@pytest.mark.parametrize("top", [0, 9])
def test_errors_refuse_more_names_than_colours(errors, top):
    with pytest.raises(ValueError, match="must be a whole number from 1 to 8"):
        plot_error_counts(errors, top=top)


def number_of(day: str) -> float:
    return float((pd.Timestamp(day) - pd.Timestamp("1970-01-01")).days)
