"""Breakdowns of counts that can be added up by eye, and of any counts at all."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from nucleus_pandas.core.dtypes import COUNT, NUMBER, TEXT

NORMAL = "within normal variation"

WEEKS = pd.to_datetime(["2026-09-07", "2026-09-14"]).astype("datetime64[us]")


def counts(**numbers):
    return pd.DataFrame({"value": pd.array(list(numbers), dtype=TEXT), "count": pd.array([*numbers.values()], COUNT)})


def by_user(each=1, **numbers):
    """So many users of each value, each counted `each` times, a row a user."""
    value = [name for name, number in numbers.items() for _ in range(number)]
    return pd.DataFrame({"user_id": [f"user {n}" for n in range(len(value))], "value": value, "count": each})


def weekly(first, second, complete=(True, True)):
    tables = [
        counts(**numbers).assign(period=week, complete=state, settled=state)
        for numbers, week, state in zip((first, second), WEEKS, complete, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)


PLATFORMS = counts(linux=10, win=60, mac=30)


def test_a_breakdown_gives_shares_of_all_that_was_counted():
    table = nu.breakdown(PLATFORMS)
    assert table["value"].tolist() == ["win", "mac", "linux"]
    assert table["count"].tolist() == [60, 30, 10]
    assert table["share"].tolist() == [0.6, 0.3, 0.1]
    assert table["cumulative_share"].tolist() == [0.6, 0.9, 1.0]


def test_the_bounds_of_a_share_are_those_of_wilson():
    # 10 of 100, worked out by hand: (0.1 + z²/200 ± z √(0.0009 + z²/40000)) / (1 + z²/100) with z = 1.959964.
    row = nu.breakdown(by_user(linux=10, win=60, mac=30)).iloc[2]
    assert (row["share_low"], row["share_high"]) == pytest.approx((0.0552291, 0.1743657), abs=1e-7)


def test_totals_have_shares_without_bounds():
    table = nu.breakdown(PLATFORMS)
    assert table["share"].notna().all()
    assert table[["share_low", "share_high"]].isna().all(axis=None)


def test_users_who_count_many_times_have_the_bounds_of_about_as_many_users():
    once, often = (nu.breakdown(by_user(each, linux=10, win=60, mac=30)) for each in (1, 50))
    assert often["share"].tolist() == once["share"].tolist()
    assert (often["share_low"] <= once["share_low"]).all()
    assert (often["share_high"] >= once["share_high"]).all()
    assert (often["share_high"] - often["share_low"] < 1.3 * (once["share_high"] - once["share_low"])).all()


def test_rows_of_users_without_a_count_count_once_each():
    rows = by_user(linux=10, win=60, mac=30)
    pd.testing.assert_frame_equal(nu.breakdown(rows.drop(columns="count")), nu.breakdown(rows))


def test_a_user_is_told_by_the_service_s_id_or_else_by_the_app_s():
    ids = {"user_db_id": ["1", "1", None, None], "user_id": ["a", "b", "a", "a"], "value": ["x", "y", "x", "x"]}
    apart = {"user_id": ["p", "p", "q", "q"], "value": ids["value"]}
    pd.testing.assert_frame_equal(nu.breakdown(pd.DataFrame(ids)), nu.breakdown(pd.DataFrame(apart)))


def test_rows_without_a_user_are_left_out_and_told():
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 3 rows has no user"):
        table = nu.breakdown(pd.DataFrame({"user_id": ["a", None, "b"], "value": ["x", "x", "y"]}))
    assert table["count"].tolist() == [1, 1]


def test_bounds_of_an_incomplete_period_are_missing():
    rows = by_user(a=8, b=2).assign(period=WEEKS[0], complete=False)
    assert nu.breakdown(rows)[["share", "share_low", "share_high"]].isna().all(axis=None)


def test_missing_is_a_value_of_its_own_and_the_empty_text_is_missing():
    table = nu.breakdown(pd.DataFrame({"value": ["a", None, ""], "count": [6, 3, 1]}))
    assert table["value"].tolist() == ["a", "(none)"]
    assert table["share"].tolist() == [0.6, 0.4]


def test_what_is_beyond_top_is_put_together_before_what_is_missing():
    table = nu.breakdown(counts(a=1, b=2, c=3, d=4).assign(value=["a", "b", "c", None]), top=1)
    assert table["value"].tolist() == ["c", "(other)", "(none)"]
    assert table["count"].tolist() == [3, 3, 4]


def test_a_value_named_as_the_rest_counts_to_the_rest():
    table = nu.breakdown(
        pd.DataFrame({"value": ["a", "(other)", "b", "(none)", None], "count": [5, 9, 1, 2, 3]}), top=1
    )
    assert table["value"].tolist() == ["a", "(other)", "(none)"]
    assert table["count"].tolist() == [5, 10, 5]


def test_values_with_the_same_count_stand_in_the_order_of_their_names():
    assert nu.breakdown(counts(c=1, a=1, b=1), top=2)["value"].tolist() == ["a", "b", "(other)"]


def test_a_value_that_stands_there_twice_is_added_up():
    table = nu.breakdown(pd.DataFrame({"value": [1, "1", False, 2.0], "count": [1, 2, 3, 4]}))
    assert dict(zip(table["value"], table["count"], strict=True)) == {"2": 4, "1": 3, "false": 3}


def test_a_number_and_a_boolean_that_python_takes_for_equal_are_two_values():
    table = nu.breakdown(pd.DataFrame({"value": [1, True, 0, False, np.True_, None], "count": [6, 5, 4, 3, 2, 1]}))
    assert dict(zip(table["value"], table["count"], strict=True)) == {
        "true": 7,
        "1": 6,
        "0": 4,
        "false": 3,
        "(none)": 1,
    }


def test_a_series_that_was_not_counted_is_refused():
    with pytest.raises(ValueError, match=r"no index of values: count them first, counts\.value_counts\(dropna=False\)"):
        nu.breakdown(pd.Series([16, 16, 8, 32]))


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(ValueError, match="has several columns named count"):
        nu.breakdown(pd.DataFrame([["a", 1, 2]], columns=["value", "count", "count"]))


def test_a_series_of_value_counts_will_do():
    series = pd.Series(["a", "b", "a", None]).value_counts(dropna=False)
    table = nu.breakdown(series)
    assert dict(zip(table["value"], table["count"], strict=True)) == {"a": 2, "b": 1, "(none)": 1}


def test_dimensions_are_broken_down_each_by_itself():
    both = pd.concat([PLATFORMS.assign(dimension="platform"), counts(fr=1, de=3).assign(dimension="country")])
    table = nu.breakdown(both, top=1)
    assert table["dimension"].tolist() == ["platform", "platform", "country", "country"]
    assert table["share"].tolist() == [0.6, 0.4, 0.75, 0.25]


def test_events_and_attributes_are_broken_down_each_by_itself():
    plan, kind = counts(free=3, pro=1), counts(a=1)
    both = pd.concat([plan.assign(event="init", attribute="plan"), kind.assign(event="OPEN", attribute="kind")])
    table = nu.breakdown(both)
    assert table[["event", "attribute"]].drop_duplicates().to_numpy().tolist() == [["init", "plan"], ["OPEN", "kind"]]
    assert table["share"].tolist() == [0.75, 0.25, 1.0]


def test_periods_are_broken_down_each_by_itself_and_have_the_same_values():
    table = nu.breakdown(weekly({"a": 8, "b": 2}, {"c": 5, "a": 5}), top=2)
    assert table["period"].tolist() == [week for week in WEEKS for _ in range(3)]
    assert table["value"].tolist() == ["a", "c", "(other)"] * 2
    assert table["share"].tolist() == [0.8, 0.0, 0.2, 0.5, 0.5, 0.0]
    assert table["settled"].all()


def test_a_period_that_is_not_complete_has_counts_but_no_share():
    table = nu.breakdown(weekly({"a": 8, "b": 2}, {"a": 5}, complete=(True, False)))
    assert table["count"].tolist() == [8, 2, 5, 0]
    assert table["share"].notna().tolist() == [True, True, False, False]
    assert table.loc[2:, ["share_low", "share_high", "cumulative_share"]].isna().all(axis=None)
    assert table["complete"].tolist() == [True, True, False, False]


def test_periods_of_which_no_state_is_told_are_taken_to_be_over():
    table = nu.breakdown(weekly({"a": 8}, {"a": 5}).drop(columns=["complete", "settled"]))
    assert table[["complete", "settled"]].all(axis=None)
    assert table["share"].tolist() == [1.0, 1.0]


def test_a_share_of_nothing_is_missing():
    table = nu.breakdown(counts(a=0, b=0))
    assert table["count"].tolist() == [0, 0]
    assert table[["share", "share_low", "share_high", "cumulative_share"]].isna().all(axis=None)


def test_rows_without_a_count_are_left_out_and_told():
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 3 rows has no count"):
        table = nu.breakdown(PLATFORMS.assign(count=pd.array([10, None, 30], COUNT)))
    assert table["share"].tolist() == [0.75, 0.25]


@pytest.mark.parametrize("extra", [{}, {"dimension": "x"}, {"period": WEEKS[0]}], ids=str)
def test_nothing_gives_the_same_columns_and_types(extra):
    full = PLATFORMS.assign(**extra)
    pd.testing.assert_series_equal(nu.breakdown(full.iloc[:0]).dtypes, nu.breakdown(full).dtypes)
    assert len(nu.breakdown(full.iloc[:0])) == 0


def test_the_types_are_those_of_the_standard_tables():
    dtypes = nu.breakdown(PLATFORMS).dtypes.to_dict()
    assert dtypes == {
        "value": TEXT,
        "count": COUNT,
        **dict.fromkeys(("share", "share_low", "share_high", "cumulative_share"), NUMBER),
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (PLATFORMS.rename(columns={"value": "platform"}), 'missing value; found "platform", "count"'),
        (PLATFORMS.assign(count=[0.1, 0.6, 0.3]), "not shares"),
        (PLATFORMS.assign(count=[-1, 0, 3]), "from 0 on"),
        (PLATFORMS.assign(count=["1", "2", "3"]), "the column count of counts has dtype .* must hold whole numbers"),
        (PLATFORMS.assign(period="2026-09-01"), "days without a zone"),
        (pd.DataFrame({"a": [1], "b": [2]}).value_counts(), "combinations of several columns"),
    ],
)
def test_what_holds_no_counts_is_refused_with_what_to_do(given, told):
    with pytest.raises(ValueError, match=told):
        nu.breakdown(given)


def test_what_is_no_table_is_refused():
    with pytest.raises(TypeError, match="of type list; pass a DataFrame with the columns value and count"):
        nu.breakdown([1, 2])
    with pytest.raises(ValueError, match="top=0 must be a whole number from 1 on"):
        nu.breakdown(PLATFORMS, top=0)


def test_the_arguments_stay_as_they_were():
    frame = weekly({"a": 8, "b": 2}, {"c": 5}).set_axis([7] * 3)
    before = frame.copy()
    nu.breakdown(frame)
    pd.testing.assert_frame_equal(frame, before)


values = st.one_of(
    st.none(), st.sampled_from(["a", "b", "(none)", "(other)", "", 1, "1", True, 2.5]), st.text(max_size=3)
)
rows = st.lists(st.tuples(values, st.integers(0, 2**40), st.integers(0, 2), st.booleans()), max_size=12)


@given(rows, st.integers(1, 4), st.booleans(), st.booleans())
@settings(max_examples=40)
def test_shares_add_up_to_one_whatever_comes(rows, top, periods, known):
    frame = pd.DataFrame(
        {"value": pd.Series([row[0] for row in rows], dtype=object), "count": [row[1] for row in rows]}
    )
    frame = frame.astype({"count": "int64"})
    by = ["dimension"]
    frame["dimension"] = pd.array([f"d{row[2]}" for row in rows], dtype=TEXT)
    if known:
        frame["user_id"] = [f"user {row[1] % 3}" for row in rows]
    if periods:
        by = ["period", "dimension"]
        frame["period"] = np.array([WEEKS[int(row[3])] for row in rows], dtype="datetime64[us]")
    table = nu.breakdown(frame, top=top)
    whole = frame.groupby("dimension")["count"].sum()
    assert table.groupby("dimension")["count"].sum().to_dict() == whole.to_dict()
    for key, part in table.groupby(by):
        total = frame.loc[(frame[by] == pd.Series(key, by)).all(axis=1), "count"].sum()
        if total:
            assert part["share"].sum() == pytest.approx(1, abs=1e-12)
            assert part["cumulative_share"].iloc[-1] == 1
            held = (part["share_low"] <= part["share"]) & (part["share"] <= part["share_high"])
            assert (held if known else part[["share_low", "share_high"]].isna().all(axis=1)).all()
        else:
            assert part["share"].isna().all()
        assert len(part) <= top + 2
        assert part["value"].is_unique


@pytest.mark.parametrize(("column", "advice"), [("period", "pd.to_datetime"), ("count", "pd.to_numeric")])
def test_a_column_that_a_file_turned_into_text_is_named_with_its_dtype_and_what_to_write(column, advice):
    table = weekly({"a": 3}, {"a": 4})
    with pytest.raises(ValueError, match=f"the column {column} of counts has dtype .* must hold .*{advice}"):
        nu.breakdown(table.assign(**{column: table[column].astype(str)}))
