"""A plot draws the same, wherever its table has been in between, and rejects what is not its table."""

import io
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text

from nucleus_pandas.plots import plot_daily, plot_error_counts, plot_growth, plot_version_adoption
from nucleus_pandas.plots.tables import checked_table
from tests.plots.conftest import CASES, TEXT
from tests.plots.gallery import small


def through_csv(table: pd.DataFrame, **how: object) -> pd.DataFrame:
    text = table.to_csv(index=False)
    # Versions and empty names are text, and only who reads the file can say so.
    names = [name for name in ("version", "before") if name in table]
    empty = [name for name in table if table[name].eq("").fillna(False).any()]
    nothing = {"keep_default_na": False, "na_values": {name: [""] for name in table if name not in empty}}
    return pd.read_csv(io.StringIO(text), **{"dtype": dict.fromkeys(names, "str"), **nothing, **how})


def arrow(table: pd.DataFrame) -> pd.DataFrame:
    pytest.importorskip("pyarrow")
    return table.convert_dtypes(dtype_backend="pyarrow")


def csv_as_arrow(table: pd.DataFrame) -> pd.DataFrame:
    pytest.importorskip("pyarrow")
    return through_csv(table, dtype_backend="pyarrow")


TRIPS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "csv": through_csv,
    "convert_dtypes": lambda table: table.convert_dtypes(),
    "arrow": arrow,
    "csv as Arrow": csv_as_arrow,
    "object": lambda table: table.astype(object),
    "text": lambda table: through_csv(table, dtype="str"),
    "another index": lambda table: table.set_index(pd.Index([7] * len(table))),
}


def _numbers(values: object) -> object:
    return None if values is None else np.round(np.ma.filled(values, np.nan), 9)


def artists(ax: Axes) -> list[object]:
    """Everything that an Axes shows; numbers as far as pandas 2 reads them exactly from text."""
    found: list[object] = [np.round([ax.get_xlim(), ax.get_ylim()], 9)]
    for artist in ax.findobj():
        if isinstance(artist, mpl.lines.Line2D):
            found.append(("line", np.round(np.asarray(artist.get_xydata(), dtype=float), 9), artist.get_color()))
        elif isinstance(artist, mpl.patches.Patch):
            path = artist.get_transform().transform_path(artist.get_path())
            found.append(("patch", np.round(path.vertices, 6), artist.get_facecolor(), artist.get_hatch()))
        elif isinstance(artist, mpl.collections.Collection):
            corners = [np.round(path.vertices, 9) for path in artist.get_paths()]
            found.append(("collection", *corners, _numbers(artist.get_array()), artist.get_facecolor()))
        elif isinstance(artist, Text):
            found.append(("text", artist.get_text(), artist.get_color()))
    return found


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # convert_dtypes of pandas 2, of infinity
@pytest.mark.parametrize("trip", TRIPS)
@pytest.mark.parametrize("name", CASES)
def test_a_table_that_went_elsewhere_is_drawn_the_same(name, trip):
    plot, table = CASES[name][0], small(name)
    np.testing.assert_equal(artists(plot(TRIPS[trip](table))), artists(plot(table)))


@pytest.mark.parametrize("name", CASES)
def test_a_column_of_another_kind_is_named_with_its_dtype(name):
    plot, table = CASES[name][0], small(name)
    with pytest.raises(ValueError, match=rf"^{plot.__name__}: column \w+ must hold .* but has dtype complex128"):
        plot(table.assign(**dict.fromkeys(table.columns, 1j)))


@pytest.mark.parametrize("name", CASES)
def test_a_table_of_users_is_rejected(name):
    users = pd.DataFrame({"user_id": ["ana"], "created_at": [pd.Timestamp("2026-09-01T10:00Z")]})
    with pytest.raises(ValueError, match=r'missing .*found "user_id", "created_at"'):
        CASES[name][0](users)


@pytest.mark.parametrize(
    "days",
    [
        [1, 2],
        ["2026-09-01", "today"],
        ["2026-09-01", "now"],
        ["2026", "2027"],
        ["01/09/2026", "02/09/2026"],
        ["2026-10-24T00:00+02:00", "2026-10-26T00:00+01:00"],
        [True, False],
    ],
)
def test_what_is_no_date_is_rejected(days):
    with pytest.raises(ValueError, match=r"plot_x: column day must hold dates, such as 2026-09-01, but has dtype"):
        checked_table(pd.DataFrame({"day": days}), plot="plot_x", maker="load_x", dates=["day"])


def test_a_date_with_a_zone_is_the_date_of_its_calendar():
    days = pd.date_range("2026-10-24", periods=3, tz="Europe/Paris")
    table = checked_table(pd.DataFrame({"day": days}), plot="plot_x", maker="load_x", dates=["day"])
    assert table["day"].astype(str).tolist() == ["2026-10-24", "2026-10-25", "2026-10-26"]


@pytest.mark.parametrize("counts", [[1.5, 2.0], [-1, 2], [float("inf"), 1.0], ["one", "two"], ["1,000", "2"]])
def test_what_is_no_count_is_rejected(counts):
    with pytest.raises(ValueError, match="plot_x: column count must hold whole numbers from 0 up, but has dtype"):
        checked_table(pd.DataFrame({"count": counts}), plot="plot_x", maker="load_x", counts=["count"])


@pytest.mark.parametrize("flags", [[1, 0], ["yes", "no"], [True, None]])
def test_what_is_no_flag_is_rejected(flags):
    with pytest.raises(ValueError, match="column settled must hold True or False in each row, but has dtype"):
        checked_table(pd.DataFrame({"settled": flags}), plot="plot_x", maker="load_x", flags=["settled"])


def test_versions_that_were_read_as_numbers_are_rejected(version_adoption):
    with pytest.raises(ValueError, match=r'1\.10 and 1\.1 are the same.*dtype=\{"version": "str"\}'):
        plot_version_adoption(version_adoption.assign(version=1.1))


def test_negative_counts_are_rejected(errors):
    with pytest.raises(ValueError, match=r"column count must hold whole numbers from 0 up.*negative numbers"):
        plot_error_counts(errors.assign(count=-errors["count"]))


def test_a_column_that_stands_twice_is_rejected(daily):
    with pytest.raises(ValueError, match="several columns named day"):
        plot_daily(pd.concat([daily, daily[["day"]]], axis=1))


def test_a_column_in_the_index_is_named_with_the_way_out(growth):
    with pytest.raises(ValueError, match=r"missing period; found .* in the index: call reset_index\(\) first"):
        plot_growth(growth.set_index("period"))


def test_values_of_the_data_stand_in_no_message(daily):
    with pytest.raises(ValueError, match="column day") as caught:
        plot_daily(daily.assign(day=pd.array(["ana@example.com"] * 4, dtype=TEXT)))
    assert "ana" not in str(caught.value)


def test_a_name_that_is_no_text_is_named_in_the_message():
    with pytest.raises(ValueError, match='missing day; found "0"'):
        checked_table(pd.DataFrame({0: [1]}), plot="plot_x", maker="load_x", dates=["day"])
