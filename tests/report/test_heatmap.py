"""A heatmap says what the table of retention says, in words and in colours that can be read."""

import numpy as np
import pandas as pd
import pytest

from nucleus_pandas.report.heatmap import SHADES, heatmap_of


def table(rates, **more):
    """Two cohorts of two weeks; a rate a cell."""
    cells = {
        "cohort": pd.to_datetime(["2026-10-05", "2026-10-05", "2026-10-12", "2026-10-12"]),
        "age": [0, 1, 0, 1],
        "users": [100, 100, 20, 20],
        "eligible": [100, 100, 20, 0],
        "retained": pd.array([100, 0, 20, None], dtype="Int64"),
        "rate": rates,
        "rate_low": 0.0,
        "rate_high": 1.0,
        "complete": True,
        "low_n": [False, False, True, True],
        "freq": "W",
        "clock": "calendar",
        "criterion": "on",
        "sample": 1.0,
    }
    return pd.DataFrame(cells | more)


def test_each_cohort_is_a_row_with_its_shares_in_per_cent():
    cells, _ = heatmap_of(table([1.0, 0.25, 1.0, 0.5]))
    assert cells.names == ["Cohort", "Users", "Week 0", "Week 1"]
    assert cells.rows == [["2026-10-05", "100", "100", "25"], ["2026-10-12", "20", "100*", "50*"]]


def test_nobody_came_back_and_not_over_yet_look_different():
    cells, note = heatmap_of(table([1.0, 0.0, 1.0, np.nan]))
    assert [row[3] for row in cells.rows] == ["0", ""]
    assert [row[3] for row in cells.shades] == ["s0", ""]
    assert "Empty: not over yet" in note


def test_the_largest_share_after_the_first_period_has_the_fullest_colour():
    cells, _ = heatmap_of(table([1.0, 0.4, 1.0, 0.2]))
    assert [row[3] for row in cells.shades] == ["s10", "s5"]


def test_a_share_of_a_part_of_the_cohort_is_slanted_and_said():
    cells, note = heatmap_of(table([1.0, 0.4, 1.0, 0.2], complete=[True, True, True, False]))
    assert cells.shades[1][3] == "s5 part"
    assert "Slanted: of a part of the cohort only." in note


def test_a_share_that_is_not_settled_is_hatched_and_said():
    cells, note = heatmap_of(table([1.0, 0.4, 1.0, 0.2], settled=[True, True, True, False]))
    assert cells.rows[1][3] == "~20*"
    assert cells.shades == [["", "", "s10", "s10"], ["", "", "s10", "s5 open"]]
    assert "Hatched, with ~: may still change (clients send up to 48 h late)." in note


def test_a_table_without_users_has_no_rows():
    cells, _ = heatmap_of(table([np.nan] * 4))
    assert cells.rows == []


@pytest.mark.parametrize(("page", "text"), [(0, 0), (1, 0.896)])
def test_text_can_be_read_on_every_colour(page, text):
    """A contrast of 4.5, as WCAG asks, between the colour of the text (its luminance) and of each cell."""
    for shade in SHADES:
        channels = np.array(list(bytes.fromhex(shade[page][1:]))) / 255
        linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        light, dark = sorted([text, float(linear @ [0.2126, 0.7152, 0.0722])], reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.5
