"""The funnel of the made-up app against what was planted in it."""

import datetime as dt

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.planted import truth_of
from tests.conftest import AUTUMN

FORTNIGHT_AGO = AUTUMN - dt.timedelta(days=14)


def received(app):
    """Everything that the service had received by then, as it would send it."""
    now = int(AUTUMN.timestamp() * 1000)
    events = [event for event in app.events if event.received_ms <= now]
    return pd.DataFrame(
        {
            "user_id": [event.session.user.user_id for event in events],
            "user_db_id": [event.session.user.db_id for event in events],
            "time": pd.to_datetime([event.time_ms for event in events], unit="ms", utc=True),
            "event": [event.type for event in events],
            "data.plan": [event.session.user.plan if event.type == "init" else None for event in events],
        }
    )


@pytest.fixture(scope="module")
def planted(autumn_app):
    return truth_of(autumn_app, AUTUMN)


@pytest.fixture(scope="module")
def log(autumn_app):
    return nu.EventLog(received(autumn_app), as_of=AUTUMN)


@pytest.fixture(scope="module")
def newcomers():
    """The log of those users of a larger app who first started in the last fortnight."""
    frame = received(build_app(scale=4, end=dt.date(2026, 11, 22)))
    first = frame.groupby("user_db_id")["time"].transform("min")
    return nu.EventLog(frame[first >= FORTNIGHT_AGO], as_of=AUTUMN)


def by_plan(log, planted, **arguments):
    """For each plan that a funnel was planted in, the rows of its steps."""
    table = nu.funnel(log, list(planted.funnel_steps), by="data.plan", **arguments)
    return {plan: table[table["segment"] == plan].reset_index(drop=True) for plan in planted.funnel_planted}


def within(rows, rates):
    """For each step from the second on, whether the rate lies within the bounds."""
    return pd.Series(rates[1:]).between(rows["from_start_low"][1:].array, rows["from_start_high"][1:].array).tolist()


def test_the_counts_are_those_of_the_build(log, planted):
    counts = {plan: tuple(rows["users"]) for plan, rows in by_plan(log, planted).items()}
    assert counts == planted.funnel_counts


@pytest.mark.parametrize("entry", ["any", "first"])
def test_the_planted_rates_lie_within_the_bounds_in_each_plan(log, planted, entry):
    for plan, rows in by_plan(log, planted, entry=entry, start="2026-05-01").items():
        assert within(rows, planted.funnel_planted[plan]) == [True, True], plan


def test_counting_those_who_are_pending_gives_the_naive_counts_which_are_too_low(log, planted):
    naive, fair = by_plan(log, planted, include_pending=True), by_plan(log, planted)
    assert {plan: tuple(rows["users"]) for plan, rows in naive.items()} == planted.funnel_counts_naive
    for plan in naive:
        assert (naive[plan]["from_start"][1:] < fair[plan]["from_start"][1:]).all()


def test_of_newcomers_the_planted_rate_is_found_only_where_the_pending_are_left_out(newcomers, planted):
    for plan, rates in planted.funnel_planted.items():
        fair = by_plan(newcomers, planted)[plan]
        naive = by_plan(newcomers, planted, include_pending=True)[plan]
        assert within(fair, rates) == [True, True], plan
        assert within(naive, rates) == [False, False], plan
        assert (naive["from_start_high"] < [9, *rates[1:]]).all(), plan


def test_clocks_that_are_years_ahead_do_not_turn_censoring_off(log, planted):
    unknown = nu.EventLog(log.frame)
    with pytest.warns(nu.IncompleteDataWarning, match="clocks that are ahead"):
        assert abs(unknown.as_of - AUTUMN) < pd.Timedelta("1D")
    assert (by_plan(unknown, planted)["free"]["pending"] > 0).all()
