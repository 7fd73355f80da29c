"""Whatever JSON comes, every loader gives a frame of its columns and types, or says that the shape is wrong."""

import copy
import datetime as dt
import warnings

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from nucleus_pandas.api.http.api_request import Answer
from nucleus_pandas.api.parsing import schemas as frames
from nucleus_pandas.api.parsing.shapes import is_whole
from tests.api.published import (
    DAILY,
    EVENTS,
    GLANCE,
    INSTANT,
    LIVE_USERS,
    ONE_USER,
    PROPERTIES,
    SESSION_EVENTS,
    USER,
    USERS,
    VALUES,
)

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
# Paris, with the day of 25 hours in it: an answer is read for steady days and for a day in two pieces.
SPAN = {"start": "2026-10-24", "end": "2026-10-26", "tz": "Europe/Paris"}

# Two sessions with the same ids: their events come in one answer.
TWO_SESSIONS = pd.DataFrame(
    {
        "user_id": "ana@example.org",
        "user_db_id": "64a0",
        "device_id": "d1",
        "session_id": "48213",
        "start": pd.to_datetime(["2026-10-25T08:30Z", "2026-10-26T08:30Z"]),
        "end": pd.to_datetime(["2026-10-25T09:30Z", "2026-10-26T09:30Z"]),
    }
)
BY_PERIOD = {"period": frames.BY_PERIOD["period"], **frames.DIMENSIONS, **frames.BY_PERIOD}

# What is asked, the published answer, the columns.
LOADERS = {
    "quick_glance": (nu.load_quick_glance, GLANCE, frames.QUICK_GLANCE),
    "daily": (lambda app: nu.load_daily(app, **SPAN), DAILY, frames.DAILY),
    "hours": (lambda app: nu.load_hours(app, **SPAN), DAILY, frames.HOURS),
    "dimensions": (lambda app: nu.load_dimensions(app, **SPAN), DAILY, frames.DIMENSIONS),
    "dimensions by day": (lambda app: nu.load_dimensions(app, **SPAN, freq="D"), DAILY, BY_PERIOD),
    "totals": (lambda app: nu.load_totals(app, **SPAN), DAILY, frames.TOTALS),
    "events": (lambda app: nu.load_event_counts(app, **SPAN), EVENTS, frames.EVENTS),
    "errors": (lambda app: nu.load_error_counts(app, **SPAN), EVENTS, frames.ERRORS),
    "event_properties": (lambda app: nu.load_event_properties(app, **SPAN), PROPERTIES, frames.EVENT_PROPERTIES),
    "attribute": (lambda app: nu.load_attribute(app, "init", "plan", **SPAN), {"data": VALUES}, frames.ATTRIBUTE),
    "users": (nu.load_users, USERS, frames.USERS),
    "devices": (nu.load_devices, USERS, frames.DEVICES),
    "user": (lambda app: nu.load_user(app, "ana"), ONE_USER, frames.USERS),
    "sessions": (lambda app: nu.load_sessions(app, ["ana", "bo"], progress=False), ONE_USER, frames.SESSIONS),
    "session_events": (
        lambda app: nu.load_session_events(app, TWO_SESSIONS, progress=False),
        SESSION_EVENTS,
        frames.EVENT_LOG,
    ),
    "live_events": (nu.load_live_events, SESSION_EVENTS, frames.EVENT_LOG),
    "live_user_count": (nu.load_live_user_count, {"data": 234}, frames.LIVE_USER_COUNT),
    "live_users": (nu.load_live_users, LIVE_USERS, frames.LIVE_USERS),
}

EDGES = st.sampled_from([2**53 + 1, 2**63 - 1, -(2**63), 2**63, 10**30, 1e300, 3.0, -0.0])
NUMBERS = EDGES | st.integers() | st.floats()
# Any character, halves of surrogate pairs and control characters too; and what reads as something else.
TEXTS = (
    st.sampled_from(["", "now", "NaT", "2026", "12", "true", "a\x00", "a\x01", "2026-10-25", "2026-10-26", INSTANT])
    | st.sampled_from(["0000-01-01", "9999-12-31T23:59:59-10:00", "2262-04-12T00:00Z", "+010000-01-01T00:00:00Z"])
    | st.text(st.characters(exclude_categories=()), max_size=6)
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def redrawn(draw, published):
    """An answer of the published shape in which every number and every text is another one."""
    if isinstance(published, dict):
        return {key: draw(redrawn(value)) for key, value in published.items()}
    if isinstance(published, list):
        return [draw(redrawn(value)) for value in published]
    return draw({int: EDGES, float: EDGES, str: TEXTS}.get(type(published), ANY_JSON))


@st.composite
def mutated(draw, published):
    """The published answer with anything else in a few random places."""
    payload = [copy.deepcopy(published)]
    for _ in range(draw(st.integers(1, 4))):
        place, key = payload, 0
        while isinstance(place[key], dict | list) and place[key] and draw(st.integers(0, 7)):
            place = place[key]
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        place[key] = draw(ANY_JSON)
        if isinstance(place, dict) and draw(st.booleans()):
            place[draw(TEXTS)] = place.pop(key)
    return payload[0]


class CannedClient(nu.Client):
    """A client that gets one answer, whatever it asks."""

    def get(self, endpoint, *segments, params=None):
        return Answer(self.payload, NOW)

    def now(self):
        return NOW


CANNED = CannedClient("app", "token", max_workers=1)


def canned(payload):
    CANNED.payload = payload
    return CANNED


@pytest.mark.parametrize("name", LOADERS)
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_json_becomes_a_frame_of_the_loader_s_columns_or_a_payload_error(name, data):
    load, published, schema = LOADERS[name]
    payload = data.draw(mutated(published) | redrawn(published))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            frame = load(canned(payload))
        except nu.PayloadError:
            return
    assert list(frame)[: len(schema)] == list(schema)
    assert {column: frame[column].dtype for column in schema} == schema
    assert all(column.startswith(("props.", "data.")) for column in list(frame)[len(schema) :])
    assert frame.columns.is_unique
    assert frame.to_string().encode()


@pytest.mark.parametrize("text", ["now", "today", "2026", "2026-10", "0000-01-01", "9999-12-31T23:59:59-10:00"])
def test_a_text_that_names_no_instant_of_the_calendar_is_a_missing_time(text):
    answer = {"total": 1, "data": [{**USER, "createdAt": text}]}
    with pytest.warns(nu.IncompleteDataWarning, match="1 time could not be read"):
        users = nu.load_users(canned(answer))
    assert users["created_at"].isna().tolist() == [True]


# What depends on the question, or is about characters alone.
NO_FLAW = "outside the interval|clocks change|another device or session|not asked for|same id|copies|be shown|No values"
ENDPOINTS = {"hours": "daily", "dimensions": "daily", "totals": "daily", "devices": "users", "sessions": "user"}
KEPT = [name for name in LOADERS if not name.startswith("live") and name != "dimensions by day"]


def with_one_change(published):
    """The answer with another value, or none, in each of its places."""
    if isinstance(published, dict | list):
        places = published.items() if isinstance(published, dict) else enumerate(published)
        for key, value in places:
            for other in with_one_change(value):
                copied = copy.copy(published)
                copied[key] = other
                yield copied
            if isinstance(published, dict):
                yield {name: value for name, value in published.items() if name != key}
    yield from (None, [], {}, [None], {"a": 1}, "", "a", 0, -1, 1.5, True, 2**60)


@pytest.mark.parametrize("name", KEPT)
def test_the_published_answer_is_whole(name):
    assert is_whole(ENDPOINTS.get(name, name), LOADERS[name][1])


@pytest.mark.parametrize("name", KEPT)
def test_an_answer_that_would_be_kept_gives_its_frame_without_a_warning(name):
    load, published, _ = LOADERS[name]
    for payload in with_one_change(published):
        if is_whole(ENDPOINTS.get(name, name), payload):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                warnings.simplefilter("error", nu.IncompleteDataWarning)
                warnings.filterwarnings("ignore", f".*({NO_FLAW})", nu.IncompleteDataWarning)
                load(canned(payload))


@pytest.mark.parametrize("wrong", [None, [], {}, 5, "text"], ids=["null", "list", "object", "number", "text"])
@pytest.mark.parametrize("name", LOADERS)
def test_an_answer_with_another_kind_of_data_is_an_error(name, wrong):
    load, published, _ = LOADERS[name]
    if type(wrong) is type(published.get("data", published.get("user"))):
        return
    with pytest.raises(nu.PayloadError):
        load(canned({"user": wrong, "sessions": wrong, "data": wrong}))
