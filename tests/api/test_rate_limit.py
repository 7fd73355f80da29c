from __future__ import annotations

import pytest

from nucleus_pandas.api.http.transport import TokenBucket
from tests.fault_server import FakeTime


@pytest.fixture
def time():
    return FakeTime()


def bucket(rate, time):
    return TokenBucket(rate, clock=time.clock, sleep=time.sleep)


def test_a_burst_of_one_second_is_free_and_then_the_rate_holds(time):
    pace = bucket(5, time)
    for _ in range(15):
        pace.take(patience=60)
    assert time.sleeps == [pytest.approx(0.2)] * 10


def test_a_rate_below_one_still_lets_the_first_request_go(time):
    pace = bucket(0.5, time)
    pace.take(patience=60)
    pace.take(patience=60)
    assert time.sleeps == [2.0]


def test_turns_go_in_the_order_of_asking(time):
    waits = []
    pace = TokenBucket(1, clock=time.clock, sleep=waits.append)
    for _ in range(4):
        pace.take(patience=60)
    assert waits == [1.0, 2.0, 3.0]


def test_who_has_no_patience_takes_no_turn_from_others(time):
    pace = bucket(1, time)
    pace.take(patience=60)
    assert pace.take(patience=0.5) is None
    pace.take(patience=60)
    assert time.sleeps == [1.0]


def test_no_limit_never_waits(time):
    pace = bucket(None, time)
    for _ in range(1000):
        pace.slow_down(pace.take(patience=0))
    assert time.sleeps == []


def test_429_halves_the_rate_and_ends_the_burst(time):
    pace = bucket(4, time)
    pace.slow_down(pace.take(patience=60))
    assert pace.rate == 2
    pace.take(patience=60)
    assert time.sleeps == [0.5]


def test_several_429_to_requests_sent_together_count_once(time):
    pace = bucket(4, time)
    tickets = [pace.take(patience=60) for _ in range(3)]
    for ticket in tickets:
        pace.slow_down(ticket)
    assert pace.rate == 2


def test_the_rate_creeps_back_in_a_minute_and_not_above_the_setting(time):
    pace = bucket(4, time)
    pace.slow_down(pace.take(patience=60))
    time.advance(30)
    assert pace.rate == pytest.approx(3)
    time.advance(300)
    assert pace.rate == 4


def test_the_rate_has_a_floor(time):
    pace = TokenBucket(4, clock=time.clock, sleep=lambda seconds: None)
    for _ in range(50):
        pace.slow_down(pace.take(patience=1e9))
    assert pace.rate == 4 / 32
