"""Text from the data, colours, and the number of categories."""

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from nucleus_pandas.plots import style


@pytest.mark.parametrize(
    "text", ["open", "$x^{2$", "_private", "<script>", "=1+1", "שלום", "caf\u00e9", "a\u200db", "\\$5"]
)
def test_short_printable_text_stays_as_it_is(text):
    assert style.plain(text) == text


def test_long_text_is_cut_in_the_middle():
    assert style.plain("0123456789abcdefghij", 10) == "012345…hij"


def test_text_of_the_full_width_is_not_cut():
    assert style.plain("0123456789", 10) == "0123456789"


@pytest.mark.parametrize("char", ["\x00", "\t", "\n", "\r", "\x1b", "\u2028", "\u202e", "\u2066", "\ud800", "\ufeff"])
def test_what_cannot_be_printed_is_replaced(char):
    assert style.plain(f"a{char}b") == "a\ufffdb"


def test_a_missing_value_is_none_in_brackets():
    assert style.plain(None) == "(none)"


@pytest.mark.parametrize("text", ["", "  "])
def test_blank_text_is_quoted(text):
    assert style.plain(text) == f'"{text}"'


@pytest.mark.parametrize("top", [0, -1, 31, 2.5, "8", None])
def test_top_out_of_range_is_refused(top):
    with pytest.raises(ValueError, match="must be a whole number from 1 to 30"):
        style.checked_top(top, 30)


def test_the_first_six_colours_and_the_grey_stand_out_on_white():
    for color in (*style.PALETTE[:6], style.REST, style.QUIET):
        assert (1 + 0.05) / (luminance(color) + 0.05) >= 3, color


def test_each_colour_has_its_own_marker():
    assert len(set(style.PALETTE)) == len(style.PALETTE) == len(set(style.MARKERS))


def test_a_number_and_its_per_cent_stay_on_one_line():
    ax = Figure(figsize=(4, 3)).add_subplot()
    for length in range(1, 40):
        style.set_titles(ax, "Title", f"{'a' * length} and 95 % bounds, and what else there is to say of them")
        assert "95 %" in ax.texts[-1].get_text()


def test_a_long_title_is_written_in_several_lines():
    ax = Figure(figsize=(4, 3)).add_subplot()
    style.set_titles(ax, f"Breakdown of {'long ' * 12}: before and after")
    assert ax.get_title(loc="left").count("\n") >= 2


def test_a_few_weeks_have_a_tick_each_where_they_begin():
    ax = Figure().add_subplot()
    weeks = pd.date_range("2026-09-07", periods=3, freq="7D")
    style.day_axis(ax, weeks)
    assert ax.get_xticks().tolist() == date2num(weeks.to_numpy()).tolist()


def test_each_of_a_few_weeks_has_its_month_and_the_first_of_a_year_that_year():
    ax = Figure().add_subplot()
    style.day_axis(ax, pd.DatetimeIndex(["2026-12-21", "2026-12-28", "2027-01-04", "2027-01-11"]))
    labels = [text.get_text() for text in ax.get_xticklabels()]
    assert labels == ["21 Dec\n2026", "28 Dec", "4 Jan\n2027", "11 Jan"]


def test_small_text_follows_the_readers_font_size():
    with mpl.rc_context({"font.size": 20}):
        assert style.small() == 16


def luminance(color: str) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
