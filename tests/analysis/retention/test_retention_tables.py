"""The table that retention has, whatever was counted."""

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.analysis.retention.retention_tables import CURVE, RETENTION, Cells, pooled, retention_table
from nucleus_pandas.core.dtypes import TEXT

ASKED = {"freq": "W", "clock": "calendar", "criterion": "on", "sample": 1.0}


def cells(**others):
    """Two weeks of 40 and 10 users; the second week of the second is not over."""
    given = {
        "cohorts": np.array(["2026-09-07", "2026-09-14"], dtype="datetime64[D]"),
        "periods": np.array([0, 1]),
        "users": np.array([[40, 10]]),
        "eligible": np.array([[[40, 40], [10, 0]]]),
        "retained": np.array([[[40, 0], [10, 0]]]),
        "complete": np.array([[True, True], [True, False]]),
    }
    return Cells(**given | others)


def nothing(**others):
    """No cohort at all."""
    return cells(
        cohorts=np.empty(0, dtype="datetime64[D]"),
        users=np.zeros((1, 0), dtype=np.int64),
        eligible=np.zeros((1, 0, 2), dtype=np.int64),
        retained=np.zeros((1, 0, 2), dtype=np.int64),
        complete=np.zeros((0, 2), dtype=np.bool_),
        **others,
    )


def test_nobody_who_came_back_is_zero_and_a_period_that_is_not_over_is_missing():
    table = retention_table(cells(), **ASKED)
    assert table["cohort"].dt.strftime("%m-%d").tolist() == ["09-07", "09-07", "09-14", "09-14"]
    assert table["age"].tolist() == [0, 1, 0, 1]
    assert table["users"].tolist() == [40, 40, 10, 10]
    assert table["eligible"].tolist() == [40, 40, 10, 0]
    assert table["retained"].tolist() == [40, 0, 10, pd.NA]
    assert table["rate"].tolist()[:3] == [1.0, 0.0, 1.0]
    assert table["rate"].isna().tolist() == [False, False, False, True]
    assert table[["rate_low", "rate_high"]].isna().any(axis=1).tolist() == [False, False, False, True]
    assert table["complete"].tolist() == [True, True, True, False]
    assert table["low_n"].tolist() == [False, False, True, True]


def test_the_bounds_of_a_rate_are_those_of_wilson():
    # 0 of 40, worked out by hand: high = z² / (40 + z²) with z = 1.959964.
    table = retention_table(cells(), **ASKED)
    assert table.loc[1, ["rate_low", "rate_high"]].tolist() == pytest.approx([0.0, 0.087622], abs=1e-6)


def test_pooled_is_the_sum_of_those_retained_by_the_sum_of_those_eligible():
    curve = pooled(retention_table(cells(), **ASKED))
    assert curve["age"].tolist() == [0, 1]
    assert curve["cohorts"].tolist() == [2, 1]
    assert curve["users"].tolist() == [50, 50]
    assert curve["eligible"].tolist() == [50, 40]
    assert curve["retained"].tolist() == [50, 0]
    assert curve["rate"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("made", [cells, nothing])
@pytest.mark.parametrize("named", [{}, {"brackets": ["0", "1–2"]}, {"segments": ["free"]}])
def test_the_table_is_the_same_whatever_it_holds(made, named):
    table = retention_table(made(**named), **ASKED)
    extra = {{"brackets": "bracket", "segments": "segment"}[name]: TEXT for name in named}
    assert table.dtypes.to_dict() == RETENTION | extra
    assert pooled(table).dtypes.to_dict() == CURVE | extra
    order = ["segment"] * ("segments" in named) + ["cohort", "age"] + ["bracket"] * ("brackets" in named)
    assert list(table.columns)[: len(order)] == order
    assert table.columns[-1] == "sample"


def test_segments_have_the_cells_of_each():
    two = cells(
        segments=["free", "pro"],
        users=np.array([[40, 10], [4, 1]]),
        eligible=np.array([[[40, 40], [10, 0]], [[4, 4], [1, 0]]]),
        retained=np.array([[[40, 0], [10, 0]], [[4, 2], [1, 0]]]),
    )
    table = retention_table(two, **ASKED)
    assert table["segment"].tolist() == ["free"] * 4 + ["pro"] * 4
    assert table.loc[5, ["users", "eligible", "retained", "rate"]].tolist() == [4, 4, 2, 0.5]
    curve = pooled(table)
    assert curve["segment"].tolist() == ["free", "free", "pro", "pro"]
    assert curve["retained"].tolist() == [50, 0, 5, 2]


@pytest.mark.parametrize("function", [nu.retention_curve, nu.retention_trend])
def test_a_table_that_was_read_as_text_is_refused_with_what_to_write(function):
    times = pd.date_range("2026-01-01", periods=5, freq="7D", tz="UTC").as_unit("us")
    table = nu.retention(pd.DataFrame({"user_id": "ana", "time": times, "event": "init"}))
    with pytest.raises(ValueError, match=r"the column age has dtype .*pd\.to_numeric"):
        function(table.astype(str))
