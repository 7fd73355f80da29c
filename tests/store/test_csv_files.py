"""CSV files: what is written can be read back, no cell is a formula, and nobody else can read the file."""

import csv
import stat

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucleus_pandas.store.csv_files import write_csv

TEXTS = st.text(st.sampled_from(list("\r\n\t,;\"'=+-@＝ aé1\u2028\U0001f600")), max_size=8)


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, strict=True))


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.tuples(TEXTS, TEXTS, st.integers(-9, 9)), min_size=1, max_size=6))
def test_texts_are_read_back_as_they_were_but_for_an_apostrophe(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    frame = pd.DataFrame(rows, columns=["a", "b", "n"]).astype({"a": "string", "b": "string"})
    write_csv([frame], path)
    by_csv = rows_of(path)[1:]
    by_pandas = pd.read_csv(path, dtype=str, keep_default_na=False).to_numpy().tolist()
    for row, *read in zip(rows, by_csv, by_pandas, strict=True):
        for cells in read:
            assert [cell == text or cell == f"'{text}" for cell, text in zip(cells, map(str, row), strict=True)] == [
                True
            ] * 3
            assert cells[2] == str(row[2])


@pytest.mark.parametrize(
    "first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", " =", "\N{NO-BREAK SPACE}="]
)
@pytest.mark.parametrize("dtype", ["string", "object", "category"])
def test_no_cell_and_no_column_name_is_a_formula(first, dtype, tmp_path):
    frame = pd.DataFrame({f"{first}name": [f"{first}1+1", "plain", None]}).astype(dtype).assign(n=-1)
    write_csv([frame], tmp_path / "table.csv")
    assert rows_of(tmp_path / "table.csv") == [
        [f"'{first}name", "n"],
        [f"'{first}1+1", "-1"],
        ["plain", "-1"],
        ["", "-1"],
    ]


def test_a_line_end_alone_is_in_quotes(tmp_path):
    write_csv([pd.DataFrame({"a": ["x\ry", "x\ny", "x\r\ny"], "b": 1})], tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes() == b'a,b\r\n"x\ry",1\r\n"x\ny",1\r\n"x\r\ny",1\r\n'


def test_times_are_in_utc_and_say_so(tmp_path):
    zoned = pd.to_datetime(["2026-10-24T10:00:00.250Z", None], format="ISO8601").tz_convert("Europe/Paris")
    frame = pd.DataFrame({"time": zoned, "day": pd.to_datetime(["2026-10-24", None])})
    write_csv([frame], tmp_path / "table.csv")
    assert rows_of(tmp_path / "table.csv")[1:] == [["2026-10-24T10:00:00.250000Z", "2026-10-24"], ["", ""]]
    read = pd.read_csv(tmp_path / "table.csv", parse_dates=["time"])
    assert read["time"][0] == zoned[0]


def test_values_keep_their_form_in_columns_of_several_types(tmp_path):
    mixed = pd.Series([True, 1, -1.5, "x", None, pd.NA], dtype=object)
    frame = pd.DataFrame({"mixed": mixed, "count": pd.array([2**62, None, 1, 2, 3, 4], dtype="Int64")})
    write_csv([frame], tmp_path / "table.csv")
    assert [row[0] for row in rows_of(tmp_path / "table.csv")[1:]] == ["True", "1", "-1.5", "x", "", ""]
    assert rows_of(tmp_path / "table.csv")[1][1] == str(2**62)


def test_several_frames_have_one_head(tmp_path):
    frames = (pd.DataFrame({"a": [number]}) for number in range(3))
    write_csv(frames, tmp_path / "table.csv")
    assert rows_of(tmp_path / "table.csv") == [["a"], ["0"], ["1"], ["2"]]


def test_a_frame_without_rows_has_a_head(tmp_path):
    write_csv([pd.DataFrame({"a": [], "b": []})], tmp_path / "table.csv")
    assert rows_of(tmp_path / "table.csv") == [["a", "b"]]


@pytest.mark.parametrize("excel", [True, False])
def test_a_byte_order_mark_is_there_if_wanted(excel, tmp_path):
    write_csv([pd.DataFrame({"a": ["é"]})], tmp_path / "table.csv", excel=excel)
    assert (tmp_path / "table.csv").read_bytes().startswith(b"\xef\xbb\xbf") == excel


def test_characters_that_files_do_not_take_are_replaced(tmp_path):
    write_csv([pd.DataFrame({"a": ["x\x00y", "\ud800", "\x00=1"]}, dtype=object)], tmp_path / "table.csv")
    assert rows_of(tmp_path / "table.csv")[1:] == [["x\ufffdy"], ["\ufffd"], ["\ufffd=1"]]


def test_nobody_else_can_read_the_file_at_any_time(tmp_path):
    path, modes = tmp_path / "table.csv", []
    path.write_text("old")
    path.chmod(0o644)

    def frames():
        for number in range(2):
            modes.extend(stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir() if file != path)
            yield pd.DataFrame({"a": [number]})

    write_csv(frames(), path)
    assert set(modes) == {0o600}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_planted_link_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "table.csv").symlink_to(tmp_path / "victim")
    write_csv([pd.DataFrame({"a": [1]})], tmp_path / "table.csv")
    assert (tmp_path / "victim").read_text() == "mine"
    assert not (tmp_path / "table.csv").is_symlink()


def test_a_file_that_could_not_be_completed_leaves_the_old_one(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def frames():
        yield pd.DataFrame({"a": [1]})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_csv(frames(), path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("table.csv", "old")]


def test_the_frame_is_not_changed(tmp_path):
    frame = pd.DataFrame({"=a": pd.array(["=1", None], dtype="string")})
    before = frame.copy()
    write_csv([frame], tmp_path / "table.csv")
    pd.testing.assert_frame_equal(frame, before)
