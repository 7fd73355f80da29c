"""Funnels by the period of entry, of logs that can be counted by eye."""

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu
from tests.analysis.funnel.test_funnel import LATE, at, log

# Small logs with few times hold such rows; test_row_checks.py has the warning.
pytestmark = pytest.mark.filterwarnings("ignore:.*repeat another row")

# The first of September 2026 is a Tuesday; hours count from its noon.
WEEKS = log(
    """
    ana: A0 B200
    ben: A1 A150 B151
    cyd: A150
    dan: A500 B501
    """
)

RATES = [
    *(f"from_{base}{end}" for base in ("start", "previous") for end in ("", "_low", "_high")),
    *("median_seconds", "mean_seconds"),
]


def table(events, **arguments):
    trend = nu.funnel_trend(events, ["A", "B"], **{"as_of": LATE} | arguments)
    return [(period.strftime("%m-%d"), *users) for period, users in trend.groupby("period")["users"].agg(list).items()]


def test_a_user_counts_in_each_week_of_entry_by_the_attempts_that_begin_in_it():
    assert table(WEEKS, window="3d") == [("08-31", 2, 0), ("09-07", 2, 1), ("09-14", 0, 0), ("09-21", 1, 1)]


def test_a_step_counts_in_the_week_of_the_entry():
    assert table(WEEKS, window="10d")[0] == ("08-31", 2, 2)


def test_the_first_entry_counts_in_one_week_only():
    assert table(WEEKS, window="3d", entry="first") == [
        ("08-31", 2, 0),
        ("09-07", 1, 0),
        ("09-14", 0, 0),
        ("09-21", 1, 1),
    ]


@pytest.mark.parametrize(("freq", "tz"), [("D", "America/St_Johns"), ("W", "Pacific/Auckland"), ("M", "UTC")])
@pytest.mark.filterwarnings("ignore:No user can be counted yet")
def test_each_period_is_the_funnel_of_that_period(freq, tz):
    rng = np.random.default_rng(7)
    events = pd.DataFrame(
        {
            "user_id": rng.integers(0, 12, 300),
            "event": rng.choice(["A", "B", "X"], 300),
            "time": [at(float(hours)) for hours in rng.integers(0, 1500, 300)],
            "plan": rng.choice(["free", "pro"], 300),
        }
    )
    asked = {"window": "2d", "exclude": "X", "tz": tz, "by": "plan", "as_of": at(1300)}
    trend = nu.funnel_trend(events, ["A", "B"], freq=freq, **asked)
    assert trend["users"].sum() > 20
    step = {"D": pd.DateOffset(days=1), "W": pd.DateOffset(weeks=1), "M": pd.DateOffset(months=1)}[freq]
    for period, rows in trend.groupby("period"):
        last = period + step - pd.Timedelta(1, "D")
        alone = nu.funnel(events, ["A", "B"], start=period.date(), end=last.date(), **asked)
        keys = ["segment", "step"]
        alone = alone.set_index(keys).drop(columns="event")
        rows = rows.set_index(keys)
        absent = rows.index.difference(alone.index)
        assert rows.loc[absent, ["users", "pending", "excluded"]].eq(0).all(axis=None)
        if not rows["settled"].all():
            assert rows[RATES].isna().all(axis=None)
            rows, alone = rows.drop(columns=RATES), alone.drop(columns=RATES)
        pd.testing.assert_frame_equal(rows.loc[alone.index, alone.columns], alone)


def test_a_period_is_complete_when_it_is_over_and_settled_two_days_after_the_window():
    # The week from the 7th is over on the 14th, with the window on the 17th.
    asked = {"window": "3d", "start": "2026-08-31", "end": "2026-09-13"}
    for as_of, complete, settled in [
        ("2026-09-13T23:59Z", False, False),
        ("2026-09-14T00:00Z", True, False),
        ("2026-09-18T23:59Z", True, False),
        ("2026-09-19T00:00Z", True, True),
    ]:
        last = nu.funnel_trend(WEEKS, ["A", "B"], as_of=as_of, **asked).iloc[-1]
        assert (last["complete"], last["settled"]) == (complete, settled)


def test_rates_are_told_of_settled_periods_and_with_the_first_entry_of_complete_ones():
    # The week from the 7th: ben A, cyd A, ben B. It is over on the 14th, with the window and two days on the 19th.
    asked = {"window": "3d", "start": "2026-08-31", "end": "2026-09-13"}
    told = [
        ("any", False, [False, False, False, True]),
        ("first", False, [False, True, True, True]),
        ("any", True, [False, True, True, True]),
    ]
    for entry, include, wanted in told:
        for as_of, known in zip(["09-13T23:59Z", "09-14T00:00Z", "09-18T23:59Z", "09-19T00:00Z"], wanted, strict=True):
            trend = nu.funnel_trend(
                WEEKS, ["A", "B"], as_of=f"2026-{as_of}", entry=entry, include_pending=include, **asked
            )
            last = trend.iloc[-1]
            assert last[["users", "pending", "excluded"]].notna().all()
            if known and last["users"]:
                assert last[RATES].notna().all()
            elif not known:
                assert trend.iloc[-2:][RATES].isna().all(axis=None)


def test_the_end_of_a_trend_in_which_nothing_changes_does_not_droop():
    # 150 users enter once a day for 118 days; each entry converts with p = 0.03, half an hour later.
    rng = np.random.default_rng(5)
    user, day = (part.ravel() for part in np.meshgrid(np.arange(150), np.arange(118), indexing="ij"))
    entered = pd.Timestamp("2026-01-01T10:00Z") + pd.to_timedelta(day, unit="D")
    went_on = rng.random(len(user)) < 0.03
    events = pd.DataFrame(
        {
            "user_id": np.concatenate([user, user[went_on]]),
            "event": ["A"] * len(user) + ["B"] * int(went_on.sum()),
            "time": entered.append(entered[went_on] + pd.Timedelta(minutes=30)),
        }
    )
    for as_of, rates in [("2026-04-18", 3), ("2026-04-01T12:00Z", 2), ("2026-04-04T00:00Z", 3)]:
        trend = nu.funnel_trend(events, ["A", "B"], freq="M", window="1d", as_of=as_of)
        last = trend[trend["step"] == 2].set_index("period")
        assert last["from_start"].notna().sum() == rates
        assert last["users"].gt(0).sum() >= 3
        for days, row in zip([31, 28, 31][:rates], last.itertuples(), strict=False):
            assert row.from_start_low < 1 - 0.97**days < row.from_start_high


def test_a_period_with_a_session_that_goes_on_is_not_settled_although_nobody_is_pending():
    events = log("ana: A0 A10 X1000 X1060").assign(session_id=["s1", "s2", "s2", "s3"])
    asked = {"window": "session", "start": "2026-09-01", "end": "2026-09-01", "freq": "D"}
    for as_of, settled in [(at(1048.4), False), (at(1048.5), True)]:
        day = nu.funnel_trend(events, ["A"], as_of=as_of, **asked).iloc[0]
        assert (day["pending"], day["complete"], day["settled"]) == (0, True, settled)


def test_a_period_that_start_or_end_cuts_is_not_complete():
    trend = nu.funnel_trend(WEEKS, ["A"], start="2026-09-01", end="2026-09-20", as_of=LATE)
    assert trend["complete"].tolist() == [False, True, True]
    assert trend["settled"].tolist() == [False, True, True]
    assert nu.funnel_trend(WEEKS, ["A"], as_of=LATE)["complete"].all()


def test_rates_of_nobody_are_missing():
    trend = nu.funnel_trend(WEEKS, ["A", "B"], as_of=LATE, window="3d")
    empty = trend[trend["period"] == "2026-09-14"]
    assert empty["users"].tolist() == [0, 0]
    assert empty.filter(regex="from_|seconds").isna().all(axis=None)


def test_the_segments_are_the_same_in_every_period():
    events = WEEKS.assign(plan=["a", "a", "b", "c", "a", "c", "d", "d"])
    trend = nu.funnel_trend(events, ["A"], by="plan", top=2, as_of=LATE)
    assert trend.groupby("period")["segment"].agg(list).tolist() == [["c", "a", "(other)"]] * 4
    assert trend.columns[:3].tolist() == ["period", "segment", "step"]


def test_a_clock_that_is_years_behind_does_not_begin_the_table():
    many = log("\n".join(f"u{number}: A{number}" for number in range(200)) + "\nold: A-70000")
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 200 entries lie before .* clocks that are behind"):
        first = table(many.assign(event=many["event"].where(many["user_id"] != "u199", "B")))[0]
    assert first[0] == "08-31"


def test_a_period_that_is_not_known_is_refused():
    for events in (WEEKS, WEEKS.head(0)):
        with pytest.raises(ValueError, match='freq="Y" is not known; write one of "D", "W"'):
            nu.funnel_trend(events, ["A"], freq="Y")


def test_entries_at_the_end_of_the_calendar_need_an_interval():
    year_9999 = np.array(["9999-12-31T23:00"] * len(WEEKS), dtype="datetime64[us]")
    last = WEEKS.assign(time=pd.DatetimeIndex(year_9999).tz_localize("UTC"))
    with pytest.raises(ValueError, match="pass start= and end="):
        nu.funnel_trend(last, ["A"])
    assert nu.funnel_trend(last, ["A"], start="2026-09-01", end="2026-09-30")["users"].eq(0).all()


def test_nobody_in_an_interval_still_has_its_periods():
    trend = nu.funnel_trend(WEEKS, ["A"], start="2027-01-01", end="2027-01-31", freq="W", as_of="2027-06-01")
    assert len(trend) == 5
    assert trend["users"].eq(0).all()


@pytest.mark.parametrize("by", [None, "user_id"])
def test_from_a_start_without_entries_the_periods_go_as_far_as_the_data_are_known(by):
    trend = nu.funnel_trend(WEEKS, ["A", "B"], start="2026-11-02", as_of="2026-11-15T23:00Z", by=by)
    assert trend["users"].eq(0).all()
    assert trend["period"].unique().tolist() == ([] if by else list(pd.to_datetime(["2026-11-02", "2026-11-09"])))
    assert len(nu.funnel_trend(WEEKS, ["A"], start="2026-11-02", as_of="2026-11-01T00:00Z", by=by)) == 0


def test_up_to_an_end_without_entries_there_are_no_periods():
    trend = nu.funnel_trend(WEEKS, ["A", "B"], end="2025-02-01", as_of=LATE)
    assert trend.dtypes.to_dict() == nu.funnel_trend(WEEKS, ["A", "B"], as_of=LATE).dtypes.to_dict()
    assert len(trend) == 0


def test_more_periods_than_anybody_reads_are_refused():
    wrong = log("ana: A0\nben: A400000")
    with pytest.raises(ValueError, match=r"there are 16,66\d days; there can be 5,000. Pass start= and end="):
        nu.funnel_trend(wrong, ["A"], freq="D", as_of="2100-01-01")
    assert len(nu.funnel_trend(wrong, ["A"], freq="D", start="2026-09-01", end="2026-09-03", as_of="2100-01-01")) == 3
