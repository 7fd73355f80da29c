"""compare: differences counted by hand, which rows are matched, and what cannot be compared."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from nucleus_pandas.core.dtypes import COUNT, TEXT
from nucleus_pandas.stats.intervals import newcombe, wilson
from nucleus_pandas.stats.significance import holm_confidence
from tests.analysis.false_changes import pair

STEPS = ["init", "PROJECT_CREATED", "EXPORT_PDF"]
BOUNDS = ["difference_low", "difference_high", "p_value", "p_adjusted"]
NORMAL, CLEAR, UNTESTED = "within normal variation", "clear change", "too little history"


def funnel(users, segment=None, events=STEPS):
    """The columns of a funnel that matter here."""
    before = [0, *users[:-1]]
    columns = {"step": range(1, len(users) + 1), "event": pd.array(events[: len(users)], dtype=TEXT)}
    columns |= {"users": pd.array(users, dtype=COUNT)}
    for name, base in (("from_start", users[:1] * len(users)), ("from_previous", before)):
        with np.errstate(invalid="ignore", divide="ignore"):
            columns[name] = np.array(users, dtype=float) / np.array(base, dtype=float)
        columns[f"{name}_low"], columns[f"{name}_high"] = wilson(np.minimum(users, base), base)
    return pd.DataFrame(({} if segment is None else {"segment": segment}) | columns)


def segments(**users):
    return pd.concat([funnel(numbers, segment) for segment, numbers in users.items()], ignore_index=True)


def people(repeat=1, **users):
    """Rows of users, so many with each value, each there several times."""
    value = [name for name, number in users.items() for _ in range(number)]
    user = [f"user {n}" for n in range(len(value))]
    return pd.DataFrame({"user_id": user * repeat, "value": value * repeat}).astype({"value": TEXT})


def totals(**counts):
    return pd.DataFrame({"value": list(counts), "count": list(counts.values())})


def shares(before, after, top=10):
    return nu.compare(nu.breakdown(before, top=top), nu.breakdown(after, top=top))


def curve(*counts, **asked):
    """A retention curve: (eligible, retained) of each age."""
    eligible, retained = (np.array(numbers) for numbers in zip(*counts, strict=True))
    low, high = wilson(retained, eligible)
    table = pd.DataFrame({"age": range(len(counts)), "eligible": eligible, "retained": retained})
    table = table.assign(rate=retained / eligible, rate_low=low, rate_high=high)
    return table.assign(**{"freq": "W", "clock": "calendar", "criterion": "on", "sample": 1.0, **asked})


def test_a_row_for_each_step_from_the_second_on():
    compared = nu.compare(funnel([100, 50, 20]), funnel([200, 140, 70]))
    assert compared["event"].tolist() == ["PROJECT_CREATED", "EXPORT_PDF"]
    assert compared["step"].tolist() == [2, 3]
    assert set(compared["rate"]) == {"from_start"}


def test_from_start_is_a_share_of_those_who_entered():
    compared = nu.compare(funnel([100, 50, 20]), funnel([200, 140, 70]))
    assert compared["base_a"].tolist() == [100, 100]
    assert compared["count_b"].tolist() == [140, 70]
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
    assert nu.compare(funnel(users_a), funnel(users_b))["verdict"].tolist() == [verdict]


def test_from_previous_is_a_share_of_those_at_the_step_before():
    compared = nu.compare(funnel([100, 50, 20]), funnel([200, 140, 70]), rate="from_previous")
    assert compared["base_b"].tolist() == [200, 140]
    assert compared["rate_a"].tolist() == [0.5, 0.4]
    assert compared["difference"].round(12).tolist() == [0.2, 0.1]


def test_the_bounds_are_newcombes():
    # Published for 48/80 against 56/70.
    row = nu.compare(funnel([80, 48]), funnel([70, 56])).iloc[0]
    assert (round(row["difference_low"], 4), round(row["difference_high"], 4)) == (0.0524, 0.3339)


def test_p_values_are_adjusted_over_all_rows():
    # 20 and 30 of 50: two standard errors apart; 25 and 25: none.
    compared = nu.compare(funnel([50, 25, 20]), funnel([50, 25, 30]))
    by_chance = math.erfc(2 / math.sqrt(2))
    assert compared["p_value"].tolist() == pytest.approx([1, by_chance])
    assert compared["p_adjusted"].tolist() == pytest.approx([1, 2 * by_chance])


def test_the_bounds_and_p_values_are_those_of_other_libraries():
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    stats = pytest.importorskip("scipy.stats")
    counts = [(40, 100, 62, 110), (5, 30, 6, 31), (900, 1000, 850, 1000)]
    a, b = (curve(*((row[side + 1], row[side]) for row in counts)) for side in (0, 2))
    compared = nu.compare(a, b)
    expected = [stats.chi2_contingency([[x, n - x], [y, m - y]], correction=False).pvalue for x, n, y, m in counts]
    np.testing.assert_allclose(compared["p_value"], expected)
    np.testing.assert_allclose(compared["p_adjusted"], multitest.multipletests(expected, method="holm")[1])
    for place, ((x, n, y, m), confidence) in enumerate(zip(counts, holm_confidence(expected), strict=True)):
        bounds = proportion.confint_proportions_2indep(y, m, x, n, method="newcomb", alpha=1 - confidence)
        np.testing.assert_allclose(compared.loc[place, ["difference_low", "difference_high"]].tolist(), bounds)


def test_each_segment_is_compared_with_the_one_with_most_entrants():
    compared = nu.compare(segments(pro=[40, 20], free=[100, 30], team=[10, 9]))
    assert compared["segment_b"].tolist() == ["pro", "team"]
    assert compared["segment_a"].tolist() == ["free", "free"]
    assert compared["rate_a"].tolist() == [0.3, 0.3]
    assert compared["difference"].round(12).tolist() == [0.2, 0.6]


def test_other_and_none_are_the_reference_only_if_asked_for_or_alone():
    counts = {"(other)": [500, 100], "pro": [40, 20], "free": [100, 30], "(none)": [300, 10]}
    assert set(nu.compare(segments(**counts))["segment_a"]) == {"free"}
    assert set(nu.compare(segments(**counts), reference="(other)")["segment_a"]) == {"(other)"}
    pools = {name: counts[name] for name in ("(none)", "(other)")}
    assert set(nu.compare(segments(**pools))["segment_a"]) == {"(other)"}


def test_another_reference_can_be_chosen():
    compared = nu.compare(segments(pro=[40, 20], free=[100, 30]), reference="pro")
    assert compared["segment_b"].tolist() == ["free"]
    assert compared["difference"].round(12).tolist() == [-0.2]


def test_segments_of_two_tables_are_matched_by_name():
    compared = nu.compare(segments(free=[100, 30], pro=[50, 25]), segments(pro=[40, 30], free=[90, 27]))
    assert compared["segment"].tolist() == ["free", "pro"]
    assert compared["difference"].round(12).tolist() == [0, 0.25]


def test_tables_filtered_to_one_segment_each_are_compared_across_it():
    compared = nu.compare(segments(free=[100, 30]), segments(pro=[40, 30]))
    assert compared[["segment_a", "segment_b"]].to_numpy().tolist() == [["free", "pro"]]
    assert compared["difference"].round(12).tolist() == [0.45]


def test_a_segment_of_one_table_alone_has_no_rate_in_the_other_and_the_row_says_so():
    compared = nu.compare(segments(free=[100, 30]), segments(free=[90, 27], team=[40, 30]))
    team = compared.set_index("segment").loc["team"]
    assert (team["rate_b"], team["verdict"], team["reason"]) == (0.75, UNTESTED, "not in a")
    assert team[["base_a", "rate_a", "difference", *BOUNDS]].isna().all()
    assert compared["reason"].isna().tolist() == [True, False]


def test_a_rate_of_nobody_is_too_little_history_and_does_not_count_as_a_comparison():
    compared = nu.compare(segments(a=[50, 20], b=[0, 0]), segments(a=[50, 30], b=[50, 30]))
    assert compared["p_adjusted"][0] == compared["p_value"][0]
    assert compared["reason"].tolist() == [pd.NA, "no rate in a"]
    assert compared["verdict"].tolist()[1] == UNTESTED


def test_tables_filtered_to_one_period_each_are_compared_across_it():
    weeks = pd.to_datetime(["2026-09-07", "2026-09-14"])
    trend = pd.concat(
        [funnel(users).assign(period=week) for users, week in zip(([80, 48], [70, 56]), weeks, strict=True)]
    )
    compared = nu.compare(*(trend[trend["period"] == week] for week in weeks))
    assert compared[["period_a", "period_b"]].to_numpy().tolist() == [[*weeks]]
    assert compared["difference"].round(12).tolist() == [0.2]


def test_periods_of_two_trends_are_matched_by_date():
    weeks = pd.to_datetime(["2026-09-07", "2026-09-14"])
    a, b = (
        pd.concat([funnel(one).assign(period=week) for one, week in zip(users, weeks, strict=True)])
        for users in (([80, 48], [70, 56]), ([80, 56], [70, 49]))
    )
    compared = nu.compare(a, b.iloc[::-1])
    assert compared["period"].tolist() == [*weeks]
    assert compared["difference"].round(12).tolist() == [0.1, -0.1]
    with pytest.raises(ValueError, match=r"no period in common\. To compare two of them, pass one in each table"):
        nu.compare(a, b.assign(period=b["period"] + pd.Timedelta(days=70)))


def test_retention_curves_are_matched_by_age():
    compared = nu.compare(curve((100, 90), (100, 40), (80, 20)), curve((200, 190), (100, 55)))
    assert compared["age"].tolist() == [0, 1, 2]
    assert compared["base_b"].tolist() == [200, 100, pd.NA]
    assert compared["count_b"].tolist() == [190, 55, pd.NA]
    assert compared["difference"].round(12).tolist()[:2] == [0.05, 0.15]
    assert compared["reason"].tolist() == [pd.NA, pd.NA, "not in b"]
    low, high = newcombe(40, 100, 55, 100)[1:]  # the second of two p-values is the larger one
    assert compared.loc[1, ["difference_low", "difference_high"]].tolist() == pytest.approx([low, high], abs=0.02)


def test_bounds_that_count_starts_of_the_same_users_stay_wide_in_a_comparison():
    wide = curve((1_000, 500))
    wide["rate_low"], wide["rate_high"] = wilson(50, 100)  # as of 100 independent ones
    assert nu.compare(curve((1_000, 600)), curve((1_000, 500)))["verdict"].tolist() == [CLEAR]
    compared = nu.compare(curve((1_000, 600)), wide)
    assert compared["verdict"].tolist() == [NORMAL]
    assert compared[["difference_low", "difference_high"]].iloc[0].tolist() == pytest.approx(
        [float(bound) for bound in newcombe(600, 1_000, 50, 100)[1:]]
    )


def test_sessions_without_errors_are_compared_with_users_as_the_sampling_unit():
    rng = np.random.default_rng(1)
    user = np.repeat(np.arange(60), 20)
    rate = np.repeat(rng.choice([0.02, 0.9], 60), 20)
    starts = pd.Timestamp("2026-09-01", tz="UTC") + pd.to_timedelta(np.tile(np.arange(20), 60), unit="h")
    table = pd.DataFrame({"user_id": [f"user {n}" for n in user], "session_id": np.arange(1_200).astype(str)})
    table = table.assign(start=starts, end=starts, errors=pd.array((rng.random(1_200) < rate).astype(int), dtype=COUNT))
    a, b = (nu.error_free(table[user % 2 == half], freq=None, as_of="2026-10-01") for half in (0, 1))
    compared = nu.compare(a, b).iloc[0]
    assert compared["base_a"] == 600
    low, high = newcombe(*(int(x) for x in (compared["count_a"], 600, compared["count_b"], 600)))[1:]
    assert compared["difference_high"] - compared["difference_low"] > 2.5 * (high - low)
    assert set(nu.compare(a, b, rate="error_free_users")["base_a"]) == {30}


def survived(survival, error):
    spread = 1.959963984540054 * np.array(error)
    loglog = np.log(-np.log(np.array(survival)))
    columns = {"survival_low": np.exp(-np.exp(loglog + spread)), "survival_high": np.exp(-np.exp(loglog - spread))}
    return pd.DataFrame(
        {"day": range(1, len(survival) + 1), "at_risk": 100, "survival": survival, **columns, "gap": "7d"}
    )


def test_survival_is_compared_on_the_log_log_scale():
    compared = nu.compare(survived([0.9, 0.5], [0.2, 0.1]), survived([0.8, 0.5], [0.2, 0.1]))
    z = abs(math.log(-math.log(0.9)) - math.log(-math.log(0.8))) / math.hypot(0.2, 0.2)
    assert compared["p_value"].tolist() == pytest.approx([math.erfc(z / math.sqrt(2)), 1])
    assert compared["verdict"].tolist() == [CLEAR, NORMAL]
    assert compared["count_a"].isna().all()
    assert compared["difference"].between(compared["difference_low"], compared["difference_high"]).all()


def test_survival_curves_of_users_give_the_p_value_of_the_log_log_test():
    created = pd.Timestamp("2026-01-01", tz="UTC")
    rng = np.random.default_rng(2)
    users = pd.DataFrame({"user_id": [str(n) for n in range(400)], "created_at": created})
    users["last_seen"] = created + pd.to_timedelta(rng.exponential(np.where(np.arange(400) < 200, 60, 25)), unit="D")
    a, b = (nu.survival(users[half], as_of="2026-06-01") for half in (slice(0, 200), slice(200, 400)))
    row = nu.compare(a, b).set_index("day").loc[30]
    # Without censoring before day 30, Greenwood's variance is the binomial one.
    s, t = row["rate_a"], row["rate_b"]
    errors = [math.sqrt((1 - one) / one / 200) / -math.log(one) for one in (s, t)]
    z = abs(math.log(-math.log(s)) - math.log(-math.log(t))) / math.hypot(*errors)
    assert row["p_value"] == pytest.approx(math.erfc(z / math.sqrt(2)))
    assert row["verdict"] == CLEAR


def test_a_survival_of_1_has_no_bounds_and_is_too_little_history():
    one = survived([0.9], [0.2]).assign(survival=1.0, survival_low=np.nan, survival_high=np.nan)
    compared = nu.compare(one, survived([0.8], [0.2]))
    assert (compared["verdict"].tolist(), compared["reason"].tolist()) == ([UNTESTED], ["no bounds in a"])


def test_shares_of_a_breakdown_are_compared_by_value():
    table = shares(totals(a=60, b=40), totals(a=50, b=30, c=20))
    assert table["value"].tolist() == ["a", "b", "c"]
    assert table["count_a"].tolist() == [60, 40, 0]
    assert table["count_b"].tolist() == [50, 30, 20]
    assert table["base_b"].tolist() == [100, 100, 100]
    assert table["difference"].tolist() == pytest.approx([-0.1, -0.1, 0.2])
    assert not table["low_n"].any()


def test_totals_have_no_bounds_and_no_verdict_and_the_row_says_why():
    table = shares(totals(a=600, b=400), people(a=50, b=30))
    assert table["difference"].notna().all()
    assert table[[*BOUNDS, "verdict"]].isna().all(axis=None)
    assert table["reason"].tolist() == ["no bounds in a"] * 2
    assert set(shares(totals(a=6), totals(a=5))["reason"]) == {"no bounds in a and b"}


def test_shares_of_users_have_newcombes_bounds_for_all_rows_together():
    # Two rows that mirror each other: each is judged at half of 5 %.
    table = shares(people(a=48, b=32), people(a=56, b=14))
    low, high = newcombe(48, 80, 56, 70, confidence=0.975)[1:]
    assert table["difference_low"].tolist() == pytest.approx([low, -high])
    assert table["difference_high"].tolist() == pytest.approx([high, -low])


def test_a_share_that_differs_clearly_is_a_clear_change():
    table = shares(people(a=500, b=400, c=100), people(a=500, b=300, c=200)).set_index("value")
    assert table["verdict"].to_dict() == {"a": NORMAL, "b": CLEAR, "c": CLEAR}


def test_a_difference_of_many_events_of_a_few_users_is_not_clear():
    assert set(shares(people(500, a=6, b=4), people(500, a=3, b=7))["verdict"]) == {NORMAL}


def test_shares_of_events_seldom_change_clearly_where_nothing_changed():
    rng = np.random.default_rng(1)
    with_users, with_events = np.sum([pair(rng, 30, 5, 0.3, 1.0) for _ in range(60)], axis=0)
    assert with_users <= 6
    assert with_events >= 50


def test_a_breakdown_of_nothing_is_too_little_history():
    table = shares(people(a=5), people())
    assert (table["verdict"].tolist(), table["reason"].tolist()) == ([UNTESTED], ["not in b"])


def test_values_that_only_one_of_two_cut_breakdowns_names_are_part_of_other_in_both():
    a, b = people(x=50, y=30, z=15, w=5), people(x=50, y=20, z=3, w=27)
    table = nu.compare(nu.breakdown(a, top=3), nu.breakdown(b, top=3)).set_index("value")
    # a names x, y, z and b names x, w, y.
    assert table.index.tolist() == ["x", "y", "(other)"]
    assert table["count_a"].tolist() == [50, 30, 20]
    assert table["count_b"].tolist() == [50, 20, 30]
    assert table["rate_b"].tolist() == pytest.approx([0.5, 0.2, 0.3])
    low, high = newcombe(20, 100, 30, 100, confidence=1 - 0.05 / 3)[1:]
    assert table.loc["(other)", ["difference_low", "difference_high"]].tolist() == pytest.approx([low, high])


def test_a_missing_value_is_never_part_of_other():
    a, b = people(x=50, y=30, z=20), people(x=50, y=20, **{"": 30})
    table = nu.compare(nu.breakdown(a, top=1), nu.breakdown(b, top=5)).set_index("value")
    assert table["count_a"].to_dict() == {"x": 50, "(other)": 50, "(none)": 0}
    assert table["count_b"].to_dict() == {"x": 50, "(other)": 20, "(none)": 30}


def test_dimensions_are_matched_by_name():
    a = pd.concat([totals(win=6, mac=3).assign(dimension="platform"), totals(fr=9).assign(dimension="country")])
    table = shares(a, totals(win=6, mac=3).assign(dimension="platform"))
    assert table["difference"].tolist()[:2] == [0, 0]
    country = table.iloc[2]
    assert (country["dimension"], country["verdict"], country["reason"]) == ("country", UNTESTED, "not in b")


def test_two_periods_of_one_breakdown_have_the_same_values():
    weeks = pd.to_datetime(["2026-09-07", "2026-09-14"])
    rows = pd.concat([people(a=30, b=20, c=2).assign(period=weeks[0]), people(a=20, b=30, d=2).assign(period=weeks[1])])
    trend = nu.breakdown(rows, top=3)
    table = nu.compare(*(trend[trend["period"] == week] for week in weeks))
    assert table["value"].tolist() == ["a", "b", "c", "(other)"]
    assert table["count_a"].tolist() == [30, 20, 2, 0]
    assert table["count_b"].tolist() == [20, 30, 0, 2]


def test_a_breakdown_that_lacks_values_is_refused():
    whole = nu.breakdown(totals(a=60, b=40))
    with pytest.raises(ValueError, match="shares of a do not add up to 1"):
        nu.compare(whole[whole["value"] == "a"], whole)


def test_a_base_below_thirty_is_flagged():
    small = nu.compare(funnel([29, 20]), funnel([500, 100]))
    enough = nu.compare(funnel([30, 20]), funnel([500, 100]))
    assert (small["low_n"].tolist(), enough["low_n"].tolist()) == ([True], [False])


def test_few_users_are_flagged_however_many_events_they_have():
    assert shares(people(500, a=10, b=19), people(500, a=40))["low_n"].all()
    assert not shares(people(500, a=20, b=30), people(500, a=40))["low_n"].any()
    assert shares(totals(a=10, b=19), totals(a=40))["low_n"].all()


def test_the_smaller_sample_is_given():
    part, whole = funnel([100, 50]).assign(sample=0.1), funnel([100, 50]).assign(sample=1.0)
    assert nu.compare(whole, part)["sample"].tolist() == [0.1]
    assert nu.compare(funnel([100, 50]), whole)["sample"].tolist() == [1.0]


def test_rows_in_any_order_give_the_same_table():
    one, other = segments(free=[100, 30, 9], pro=[50, 25, 8]), funnel([9, 5])
    pd.testing.assert_frame_equal(nu.compare(one.sort_values("step", kind="stable")), nu.compare(one))
    pd.testing.assert_frame_equal(nu.compare(other.iloc[::-1], other), nu.compare(other, other.iloc[::-1]))


EMPTY = {
    "funnel": funnel([9, 5]),
    "segments": segments(free=[9, 5], pro=[9, 6]),
    "curve": curve((9, 5)),
    "breakdown": nu.breakdown(totals(a=1).assign(dimension="x")),
    "survival": survived([0.9], [0.2]),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_empty_tables_give_the_same_columns_and_dtypes(kind):
    full = EMPTY[kind]
    empty = nu.compare(full.iloc[:0], full.iloc[:0])
    assert len(empty) == 0
    pd.testing.assert_series_equal(empty.dtypes, nu.compare(full, full).dtypes)


def test_a_funnel_of_one_step_gives_no_rows():
    assert len(nu.compare(funnel([9]), funnel([9]))) == 0


def test_the_tables_stay_as_they_were():
    a, b = segments(free=[100, 30]), segments(free=[90, 27])
    before = a.copy(), b.copy()
    nu.compare(a, b)
    pd.testing.assert_frame_equal(a, before[0])
    pd.testing.assert_frame_equal(b, before[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((funnel([9, 5]),), "pass a second table as b"),
        ((funnel([9, 5]), funnel([9, 5], events=["init", "OTHER"])), "different steps: .*init.*PROJECT_CREATED.* and"),
        ((funnel([9, 5]), funnel([9, 5], events=["OTHER", STEPS[1]])), "different steps"),
        (
            tuple(funnel([9] * 13, events=[*"abcdefghijkl", last]) for last in "mn"),
            "different steps: .*",
        ),
        ((funnel([9, 5]).drop(columns="from_start_low"), funnel([9, 5])), "a is not a rate table"),
        ((funnel([9, 5]), segments(free=[9, 5])), "b has a column segment, a has none: make both with the same by="),
        ((pd.concat([funnel([9, 5])] * 2), funnel([9, 5])), "several rows with the same step, event"),
        ((funnel([9, 5]).iloc[1:], funnel([9, 5])), "a lacks steps"),
        ((funnel([9, 5]).drop(columns="users"), funnel([9, 5])), "a is not a rate table .* funnel or funnel_trend"),
        ((funnel([9, 5]), curve((9, 5))), "a is a table of funnel or funnel_trend, b one of retention"),
        ((curve((9, 5)), curve((9, 5), freq="M")), "a was made with freq='W', b with freq='M'"),
        ((curve((9, 5)), curve((9, 5), criterion="on_or_after")), "criterion='on', b with criterion='on_or_after'"),
        ((survived([0.9], [0.1]), survived([0.9], [0.1]).assign(gap="30d")), "gap='7d', b with gap='30d'"),
        ((curve((9, 5), (9, 4)).assign(freq=["W", "M"]), curve((9, 5))), "a mixes freq='W' and freq='M'"),
        ((segments(a=[9, 5], b=[9, 5]), segments(c=[9, 5], d=[9, 5])), "no segment in common"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_what_differs(arguments, message):
    with pytest.raises(ValueError, match=message):
        nu.compare(*arguments)


def test_an_argument_that_is_not_a_table_is_refused():
    with pytest.raises(TypeError, match="a is of type list; pass a table"):
        nu.compare([1, 2])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": "from_strat"}, 'rate="from_strat" is not known; write one of "from_start", "from_previous"'),
        ({"reference": "gold"}, 'reference="gold" is not known; write one of "free", "pro"'),
    ],
)
def test_an_unknown_choice_is_refused_with_the_valid_ones(settings, message):
    with pytest.raises(ValueError, match=message):
        nu.compare(segments(free=[9, 5], pro=[9, 5]), **settings)


def test_a_reference_beside_a_second_table_is_refused():
    with pytest.raises(ValueError, match="leave it out"):
        nu.compare(funnel([9, 5]), funnel([9, 5]), reference="free")


def test_names_that_look_alike_to_pandas_2_stay_apart():
    names = ["nul\x00 a", "nul\x00 b", "\ud800"]
    rows = pd.concat([funnel([50, 10 * (place + 1)], f"{place}") for place in range(3)])
    rows["segment"] = pd.array([name for name in names for _ in range(2)], dtype=TEXT)
    compared = nu.compare(rows, reference=names[0])
    assert compared["segment_b"].tolist() == names[1:]
    np.testing.assert_allclose(compared["difference"], [0.2, 0.4])


counted = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "d", "(none)", "(other)"]), st.integers(0, 2**40)), max_size=8
)


@given(counted, counted, st.integers(1, 4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_differences_of_shares_add_up_to_nothing(before, after, top, known):
    a, b = (pd.DataFrame(rows, columns=["value", "count"]).astype({"count": "int64"}) for rows in (before, after))
    if known:
        a, b = (one.assign(user_id=[str(place % 3) for place in range(len(one))]) for one in (a, b))
    table = shares(a, b, top)
    assert table["count_a"].sum() == a["count"].sum()
    assert table["count_b"].sum() == b["count"].sum()
    if a["count"].sum() and b["count"].sum():
        assert table["difference"].sum() == pytest.approx(0, abs=1e-12)
        assert table["rate_b"].sum() == pytest.approx(1, abs=1e-12)
        assert table["value"].is_unique
