"""Arguments are refused with their name, what was given, and what can be given in its place."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from nucleus_pandas.core.checks import Span, check_choice, checked_columns, checked_number, read_span
from nucleus_pandas.exceptions import ConfigurationError


def test_a_choice_is_refused_with_all_of_them_and_the_closest():
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        check_choice("per", "Session", ("sessions", "users", None))
    assert str(caught.value) == (
        'per="Session" is not known; write one of "sessions", "users", None. Did you mean "sessions"?'
    )


@pytest.mark.parametrize("value", ["users", None])
def test_a_choice_is_accepted(value):
    check_choice("per", value, ("sessions", "users", None))


@pytest.mark.parametrize("value", [1, "True", np.array([True]), ["a"], "a" * 10_000])
def test_what_only_resembles_a_choice_is_refused_in_a_short_message(value):
    with pytest.raises(ConfigurationError, match=r"^allow_http=.* is not known; write one of True, False\.$") as caught:
        check_choice("allow_http", value, (True, False), ConfigurationError)
    assert len(str(caught.value)) < 150


def test_numbers_are_choices_whatever_their_type():
    check_choice("step", np.int64(2), range(1, 4))
    with pytest.raises(ValueError, match=r"step=4 is not known; write one of 1, 2, 3\."):
        check_choice("step", 4, range(1, 4))


@pytest.mark.parametrize("value", [0, 6, True, 2.0, "2", None])
def test_a_number_that_is_not_whole_or_out_of_range_is_refused(value):
    with pytest.raises(ValueError, match=r"top=.* must be a whole number from 1 to 5: how many rows\."):
        checked_number("top", value, 5, "how many rows")


def test_a_numpy_number_is_a_number():
    assert type(checked_number("top", np.int32(2), None, "how many rows")) is int


def test_a_span_is_read_in_its_zone():
    span = read_span("2026-03-29", "2026-03-29", "Europe/Paris", "2026-03-30")
    day = dt.datetime(2026, 3, 28, 23, tzinfo=dt.UTC), dt.datetime(2026, 3, 29, 22, tzinfo=dt.UTC)
    assert span.within == day
    assert (span.end - span.start) // 3_600_000_000 == 23
    assert span.as_of == int(dt.datetime(2026, 3, 30, 22, tzinfo=dt.UTC).timestamp()) * 1_000_000 - 1


def test_a_span_is_open_where_nothing_is_given():
    assert read_span(None, None, None, None) == Span(None, None, None, dt.UTC)
    assert read_span(None, None, None, None).within == (None, None)


def test_columns_that_are_missing_are_named_with_those_that_are_there():
    frame = pd.DataFrame({"id": ["ana"], "event": ["A"]})
    assert checked_columns("events", frame, ["event"], "Rename yours.") is frame
    with pytest.raises(ValueError, match=r'^events: missing user_id, time; found "id", "event"\. Rename yours\.$'):
        checked_columns("events", frame, ["user_id", "time", "event"], "Rename yours.")
    with pytest.raises(ValueError, match=r"missing user_id; found \"event\"\. What is missing is in the index"):
        checked_columns("events", frame.rename(columns={"id": "user_id"}).set_index("user_id"), ["user_id"], "")
    with pytest.raises(TypeError, match=r"^events is of type list\. Pass the DataFrame\.$"):
        checked_columns("events", [], ["event"], "Pass the DataFrame.")
