from __future__ import annotations

import gzip
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucleus_pandas.api.http.decoding import BrokenBodyError, TooLargeError, Unpacker, parse_json
from nucleus_pandas.exceptions import PayloadError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
FEW = settings(max_examples=50, deadline=None)


def parse(text, **options):
    body = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return parse_json(body, endpoint="users", **options)


@FEW
@given(st.dictionaries(st.text(), JSON))
def test_what_json_writes_is_read_back(value):
    assert parse(json.dumps(value)) == value


@FEW
@given(st.dictionaries(st.text(), JSON, min_size=1), st.data())
def test_no_beginning_of_an_answer_passes_for_the_whole(value, data):
    text = json.dumps(value)
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(PayloadError) as caught:
        parse(text[:cut])
    assert caught.value.retryable


@FEW
@given(st.binary())
def test_any_bytes_give_an_object_or_a_payload_error_without_a_cause(body):
    try:
        outcome = parse(body)
    except PayloadError as error:
        outcome = error
    assert isinstance(outcome, dict) or (outcome.endpoint == "users" and outcome.__context__ is None)


@pytest.mark.parametrize(
    ("trap", "words"),
    [
        ('{"a":NaN}', "NaN"),
        ('{"a":[Infinity]}', "Infinity"),
        ('{"a":-Infinity}', "-Infinity"),
        ('{"a":1e400}', "too large"),
        ('{"a":-1E+999}', "too large"),
        ('{"a":{"b":1,"b":1}}', "same name twice"),
        ('{"\\u0061":1,"a":2}', "same name twice"),
        ("\ufeff\ufeff{}", "not JSON"),
        ('{"a":' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"a":' + "9" * 5000 + "}", "5,000 digits"),
        ('{"a":-' + "9" * 400 + "}", "digits"),
        ("<html>", "web page"),
        ("  \n<!DOCTYPE html>", "web page"),
        ("Please log in", "not JSON"),
        ('{"a":1}{"b":2}', "not JSON"),
        ("{'a':1}", "not JSON"),
        ('{"a":1,}', "not JSON"),
        ('{"a":"\x01"}', "not JSON"),
        ("[]", "a list where an object belongs"),
        ('"x"', "a string where an object belongs"),
        ("7", "a number where an object belongs"),
        ("true", "a truth value where an object belongs"),
        ("null", "null where an object belongs"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "UTF-8"),
        ('{"a":1}'.encode("utf-16"), "UTF-8"),
    ],
)
def test_a_trap_is_a_payload_error_that_says_which(trap, words):
    with pytest.raises(PayloadError, match=words):
        parse(trap)


def test_a_limit_on_digits_that_was_lifted_changes_nothing(monkeypatch):
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        with pytest.raises(PayloadError, match="digits"):
            parse('{"a":' + "9" * 5000 + "}")
    finally:
        sys.set_int_max_str_digits(before)


def test_long_digits_in_a_string_are_fine():
    assert parse('{"a":"' + "9" * 5000 + '","b":1e3}') == {"a": "9" * 5000, "b": 1000.0}


def test_a_half_of_a_surrogate_pair_passes_as_an_escape():
    assert parse('{"a":"\\ud800"}') == {"a": "\ud800"}


def test_a_byte_order_mark_is_skipped():
    assert parse("\ufeff{}") == {}


def test_a_list_passes_where_it_is_allowed():
    assert parse("[1]", allow_list=True) == [1]


def test_the_message_does_not_quote_the_answer():
    with pytest.raises(PayloadError) as caught:
        parse('{"user":"ana@example.org" "x"')
    assert "ana" not in str(caught.value)


@FEW
@given(st.binary(max_size=2000), st.integers(1, 50), st.integers(0, 40))
def test_a_body_unpacks_to_itself_however_it_is_cut_into_pieces(body, size, level):
    packed = gzip.compress(body, compresslevel=level % 10)
    unpacker = Unpacker("gzip", most=len(body))
    for start in range(0, len(packed), size):
        unpacker.feed(packed[start : start + size])
    assert unpacker.finish() == body


@FEW
@given(st.binary(max_size=500), st.data())
def test_no_beginning_of_a_compressed_body_passes_for_the_whole(body, data):
    packed = gzip.compress(body)
    unpacker = Unpacker("gzip", most=1000)
    unpacker.feed(packed[: data.draw(st.integers(0, len(packed) - 1))])
    with pytest.raises(BrokenBodyError):
        unpacker.finish()


@pytest.mark.parametrize("coding", ["gzip", ""])
def test_one_byte_above_the_cap_is_too_much(coding):
    unpacker = Unpacker(coding, most=999)
    with pytest.raises(TooLargeError):
        unpacker.feed(gzip.compress(bytes(1000)) if coding else bytes(1000))
