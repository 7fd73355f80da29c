"""compare_funnels: differences counted by hand, who is compared with whom, and what cannot be compared."""

import math

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.core.dtypes import COUNT, TEXT

STEPS = ["init", "PROJECT_CREATED", "EXPORT_PDF"]


def table(users, segment=None, events=STEPS):
    """Lay out the columns of a funnel that matter here."""
    columns = {"step": range(1, len(users) + 1), "event": pd.array(events[: len(users)], dtype=TEXT)}
    columns |= {"users": pd.array(users, dtype=COUNT)}
    return pd.DataFrame(({} if segment is None else {"segment": segment}) | columns)


def segments(**users):
    return pd.concat([table(numbers, segment) for segment, numbers in users.items()], ignore_index=True)


def test_a_row_for_each_step_from_the_second_on():
    compared = nu.compare_funnels(table([100, 50, 20]), table([200, 140, 70]))
    assert compared["event"].tolist() == ["PROJECT_CREATED", "EXPORT_PDF"]
    assert compared["step"].tolist() == [2, 3]


def test_from_start_is_a_share_of_those_who_entered():
    compared = nu.compare_funnels(table([100, 50, 20]), table([200, 140, 70]))
    assert compared["base_a"].tolist() == [100, 100]
    assert compared["rate_a"].tolist() == [0.5, 0.2]
    assert compared["rate_b"].tolist() == [0.7, 0.35]
    assert compared["difference"].round(12).tolist() == [0.2, 0.15]


@pytest.mark.parametrize(
    ("users_a", "users_b", "verdict"),
    [
        ([1, 0], [2, 2], "too little history"),  # even none of 1 and both of 2 could be chance: p = 0.08
        ([0, 0], [9, 5], "too little history"),
        ([30, 10], [30, 10], "within normal variation"),
        ([30, 1], [30, 29], "clear change"),
    ],
)
def test_a_verdict_needs_a_difference_that_could_be_clear(users_a, users_b, verdict):
    assert nu.compare_funnels(table(users_a), table(users_b))["verdict"].tolist() == [verdict]


def test_from_previous_is_a_share_of_those_at_the_step_before():
    compared = nu.compare_funnels(table([100, 50, 20]), table([200, 140, 70]), rate="from_previous")
    assert compared["base_b"].tolist() == [200, 140]
    assert compared["rate_a"].tolist() == [0.5, 0.4]
    assert compared["difference"].round(12).tolist() == [0.2, 0.1]


def test_the_bounds_are_newcombes():
    # Published for 48/80 against 56/70.
    row = nu.compare_funnels(table([80, 48]), table([70, 56])).iloc[0]
    assert (round(row["low"], 4), round(row["high"], 4)) == (0.0524, 0.3339)


def test_p_values_are_adjusted_over_all_rows():
    # 20 and 30 of 50: two standard errors apart; 25 and 25: none.
    compared = nu.compare_funnels(table([50, 25, 20]), table([50, 25, 30], events=STEPS))
    by_chance = math.erfc(2 / math.sqrt(2))
    assert compared["p_value"].tolist() == pytest.approx([1, by_chance])
    assert compared["p_adjusted"].tolist() == pytest.approx([1, 2 * by_chance])


def test_each_segment_is_compared_with_the_one_with_most_entrants():
    compared = nu.compare_funnels(segments(pro=[40, 20], free=[100, 30], team=[10, 9]))
    assert compared["segment"].tolist() == ["pro", "team"]
    assert compared["reference"].tolist() == ["free", "free"]
    assert compared["rate_a"].tolist() == [0.3, 0.3]
    assert compared["difference"].round(12).tolist() == [0.2, 0.6]


def test_what_is_put_together_or_missing_is_the_reference_only_if_asked_for_or_alone():
    counts = {"(other)": [500, 100], "pro": [40, 20], "free": [100, 30], "(none)": [300, 10]}
    assert set(nu.compare_funnels(segments(**counts))["reference"]) == {"free"}
    assert set(nu.compare_funnels(segments(**counts), reference="(other)")["reference"]) == {"(other)"}
    pools = {name: counts[name] for name in ("(none)", "(other)")}
    assert set(nu.compare_funnels(segments(**pools))["reference"]) == {"(other)"}


def test_another_reference_can_be_chosen():
    compared = nu.compare_funnels(segments(pro=[40, 20], free=[100, 30]), reference="pro")
    assert compared["segment"].tolist() == ["free"]
    assert compared["difference"].round(12).tolist() == [-0.2]


def test_segments_of_two_tables_are_matched_by_name():
    compared = nu.compare_funnels(segments(free=[100, 30], pro=[50, 25]), segments(pro=[40, 30], free=[90, 27]))
    assert compared["segment"].tolist() == ["free", "pro"]
    assert compared["difference"].round(12).tolist() == [0, 0.25]


def test_a_segment_of_one_table_alone_has_nobody_in_the_other():
    compared = nu.compare_funnels(segments(free=[100, 30]), segments(free=[90, 27], team=[40, 30]))
    team = compared.set_index("segment").loc["team"]
    assert (team["users_a"], team["base_a"], team["rate_b"]) == (0, 0, 0.75)
    assert team[["rate_a", "difference", "low", "high", "p_value", "p_adjusted"]].isna().all()


def test_what_could_not_be_compared_does_not_count_as_a_comparison():
    compared = nu.compare_funnels(segments(a=[50, 20], b=[0, 0]), segments(a=[50, 30], b=[50, 30]))
    assert compared["p_adjusted"][0] == compared["p_value"][0]


def test_a_base_below_thirty_is_flagged():
    small = nu.compare_funnels(table([29, 20]), table([500, 100]))
    enough = nu.compare_funnels(table([30, 20]), table([500, 100]))
    assert (small["low_n"].tolist(), enough["low_n"].tolist()) == ([True], [False])


def test_the_smaller_sample_is_told():
    part, whole = table([100, 50]).assign(sample=0.1), table([100, 50]).assign(sample=1.0)
    assert nu.compare_funnels(whole, part)["sample"].tolist() == [0.1]
    assert nu.compare_funnels(table([100, 50]), whole)["sample"].tolist() == [1.0]


def test_rows_in_any_order_give_the_same_table():
    one, other = segments(free=[100, 30, 9], pro=[50, 25, 8]), table([9, 5])
    pd.testing.assert_frame_equal(
        nu.compare_funnels(one.sort_values("step", kind="stable")).sort_index(), nu.compare_funnels(one)
    )
    pd.testing.assert_frame_equal(
        nu.compare_funnels(other.iloc[::-1], other), nu.compare_funnels(other, other.iloc[::-1])
    )


def test_a_funnel_of_one_step_and_one_of_none_give_the_same_columns():
    full = nu.compare_funnels(table([9, 5]), table([9, 6]))
    for users in ([9], []):
        empty = nu.compare_funnels(table(users), table(users))
        assert len(empty) == 0
        pd.testing.assert_series_equal(empty.dtypes, full.dtypes)


def test_segments_of_which_there_are_none_give_the_same_columns():
    full = nu.compare_funnels(segments(free=[9, 5], pro=[9, 6]))
    empty = nu.compare_funnels(segments(free=[9, 5]).iloc[:0])
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)


def test_the_tables_stay_as_they_were():
    a, b = segments(free=[100, 30]), segments(free=[90, 27])
    before = a.copy(), b.copy()
    nu.compare_funnels(a, b)
    pd.testing.assert_frame_equal(a, before[0])
    pd.testing.assert_frame_equal(b, before[1])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((table([9, 5]),), "pass a second table as b"),
        ((table([9, 5]), table([9, 5], events=["init", "OTHER"])), "other steps: 'init' > 'PROJECT_CREATED' and"),
        ((table([9, 5]), segments(free=[9, 5])), "one of a and b has segments"),
        ((pd.concat([table([9, 5])] * 2), table([9, 5])), "hold each step once"),
        ((table([9, 5]).assign(period=1), table([9, 5])), "pick one"),
        ((table([9, 5]).drop(columns="users"), table([9, 5])), "no column users"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_what_to_do(arguments, told):
    with pytest.raises(ValueError, match=told):
        nu.compare_funnels(*arguments)


def test_a_table_that_is_none_is_refused():
    with pytest.raises(TypeError, match="takes tables"):
        nu.compare_funnels([1, 2])


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"rate": "total"}, "from_start, from_previous"), ({"reference": "gold"}, "there are 'free', 'pro'")],
)
def test_an_unknown_choice_is_refused_with_the_valid_ones(settings, told):
    with pytest.raises(ValueError, match=told):
        nu.compare_funnels(segments(free=[9, 5], pro=[9, 5]), **settings)


def test_a_reference_beside_a_second_table_is_refused():
    with pytest.raises(ValueError, match="leave it out"):
        nu.compare_funnels(table([9, 5]), table([9, 5]), reference="free")


def test_names_that_look_alike_to_pandas_2_stay_apart():
    names = ["nul\x00 a", "nul\x00 b", "\ud800"]
    rows = pd.concat([table([50, 10 * (place + 1)], f"{place}") for place in range(3)])
    rows["segment"] = pd.array([name for name in names for _ in range(2)], dtype=TEXT)
    compared = nu.compare_funnels(rows, reference=names[0])
    assert compared["segment"].tolist() == names[1:]
    np.testing.assert_allclose(compared["difference"], [0.2, 0.4])


def test_funnels_that_were_asked_in_another_way_are_not_compared():
    week = table([100, 40]).assign(order="ordered", window="7d", include_pending=False)
    day = week.assign(window="1d")
    with pytest.raises(ValueError, match="a was made with window='7d', b with window='1d': their rates"):
        nu.compare_funnels(week, day)
