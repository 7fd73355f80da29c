"""An event log: checked once, in order, in codes. Every expectation was counted by hand, or by sorting plain tuples."""

import datetime as dt
import gc
import re
import warnings
import weakref

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from nucleus_pandas.events import log_columns as codes
from nucleus_pandas.events.eventlog import LogCache, as_event_log
from nucleus_pandas.events.log_columns import instants

# Small logs with few times hold such rows; test_row_checks.py has the warning.
pytestmark = pytest.mark.filterwarnings("ignore:.*repeat another row")

MINUTE = 60_000_000


def at(*minutes, unit="us"):
    """Instants so many minutes after the first of September."""
    return pd.Series([pd.Timestamp("2026-09-01", tz="UTC") + pd.Timedelta(m, "min") for m in minutes]).dt.as_unit(unit)


def frame(rows, columns=("user_id", "minute", "event"), **more):
    """A log of rows such as ("ana", 5, "OPEN")."""
    table = pd.DataFrame(rows, columns=list(columns))
    table.insert(1, "time", at(*table.pop("minute")).array)
    return table.assign(**more)


def told(log):
    """The log's rows, by their place in the frame."""
    return log.order.tolist()


@pytest.mark.parametrize("values", [[True, 1, 1.0, "1", None], [1, True, 1, "1", None]])
def test_true_is_not_one(values):
    found, known = codes.encode(pd.Series(values, dtype=object))
    kinds = [None if code < 0 else type(known[code]) for code in found]
    assert kinds == [None if value is None else {float: int}.get(type(value), type(value)) for value in values]


def test_events_stand_by_user_then_time():
    log = nu.EventLog(frame([("b", 3, "X"), ("a", 2, "Y"), ("b", 1, "X"), ("a", 1, "X")]))
    assert told(log) == [2, 0, 3, 1]
    assert [log.names[code] for code in log.event] == ["X", "X", "X", "Y"]
    assert (log.time[1:] - log.time[:-1]).tolist() == [2 * MINUTE, -2 * MINUTE, MINUTE]


def test_at_one_instant_init_comes_first_and_the_others_as_they_were_received():
    log = nu.EventLog(frame([("a", 1, "X"), ("a", 1, "Y"), ("a", 1, "init"), ("a", 1, "X"), ("a", 0, "Z")]))
    assert told(log) == [4, 2, 0, 1, 3]
    assert log.instant.tolist() == [0, 1, 1, 1, 1]


@pytest.mark.parametrize("only", [None, {"X", "Y", "init"}])
def test_the_numbers_of_events_tell_in_which_order_they_were_received(only):
    rows = frame(
        [("a", 1, "X"), ("a", 1, "Y"), ("a", 1, "init"), ("a", 2, "X"), ("a", 0, "X")], event_no=[4, 3, 5, 1, 9]
    )
    assert told(as_event_log(rows, only=only)) == [4, 2, 1, 0, 3]
    assert told(as_event_log(rows.assign(event_no=["4", "3", "5", "1", "9"]), only=only)) == [4, 2, 0, 1, 3]


def test_without_two_events_at_an_instant_there_is_no_list_of_instants():
    assert nu.EventLog(frame([("a", 1, "X"), ("b", 1, "X"), ("a", 2, "X")])).instant is None


def test_the_rows_of_each_event_are_at_hand():
    log = nu.EventLog(frame([("a", 1, "X"), ("b", 1, "Y"), ("a", 2, "Y"), ("a", 3, "X")]))
    assert log.rows_of(log.names.index("X")).tolist() == [0, 2]
    assert log.rows_of(log.names.index("Y")).tolist() == [1, 3]
    assert log.counts.tolist() == [2, 2]


@pytest.mark.parametrize("order", ["packed", "cut"])
@given(data=st.data())
@settings(max_examples=60)
def test_the_order_is_that_of_sorting_tuples(order, data):
    longest = 6 if order == "packed" else 2**56
    rows = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, longest), st.integers(0, 2)), max_size=30))
    rows += rows[:2]
    user, time, event = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    found = codes.sort_rows(user.astype(np.int32) * 2**28, time, event, 1)
    assert found.order.tolist() == sorted(range(len(rows)), key=lambda i: (user[i], time[i], event[i] != 1, i))
    assert found.time.tolist() == time[found.order].tolist()
    assert found.event.tolist() == event[found.order].tolist()
    assert found.user.tolist() == (user[found.order] * 2**28).tolist()


def test_strings_objects_and_categories_make_the_same_log():
    plain = frame([("b", 3, "X"), ("a", 2, "Y"), ("b", 1, "X"), ("a", 1, "X")])
    unused = plain.assign(
        user_id=pd.Categorical(plain["user_id"], ["z", "b", "a"]), event=pd.Categorical(plain["event"], ["Q", "X", "Y"])
    )
    for other in (
        plain.astype({"user_id": object, "event": object}),
        plain.astype({"user_id": "string[python]"}),
        unused,
    ):
        log = nu.EventLog(other)
        assert sorted(told(log)[:2]) == [0, 2]
        assert (
            repr(log)
            == "EventLog: 2 users, 4 events of 2 names, 2026-09-01 to 2026-09-01 UTC, known until 2026-09-01 00:03"
        )


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_every_unit_and_zone_are_microseconds_in_utc(unit):
    table = frame([("a", 1, "X")])
    table["time"] = at(1, unit=unit).dt.tz_convert("Asia/Kathmandu")
    assert nu.EventLog(table).time.tolist() == [1_788_220_860_000_000]


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_times_of_arrow_are_instants_if_they_have_a_zone(unit):
    arrow = pytest.importorskip("pyarrow")
    table = frame([("a", 1, "X"), ("a", 2, "X")])
    log = nu.EventLog(table.astype({"time": pd.ArrowDtype(arrow.timestamp(unit, "Asia/Kathmandu"))}))
    assert log.time.tolist() == [1_788_220_860_000_000, 1_788_220_920_000_000]
    naive = table.assign(time=table["time"].dt.tz_localize(None)).astype({"time": pd.ArrowDtype(arrow.timestamp(unit))})
    with pytest.raises(ValueError, match="is naive"):
        nu.EventLog(naive)


def test_the_frame_is_not_changed_nor_its_labels_looked_at():
    table = frame([("b", 3, "X"), ("a", 2, "Y")]).set_axis([7, 7])
    before = table.copy()
    assert told(nu.EventLog(table)) in ([0, 1], [1, 0])
    pd.testing.assert_frame_equal(table, before)


def test_rows_without_user_time_or_event_are_counted_and_left_out():
    table = frame([(None, 1, "X"), ("", 1, "X"), ("a", 1, None), ("a", 2, "X"), ("a", 3, "X")])
    table.loc[4, "time"] = pd.NaT
    with pytest.warns(nu.IncompleteDataWarning) as caught:
        log = nu.EventLog(table)
    assert [str(warning.message) for warning in caught] == [
        "4 of 5 rows of the event log are left out: 2 have no user, 1 has no time, 1 has no event."
    ]
    assert caught[0].filename == __file__
    assert told(log) == [3]


def test_a_row_that_is_left_out_still_tells_until_when_the_data_are_known():
    table = frame([("a", 1, "X"), (None, 9, "X")])
    with pytest.warns(nu.IncompleteDataWarning):
        log = nu.EventLog(table)
    assert log.as_of == pd.Timestamp("2026-09-01T00:09Z")
    with pytest.warns(nu.IncompleteDataWarning):
        part = as_event_log(table, only={"X"})
    assert part.as_of == log.as_of


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_every_way_of_having_no_user_is_one(missing):
    table = frame([("a", 1, "X"), ("b", 1, "X")])
    table["user_id"] = pd.Series(["a", missing], dtype=object)
    with pytest.warns(nu.IncompleteDataWarning, match="1 has no user"):
        assert len(nu.EventLog(table)) == 1


@pytest.mark.parametrize("rows", [0, 1])
def test_an_empty_log_and_one_of_one_row(rows):
    log = nu.EventLog(frame([("a", 1, "X")]).head(rows))
    assert (len(log), log.users) == (rows, rows)
    assert repr(log).startswith("EventLog: no events" if not rows else "EventLog: 1 user, 1 event of 1 name, ")
    assert log.as_of is pd.NaT if not rows else log.as_of == pd.Timestamp("2026-09-01T00:01Z")
    assert log.session.tolist() == [-1] * rows
    assert log.system.tolist() == [False] * rows
    assert log.instant is None


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda t: t.drop(columns="time"), ValueError, 'missing time; found "user_id", "event". Rename yours'),
        (lambda t: t.iloc[:, :0], ValueError, "missing user_id, time, event; found none"),
        (lambda t: t["event"], TypeError, "made of a DataFrame, not of a Series"),
        (lambda t: None, TypeError, "not of a NoneType"),
        (lambda t: t.assign(time=t["time"].dt.tz_localize(None)), ValueError, '.dt.tz_localize("UTC")'),
        (lambda t: t.assign(time=["2026-09-01T00:00Z"]), TypeError, 'write format="mixed"'),
        (lambda t: t.assign(time=[1_788_220_860]), TypeError, 'write unit="s", "us" or "ns"'),
        (lambda t: t.assign(user_id=[["a"]]), TypeError, "the column 'user_id' holds lists, mappings or the like"),
        (lambda t: pd.concat([t, t[["event"]]], axis=1), ValueError, 'the column "event" stands there 2 times'),
    ],
)
def test_what_cannot_be_a_log_is_refused_with_what_to_do(change, error, words):
    with pytest.raises(error) as caught:
        nu.EventLog(change(frame([("a", 1, "X")])))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "times",
    [
        ["2026-09-01T10:00:00Z", "2026-09-01T10:00:00.5+00:00"],
        ["2026-09-01", "2026-09-01 10:00"],
        [1_788_256_800_000, 0],
    ],
    ids=str,
)
def test_the_conversion_that_a_message_suggests_works(times):
    table = pd.DataFrame({"user_id": "a", "time": times, "event": "X"})
    with pytest.raises(TypeError) as caught:
        nu.EventLog(table)
    suggested = re.search(r"frame\.assign\(.*?\)\)", str(caught.value))[0]
    assert len(nu.EventLog(eval(suggested, {"pd": pd, "frame": table}), as_of="2026-10-01")) == 2


@pytest.mark.parametrize("sample", [0, -1, 1.5, float("nan"), "0.1", True])
def test_a_sample_is_a_fraction(sample):
    with pytest.raises(ValueError, match=r"above 0 and at most 1"):
        nu.EventLog(frame([("a", 1, "X")]), sample=sample)


@pytest.mark.parametrize("sample", [np.float32(0.5), np.float64(0.5), np.int64(1)])
def test_a_sample_can_be_a_number_of_numpy(sample):
    assert nu.EventLog(frame([("a", 1, "X")]), sample=sample).sample == float(sample)


def test_a_log_of_a_sample_says_so():
    assert repr(nu.EventLog(frame([("a", 1, "X")]), sample=0.1)).endswith("00:01, a sample of 0.1 of the users")


@pytest.mark.parametrize("same", [True, False], ids=["one object for equal texts", "an object each"])
def test_a_long_column_is_read_as_a_short_one(monkeypatch, same):
    texts = [f"user {number % 7}" if number % 5 else None for number in range(200)]
    kept = {text: text for text in texts}
    column = pd.Series([kept[text] if same else text and "".join(text) for text in texts], dtype=object)
    short, found = codes.encode(column)
    monkeypatch.setattr(codes, "_MANY", 100)
    long, values = codes.encode(column)
    assert [text if code >= 0 else None for code, text in zip(long, np.array(values)[long], strict=True)] == texts
    assert (short == -1).tolist() == (long == -1).tolist()
    assert len(found) == len(values) == 7


@pytest.mark.parametrize("dtype", [object, "string[python]"])
def test_texts_that_differ_after_a_nul_are_not_the_same(dtype):
    table = frame([("", 1, "X")] * 5)
    table["user_id"] = pd.Series(["a\0b", "a\0c", "a", "a\ud800", "a\ud801"], dtype=dtype)
    assert nu.EventLog(table).users == 5


def test_a_user_is_who_has_the_same_id_at_the_service():
    rows = [
        ("ana", "u1", 1, "X"),
        ("anna", "u1", 2, "X"),
        ("ana", None, 3, "X"),
        ("zoe", None, 4, "X"),
        (None, "u2", 5, "X"),
    ]
    log = nu.EventLog(frame(rows, ["user_id", "user_db_id", "minute", "event"]))
    of = dict(zip(told(log), log.user.tolist(), strict=True))
    assert of[0] == of[1] == of[2]
    assert len({of[0], of[3], of[4]}) == 3


def test_an_app_id_of_two_users_stands_for_itself_where_the_service_tells_nothing():
    rows = [("ana", "u1", 1, "X"), ("ana", "u2", 2, "X"), ("ana", None, 3, "X"), ("u1", None, 4, "X")]
    log = nu.EventLog(frame(rows, ["user_id", "user_db_id", "minute", "event"]))
    of = dict(zip(told(log), log.user.tolist(), strict=True))
    assert of[0] == of[3]
    assert len({of[0], of[1], of[2]}) == 3


SESSIONS = ("user_id", "device_id", "session_id", "minute", "event", "version")


def test_the_context_is_filled_forward_within_the_session_of_a_device():
    rows = [
        ("a", "d1", "7", 0, "X", None),
        ("a", "d1", "7", 1, "init", "1.0"),
        ("a", "d1", "7", 2, "X", None),
        ("a", "d2", "7", 3, "X", None),
        ("a", "d1", "7", 4, "error:e", "1.1"),
        ("a", "d1", "7", 5, "X", None),
        ("b", "d1", "7", 6, "X", None),
        ("a", "d1", "8", 7, "X", None),
        ("a", "d1", None, 8, "X", None),
        ("a", "d1", None, 9, "X", "1.2"),
    ]
    log = nu.EventLog(frame(rows, SESSIONS))
    filled = pd.Series(log.values("version", np.arange(len(log)))).array[np.argsort(log.order)]
    assert [None if pd.isna(value) else value for value in filled] == [
        *(None, "1.0", "1.0", None, "1.1", "1.1", None, None, None, "1.2")
    ]
    assert log.frame["version"].isna().sum() == 7


def test_a_log_without_sessions_keeps_its_columns_as_they_are():
    log = nu.EventLog(frame([("a", 1, "init"), ("a", 2, "X")], version=["1.0", None]))
    assert pd.isna(log.values("version", np.array([1]))[0])


def test_a_session_is_a_user_a_device_an_id_and_a_start():
    rows = [("a", "d", "7", 0, "X", "s1"), ("a", "d", "7", 1, "X", "s1"), ("a", "d", "7", 2, "X", "s2")]
    log = nu.EventLog(frame(rows, [*SESSIONS[:-1], "session_start"]))
    assert log.session[0] == log.session[1] != log.session[2]


def test_system_events_are_known_by_kind_and_without_one_by_name():
    names = ["nucleus:view", "nucleus:props", "X", "nucleus:props", "Y"]
    table = frame([("a", minute, name) for minute, name in enumerate(names)])
    assert nu.EventLog(table).system.tolist() == [False, True, False, True, False]
    kinds = ["view", None, "custom", "custom", "system"]
    assert nu.EventLog(table.assign(kind=kinds)).system.tolist() == [False, True, False, False, True]


@pytest.mark.parametrize("dtype", [object, "string[python]", "category", float])
@pytest.mark.parametrize("rows", [0, 2])
def test_without_any_kind_system_events_are_known_by_name(dtype, rows):
    table = frame([("a", 1, "nucleus:props"), ("a", 2, "X")]).head(rows)
    system = nu.EventLog(table.assign(kind=pd.Series([None] * rows, dtype=dtype))).system
    assert system.dtype == np.bool_
    assert system.tolist() == [True, False][:rows]


def test_questions_about_all_events_can_be_put_to_a_log_without_any_kind():
    for rows in (0, 2):
        table = frame([("a", 1, "X"), ("a", 2, "Y")]).head(rows).assign(kind=pd.Series([None] * rows, dtype=object))
        strict = nu.funnel(table, ["X", "Y"], order="strict", as_of="2026-12-31")
        assert strict["users"].tolist() == [rows // 2] * 2
        assert nu.paths(table, "X", steps=1, as_of="2026-12-31")["users"].sum() == rows // 2


def test_as_of_is_the_newest_time_in_the_data():
    assert nu.EventLog(frame([("a", 9, "X"), ("b", 5, "X")])).as_of == pd.Timestamp("2026-09-01T00:09Z")


@pytest.mark.parametrize(
    ("as_of", "instant"),
    [
        ("2026-09-30", "2026-09-30T23:59:59.999999Z"),
        (dt.datetime(2026, 9, 30, 12, tzinfo=dt.UTC), "2026-09-30T12:00Z"),
        ("2026-09-30T12:00:00.000001+02:00", "2026-09-30T10:00:00.000001Z"),
    ],
)
def test_who_knows_until_when_the_data_are_known_says_so(as_of, instant):
    assert nu.EventLog(frame([("a", 1, "X")]), as_of=as_of).as_of == pd.Timestamp(instant)


def test_a_wrong_as_of_is_refused():
    with pytest.raises(ValueError, match=r"as_of.* is not a date"):
        nu.EventLog(frame([("a", 1, "X")]), as_of="today")


DAY = 24 * 60


def test_a_few_events_long_after_the_others_are_of_clocks_that_are_ahead():
    hourly = [("a", 60 * hour, "X") for hour in range(299)]
    log = nu.EventLog(frame([*hourly, ("b", 1096 * DAY, "X"), ("b", 1097 * DAY, "X")]))
    with pytest.warns(nu.IncompleteDataWarning) as caught:
        assert log.as_of == pd.Timestamp("2026-09-13T10:00Z")
    assert "2 of 301 events lie after 7 days or more without any, up to 2029-09-02" in str(caught[0].message)
    assert "2026-09-13T10:00:00.000000 UTC" in str(caught[0].message)
    assert "pass as_of=" in str(caught[0].message)


@pytest.mark.parametrize(
    ("late", "number"),
    [([6.9 * DAY], 300), ([1096 * DAY] * 40, 300), ([400 * DAY], 50)],
    ids=["a short silence", "too many to be wrong", "too few to tell"],
)
def test_what_may_be_right_is_the_newest_time(late, number):
    rows = [("a", -minute, "X") for minute in range(number)] + [("b", minute, "X") for minute in late]
    assert nu.EventLog(frame(rows)).as_of == pd.Timestamp("2026-09-01", tz="UTC") + pd.Timedelta(late[-1], "min")


def test_an_analysis_takes_a_frame_or_a_log():
    table = frame([("a", 1, "X")])
    log = nu.EventLog(table)
    assert as_event_log(log) is log
    assert isinstance(as_event_log(table), nu.EventLog)
    with pytest.raises(TypeError, match="events is of type list; pass a DataFrame"):
        as_event_log([1])


def arrow(*values, kind=None):
    """A column of Arrow's, of several chunks."""
    pa = pytest.importorskip("pyarrow")
    chunks = [value if isinstance(value, pa.Array) else pa.array([value], kind, from_pandas=False) for value in values]
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array(chunks)))


def users_of(column):
    """How many users there are where a column tells them, each with an event."""
    events = pd.DataFrame({"user_id": column, "time": at(*range(len(column))).array, "event": "X"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nu.IncompleteDataWarning)
        return len(np.unique(nu.EventLog(events).user))


@pytest.mark.parametrize("indices", ["uint8", "int32"])
def test_an_arrow_dictionary_may_hold_a_value_twice_or_null(indices):
    pa = pytest.importorskip("pyarrow")
    places = pa.array([0, 1, 2, 3, None], getattr(pa, indices)())
    column = arrow(pa.DictionaryArray.from_arrays(places, pa.array(["ana", "ben", "ana", None])))
    assert users_of(column) == 2


@pytest.mark.parametrize("kind", ["arrow", "Float64", "float64", "object"])
def test_no_number_is_no_user_and_zero_is_one(kind):
    values = [0.0, -0.0, float("nan"), 1.0]
    column = {
        "arrow": lambda: arrow(*values),
        "Float64": lambda: pd.Series(pd.arrays.FloatingArray(np.array(values), np.zeros(4, dtype=bool))),
        "float64": lambda: pd.Series(values),
        "object": lambda: pd.Series(values, dtype=object),
    }[kind]()
    assert users_of(column) == 2


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_arrow_are_read_as_integers_and_those_of_no_datetime_are_missing(unit):
    pa = pytest.importorskip("pyarrow")
    a_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    beyond = [] if unit == "ns" else [10**12 * a_second, -(10**12) * a_second]
    kind = pa.timestamp(unit, tz="Europe/Paris")
    column = arrow(-3 * 10**9 * a_second, 5 * a_second, None, *beyond, kind=kind)  # the first is in 1874
    times, missing = instants(column)
    assert missing.tolist() == [False, False, True, *([True] * len(beyond))]
    assert times[:2].tolist() == [-3 * 10**15, 5 * 10**6]


def test_a_cache_makes_a_result_once_for_each_log_and_key_and_drops_the_oldest():
    frame = pd.DataFrame({"user_id": ["a"], "time": at(1), "event": ["A"]})
    one, other = nu.EventLog(frame), nu.EventLog(frame)
    cache, made = LogCache(most=2), []
    for log, key in ((one, 1), (one, 2), (one, 1), (other, 1), (one, 3), (one, 2), (one, 1)):
        assert cache.get(log, key, lambda key=key: made.append(key) or -key) == -key
    assert made == [1, 2, 1, 3, 1]


def test_what_analyses_keep_for_a_log_goes_with_it():
    days = pd.date_range("2026-03-01", periods=40, tz="UTC").as_unit("us")
    log = nu.EventLog(pd.DataFrame({"user_id": ["a", "b"] * 20, "time": days, "event": "A"}))
    nu.funnel(log, ["A", "A"])
    nu.growth(log)
    nu.retention(log)
    nu.retention(log, users=pd.DataFrame({"user_id": ["a", "b"], "created_at": days[:2]}))
    left = weakref.ref(log)
    del log
    gc.collect()
    assert left() is None


@pytest.mark.parametrize("dtype", ["date32[pyarrow]", "timestamp[us][pyarrow]", "str", object])
def test_what_is_advised_for_a_column_of_times_works(dtype):
    if "pyarrow" in str(dtype):
        pytest.importorskip("pyarrow")
        times = pd.to_datetime(pd.Series(["2026-09-01", "2026-09-02"])).astype(dtype)
    else:
        times = pd.Series(["1788220800000", "1788307200000"]).astype(dtype)
    frame = pd.DataFrame({"user_id": ["ana", "ben"], "time": times, "event": "A"})
    with pytest.raises((TypeError, ValueError)) as raised:
        nu.EventLog(frame)
    advice = re.search(r"frame\.assign\(.*?\)\)(?=[.,])|frame\.assign\(.*?unit=\"ms\"\)\)", str(raised.value))[0]
    fixed = eval(advice, {"frame": frame, "pd": pd})
    assert fixed["time"].dt.strftime("%Y-%m-%d %Z").tolist() == ["2026-09-01 UTC", "2026-09-02 UTC"]
    nu.EventLog(fixed)
