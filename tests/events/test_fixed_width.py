"""Codes for texts of one length are those of pandas, one by one; other texts are left to pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nucleus_pandas.events import fixed_width
from nucleus_pandas.events import log_columns as codes
from nucleus_pandas.events.fixed_width import factorize_fixed_width
from nucleus_pandas.events.log_columns import encode

pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def arrow(texts):
    return pd.Series(pd.array(texts, dtype=pd.StringDtype("pyarrow")))


def columns(width):
    text = st.text(alphabet="ab\x00", min_size=width, max_size=width)
    return st.lists(text, min_size=1, max_size=40).map(arrow)


@given(st.sampled_from([8, 9, 15, 16, 17, 24, 36]).flatmap(columns))
def test_codes_are_those_of_telling_texts_apart_one_by_one(column):
    found, place = factorize_fixed_width(column)
    known = {}
    assert found.tolist() == [known.setdefault(text, len(known)) for text in column]
    assert column.iloc[place].tolist() == list(known)


def test_a_part_of_a_column_and_several_columns_in_a_row_are_read_where_they_lie():
    column = arrow(["aaaaaaaa", "bbbbbbbb", "aaaaaaaa", "cccccccc", "bbbbbbbb"])
    assert factorize_fixed_width(column.iloc[1:4])[0].tolist() == [0, 1, 2]
    assert factorize_fixed_width(pd.concat([column.iloc[1:], column.iloc[:1]]))[0].tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["short"],
        ["aaaaaaaa", "bbbbbbbbb"],
        ["aaaaaaaa", None],
        [None],
        ["éééé", "aaaaaaaaa"],
        ["a" * 8] * 1000 + ["b"],
    ],
)
def test_other_texts_are_left_to_pandas(texts):
    assert factorize_fixed_width(arrow(texts)) is None


def test_texts_that_look_the_same_when_mixed_are_left_to_pandas(monkeypatch):
    # Times nothing, all that is left of a text is its last eight bytes.
    monkeypatch.setattr(fixed_width, "_ODD", np.uint64(0))
    assert factorize_fixed_width(arrow(["aaaaaaaabbbbbbbb", "ccccccccbbbbbbbb"])) is None


def test_large_columns_are_encoded_so(monkeypatch):
    monkeypatch.setattr(codes, "_MANY", 10)
    found, values = encode(arrow(["aaaaaaaa", "bbbbbbbb", "aaaaaaaa"]))
    assert found.tolist() == [0, 1, 0]
    assert values == ["aaaaaaaa", "bbbbbbbb"]
    found, values = encode(arrow(["aaaaaaaa", "", None]))
    assert found.tolist() == [0, -1, -1]
