"""What arrived beside a tracking plan, on tables small enough to check by eye."""

import csv
import json
from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

import nucleus_pandas as nu
from nucleus_pandas.core.dtypes import INSTANT
from nucleus_pandas.store.csv_files import write_csv
from tests.conftest import AUTUMN
from tests.demo.handmade import app_of, session, user
from tests.store.conftest import ScriptedService, quiet_sync

COLUMNS = {
    **dict.fromkeys(["event", "property", "problem", "expected", "found"], "string"),
    **dict.fromkeys(["count", "events", "users"], "Int64"),
    **dict.fromkeys(["first_version", "last_version"], "string"),
}


def log(*rows, **columns):
    """A frame of events a minute apart: (user, event, properties)."""
    first = pd.Timestamp("2026-11-02T10:00Z")
    frame = pd.DataFrame(
        {
            "user_id": [who for who, *_ in rows],
            "time": pd.Series([first + pd.Timedelta(minutes=number) for number in range(len(rows))], dtype=INSTANT),
            "event": pd.Series([event for _, event, _ in rows], dtype=object),
        }
    )
    names = dict.fromkeys(f"data.{name}" for *_, properties in rows for name in properties)
    for name in names:
        values = [properties.get(name.removeprefix("data.")) for *_, properties in rows]
        frame[name] = pd.Series(values, dtype=object)
    return frame.assign(**columns)


def plan(name="SAVED", /, others=False, **event):
    return {"allow_other_events": others, "events": {name: event}}


def problems(events, plan, *columns, **settings):
    """The problems as tuples of some columns, None where they are missing."""
    table = nu.check_tracking(events, plan, **settings)
    found = table[list(columns or ["event", "property", "problem"])].astype(object)
    return list(found.where(found.notna(), None).itertuples(index=False, name=None))


def values_of(dtype, values, wanted):
    """The problem and what was found where a column of a dtype holds values."""
    frame = log(*(("ana", "SAVED", {}) for _ in values)).assign(**{"data.x": pd.Series(values, dtype=dtype)})
    return problems(frame, plan(required={"x": wanted}), "problem", "found", "count")


def test_a_plan_that_is_met_gives_an_empty_table():
    events = log(("ana", "SAVED", {"size": 3, "format": "a4"}), ("bob", "init", {"any": 1}))
    table = nu.check_tracking(events, plan(required={"size": "integer", "format": ["a4"]}))
    assert len(table) == 0
    assert table.dtypes.astype(str).to_dict() == COLUMNS


def test_an_event_that_did_not_arrive_is_missing():
    events = log(("ana", "SAVED", {}))
    table = nu.check_tracking(events, {"events": {"SAVED": {"at_least": 3}, "OPENED": {}, "CLOSED": {"at_least": 0}}})
    assert table.dtypes.astype(str).to_dict() == COLUMNS
    found = table[["event", "problem", "expected", "count", "events"]].itertuples(index=False, name=None)
    assert list(found) == [
        ("SAVED", "missing event", "at least 3", 2, 1),
        ("OPENED", "missing event", "at least 1", 1, 0),
    ]
    assert table[["property", "found", "users", "first_version", "last_version"]].isna().all(axis=None)


def test_an_event_that_is_not_planned_is_unexpected():
    events = log(("ana", "SAVED", {}), ("ana", "Saved ", {"x": 1}), ("bob", "PRINTED", {}), ("ana", "PRINTED", {}))
    columns = ["event", "property", "problem", "expected", "found", "count", "events", "users"]
    assert problems(events, plan(), *columns) == [
        ("PRINTED", None, "unexpected event", None, None, 2, 2, 2),
        ("Saved ", None, "unexpected event", "SAVED", None, 1, 1, 1),
    ]
    assert problems(events, plan(others=True)) == []


@pytest.mark.parametrize("name", ["init", "error", "error:uncaughtException", "nucleus:view", "nucleus:sessionend"])
def test_events_of_the_service_are_never_unexpected(name):
    events = log(("ana", "SAVED", {}), ("ana", name, {"message": "no"}))
    assert problems(events, plan()) == []
    assert problems(events, {"events": {"SAVED": {}, name: {"required": {"message": "string"}}}}) == []
    assert problems(events, {"events": {"SAVED": {}, name: {"allow_other_properties": False}}}) == [
        (name, "message", "unexpected property")
    ]


def test_an_error_that_the_app_named_itself_is_known_by_its_kind():
    events = log(("ana", "SAVED", {}), ("ana", "DiskFull", {}), ("ana", "DiskFull", {}), ("ana", "Click", {}))
    assert problems(events.assign(kind=["custom", "error", "error", "click"]), plan(), "event", "count") == [
        ("Click", 1)
    ]


def test_a_required_property_is_missing_where_it_has_no_value():
    events = log(*(("ana", "SAVED", {"size": value}) for value in (1, None, "", np.nan, pd.NA)), ("bob", "SAVED", {}))
    required = plan(required={"size": "any"})
    assert problems(events, required, "property", "problem", "expected", "found", "count", "events", "users") == [
        ("size", "missing property", "any", None, 5, 6, 2)
    ]
    assert problems(events, plan(optional={"size": "any"})) == []


def test_a_property_that_nobody_sent_is_missing_everywhere():
    assert problems(log(("ana", "SAVED", {})), plan(required={"size": "any"}), "problem", "count") == [
        ("missing property", 1)
    ]


@pytest.mark.parametrize(
    ("wanted", "wrong"),
    [
        ("string", ["boolean, integer, number", 5]),
        ("number", ["boolean, string", 4]),
        ("integer", ["boolean, string, number", 5]),
        ("boolean", ["integer, string, number", 5]),
        ("any", None),
    ],
)
def test_values_of_several_types_are_told_apart(wanted, wrong):
    values = [1, 3.0, 2.5, "1", "true", True, False]
    expected = [] if wrong is None else [("wrong type", *wrong)]
    found = values_of(object, values, wanted)
    assert [(problem, set(kinds.split(", ")), count) for problem, kinds, count in found] == [
        (problem, set(kinds.split(", ")), count) for problem, kinds, count in expected
    ]


def test_types_that_arrived_instead_are_listed_by_frequency():
    assert values_of(object, ["a", True, "b", 1.5, "c", True], "integer") == [
        ("wrong type", "string, boolean, number", 6)
    ]


@pytest.mark.parametrize(
    ("dtype", "values", "right"),
    [
        ("int64", [1, 0], {"integer", "number"}),
        ("Int64", [1, 0], {"integer", "number"}),
        ("float64", [1.0, 3e300], {"integer", "number"}),
        ("float64", [0.5, np.inf], {"number"}),
        ("bool", [True, False], {"boolean"}),
        ("boolean", [True, False], {"boolean"}),
        ("string", ["1", "true"], {"string"}),
        ("category", ["a", "b"], {"string"}),
        ("datetime64[us, UTC]", [pd.Timestamp("2026-11-02", tz="UTC")] * 2, set()),
    ],
)
def test_a_dtype_holds_values_of_its_type(dtype, values, right):
    types = {"string", "number", "integer", "boolean"}
    assert {wanted for wanted in types if not values_of(dtype, values, wanted)} == right


def test_a_whole_number_in_a_column_with_missing_values_is_an_integer():
    assert values_of("float64", [1.0, np.nan], "integer") == [("missing property", None, 1)]


@pytest.mark.parametrize(("value", "kind"), [([1, 2], "array"), ({"a": 1}, "object"), ([], "array")])
def test_nested_values_have_types_of_their_own(value, kind):
    events = log(("ana", "SAVED", {"x": value}), ("bob", "SAVED", {"x": value}))
    assert problems(events, plan(required={"x": "string"}), "problem", "found", "count", "users") == [
        ("wrong type", kind, 2, 2)
    ]
    assert problems(events, plan(required={"x": ["a"]}), "problem", "found") == [("wrong type", kind)]
    assert problems(events, plan(required={"x": "any"})) == []


def test_values_that_are_not_allowed_are_counted_and_not_shown():
    values = ["a4", "ana@example.org", "ana@example.org", "b5", 4]
    columns = ["problem", "expected", "found", "count"]
    events = log(*(("ana", "SAVED", {"x": value}) for value in values))
    expected = '"a4" or "letter"'
    assert problems(events, plan(required={"x": ["a4", "letter"]}), *columns) == [
        ("value not allowed", expected, "2 other values", 3),
        ("wrong type", expected, "integer", 1),
    ]


@pytest.mark.parametrize(
    ("allowed", "values", "found"),
    [
        ([1, 2], [1, 2.0, 3], [("value not allowed", "1 other value", 1)]),
        ([1], [True, 1], [("wrong type", "boolean", 1)]),
        ([True], [1, True, False], [("wrong type", "integer", 1), ("value not allowed", "1 other value", 1)]),
        ([1, 2], ["1", 2], [("wrong type", "string", 1)]),
        ([0.5, 1], [0.5, 1, 0.25], [("value not allowed", "1 other value", 1)]),
        ([1, "auto"], [1, "auto", "Auto"], [("value not allowed", "1 other value", 1)]),
    ],
    ids=str,
)
def test_allowed_values_are_compared_with_their_types(allowed, values, found):
    assert sorted(values_of(object, values, allowed)) == sorted(found)


def test_a_property_that_is_not_planned_is_unexpected():
    events = log(("ana", "SAVED", {"size": 1, "Sizes": "x"}), ("ana", "SAVED", {"size": 1, "Sizes": 2, "mail": "a@b"}))
    wanted = plan(required={"size": "any"})
    assert problems(events, wanted, "property", "problem", "expected", "found", "count", "events") == [
        ("Sizes", "unexpected property", "size", "integer, string", 2, 2),
        ("mail", "unexpected property", None, "string", 1, 2),
    ]
    assert problems(events, wanted | {"allow_other_properties": True}) == []


def test_properties_of_events_that_are_not_planned_are_not_looked_at():
    events = log(("ana", "SAVED", {}), ("ana", "OPENED", {"x": 1}))
    assert problems(events, plan(others=True)) == []


def test_rows_are_in_the_order_of_the_plan():
    events = log(
        ("ana", "X", {}), ("ana", "B", {"b": 1, "z": 1}), ("ana", "A", {"y": 1}), ("ana", "A", {"x": 1, "y": 1})
    )
    wanted = {"events": {"C": {}, "B": {"required": {"c": "any", "b": "string"}}, "A": {"at_least": 3}}}
    assert problems(events, wanted) == [
        ("C", None, "missing event"),
        ("B", "c", "missing property"),
        ("B", "b", "wrong type"),
        ("B", "z", "unexpected property"),
        ("A", None, "missing event"),
        ("A", "y", "unexpected property"),
        ("A", "x", "unexpected property"),
        ("X", None, "unexpected event"),
    ]


def test_versions_are_those_of_the_first_and_the_last_event_with_the_problem():
    events = log(*(("ana", "SAVED", {"x": value}) for value in (1, "a", "b", "c", 2)))
    events = events.assign(version=["0.8", "0.9", "0.10", None, "0.11"]).iloc[::-1]
    assert problems(events, plan(required={"x": "integer"}), "first_version", "last_version") == [("0.9", "0.10")]


def test_the_version_of_a_session_is_that_of_its_start():
    events = log(("ana", "init", {}), ("ana", "SAVED", {"x": 1}))
    events = events.assign(version=["1.2.0", None], session_id="1")
    assert problems(events, plan(), "problem", "first_version") == [("unexpected property", "1.2.0")]


def test_users_are_those_of_the_service():
    events = log(("ana", "X", {}), ("ana@new", "X", {}), ("bob", "X", {})).assign(user_db_id=["a", "a", "b"])
    assert problems(events, plan("X", allow_other_properties=True, required={"y": "any"}), "count", "users") == [(3, 2)]


def test_only_events_of_the_interval_count():
    events = log(("ana", "SAVED", {}), ("ana", "PRINTED", {}), ("bob", "OTHER", {}))
    moments = {"start": "2026-11-02T10:01Z", "end": "2026-11-02T10:02Z"}
    assert problems(events, plan(), "event", "problem", **moments) == [
        ("SAVED", "missing event"),
        ("PRINTED", "unexpected event"),
    ]
    assert problems(events, plan(others=True), start="2026-11-02", end="2026-11-02", tz="Asia/Kathmandu") == []
    assert problems(events, plan(others=True), "problem", end="2026-11-01", tz="Asia/Kathmandu") == [("missing event",)]


@pytest.mark.parametrize("rows", [0, 1])
def test_few_events_are_events(rows):
    events = log(("ana", "SAVED", {"x": "1"})).iloc[:rows]
    expected = [("SAVED", None, "missing event"), ("SAVED", "x", "wrong type")]
    assert problems(events, plan(required={"x": "integer"})) == [expected[rows]]


def test_arguments_are_not_changed():
    events, wanted = log(("ana", "SAVED", {"x": "1"})), plan(required={"x": ["a"]})
    before = events.copy(deep=True), repr(wanted)
    nu.check_tracking(events, wanted)
    pd.testing.assert_frame_equal(events, before[0])
    assert repr(wanted) == before[1]


def test_a_frame_without_data_columns_has_its_properties_in_columns():
    events = log(("ana", "SAVED", {})).assign(size="3", version="1.0", event_no=[1])
    assert problems(events, plan(required={"size": "integer"}), "property", "problem", "first_version") == [
        ("size", "wrong type", "1.0")
    ]
    assert problems(events, plan()) == [("SAVED", "size", "unexpected property")]


def test_a_column_of_objects_holds_the_properties():
    events = log(*(("ana", "SAVED", {}) for _ in range(4)))
    events["data"] = pd.Series([{"size": 3}, {"size": "3"}, None, '{"size": 4}'], dtype=object)
    assert problems(events, plan(required={"size": "integer"}), "problem", "count") == [
        ("wrong type", 1),
        ("missing property", 1),
    ]


def test_names_with_dots_are_names():
    events = log(("ana", "app.saved", {"page.size": "a4", "page": 1}))
    assert problems(events, plan("app.saved", required={"page.size": "number", "page": "number"})) == [
        ("app.saved", "page.size", "wrong type")
    ]


def test_a_property_can_be_named_like_a_column_of_the_log():
    events = log(("ana", "SAVED", {"version": 3, "event": "x"})).assign(version="1.0")
    assert problems(events, plan(required={"version": "string"})) == [
        ("SAVED", "version", "wrong type"),
        ("SAVED", "event", "unexpected property"),
    ]


HOSTILE = ["=HYPERLINK(1)", "a|b`c`", "::error::x", "\x1b[31mred", "a\nb", "\u202egnp.exe", "x" * 500, "##vso[x]"]


def test_names_arrive_in_the_table_as_they_are_and_without_what_no_file_holds(tmp_path):
    events = log(*(("ana", name, {}) for name in HOSTILE))
    table = nu.check_tracking(events, plan())
    found = set(table["event"]) - {"SAVED"}
    assert found == {name.replace("\x1b", "\N{REPLACEMENT CHARACTER}") for name in HOSTILE}
    write_csv([table], tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        assert "'=HYPERLINK(1)" in {row["event"] for row in csv.DictReader(file)}


def test_many_made_up_names_are_all_listed():
    events = log(*(("ana", f"SAVED{chr(0x4E00 + number)}", {}) for number in range(300)))
    table = nu.check_tracking(events, plan(others=False))
    assert len(table) == 301
    assert table["expected"].notna().sum() == 101


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two users; one with nested values and more properties than loaders make columns of."""
    ana, bob = user("a", "ana@example.org", "10-24 10:00"), user("b", "bob", "10-24 10:00")
    crowd = {f"k{number}": number for number in range(230)}
    session(ana, "1", "10-24 10:00", (60, "SAVED", {"size": 3, "tags": ["a"]}), (90, "SAVED", {"size": "3"}))
    session(bob, "2", "10-25 10:00", (60, "SAVED", {"size": 2.5, "tags": {"a": 1}, **crowd}), (70, "SAVED", None))
    made = nu.EventStore(tmp_path_factory.mktemp("tracking") / "app.duckdb")
    with nu.demo.DemoClient(ScriptedService(app_of(ana, bob), as_of=AUTUMN)) as app:
        quiet_sync(app, made)
    return made


WANTED = plan(required={"size": "integer"}, optional={"tags": "string"}, allow_other_properties=True)


def test_a_store_knows_nested_values(store):
    columns = ["property", "problem", "found", "count", "users", "first_version"]
    expected = [
        ("size", "wrong type", "number, string", 2, 2, "1.0.0"),
        ("size", "missing property", None, 1, 1, "1.0.0"),
        ("tags", "wrong type", "array, object", 2, 2, "1.0.0"),
    ]
    assert problems(store, WANTED, *columns) == expected
    assert problems(nu.EventLog(store), WANTED, *columns) == expected


def test_every_property_is_looked_at_however_many_there_are(store):
    found = nu.check_tracking(store, plan(optional={"size": "any", "tags": "any"}))
    assert len(found) == 230
    with pytest.warns(UserWarning, match="different properties"):
        frame = store.events()
    pd.testing.assert_frame_equal(nu.check_tracking(frame, plan(optional={"size": "any", "tags": "any"})), found)


def test_a_question_that_was_asked_before_changes_nothing(store):
    log = nu.EventLog(store)
    before = nu.check_tracking(log, plan())
    assert log.find("size") == "data.size"
    pd.testing.assert_frame_equal(nu.check_tracking(log, plan()), before)


def test_only_sessions_of_the_interval_are_read_from_a_store(store):
    assert problems(store, WANTED, "property", "found", end="2026-10-24") == [
        ("size", "string"),
        ("tags", "array"),
    ]


def test_a_log_with_some_properties_only_is_refused(store):
    with pytest.raises(ValueError, match="with some of the properties of its store only"):
        nu.check_tracking(nu.EventLog(store, properties=["size"]), WANTED)


@pytest.mark.parametrize("events", [None, [("ana", "SAVED")], "events.csv"])
def test_what_is_no_event_log_is_refused(events):
    with pytest.raises(TypeError, match="pass a DataFrame with user_id, time and event"):
        nu.check_tracking(events, plan())


VALUES = st.one_of(
    st.sampled_from([None, "", "a", "b", True, False, 0, 1, 1.0, 2.5, -3]), st.lists(st.just(1), max_size=1)
)
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["ana", "bob"]),
        st.sampled_from(["A", "B", "init"]),
        st.dictionaries(st.sampled_from(["x", "y", "z"]), VALUES),
    ),
    max_size=12,
)
WANTS = st.sampled_from(["string", "number", "integer", "boolean", "any", ["a"], [1, 2.5], [True, "b"]])
PLANS = st.fixed_dictionaries(
    {
        "allow_other_events": st.booleans(),
        "events": st.fixed_dictionaries(
            {
                "A": st.fixed_dictionaries(
                    {
                        "required": st.dictionaries(st.just("x"), WANTS),
                        "optional": st.dictionaries(st.just("y"), WANTS),
                        "at_least": st.integers(0, 3),
                        "allow_other_properties": st.booleans(),
                    }
                )
            }
        ),
    }
)


def is_of(value, wanted):
    """Whether a value is of a type, or of that of an allowed value: written out."""
    if isinstance(wanted, list):
        kinds = {
            "boolean" if isinstance(one, bool) else "string" if isinstance(one, str) else "number" for one in wanted
        }
        return any(is_of(value, kind) for kind in kinds)
    if isinstance(value, bool):
        return wanted in ("boolean", "any")
    if isinstance(value, int) or (isinstance(value, float) and value == int(value)):
        return wanted in ("integer", "number", "any")
    if isinstance(value, float):
        return wanted in ("number", "any")
    return wanted == "any" or (isinstance(value, str) and wanted == "string")


def is_among(value, allowed):
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in allowed)


def one_by_one(rows, plan):
    """The number of problems of each kind, event by event."""
    found, event = Counter(), plan["events"]["A"]
    if (lacking := event["at_least"] - sum(name == "A" for _, name, _ in rows)) > 0:
        found["A", None, "missing event"] = lacking
    for _, name, properties in rows:
        there = {key: value for key, value in properties.items() if value is not None and value != ""}
        if name == "B" and not plan["allow_other_events"]:
            found["B", None, "unexpected event"] += 1
        if name != "A":
            continue
        for key in set(event["required"]) - set(there):
            found["A", key, "missing property"] += 1
        for key, value in there.items():
            wanted = (event["required"] | event["optional"]).get(key)
            if wanted is None:
                found["A", key, "unexpected property"] += not event["allow_other_properties"]
            elif not is_of(value, wanted):
                found["A", key, "wrong type"] += 1
            elif isinstance(wanted, list) and not is_among(value, wanted):
                found["A", key, "value not allowed"] += 1
    return {key: number for key, number in found.items() if number}


@settings(max_examples=50)
@given(ROWS, PLANS)
def test_problems_are_those_of_the_events_one_by_one(rows, plan):
    frame = log(*rows)
    found = problems(frame, plan, "event", "property", "problem", "count")
    assert {tuple(row[:3]): row[3] for row in found} == one_by_one(rows, plan)
    assert len(found) == len(one_by_one(rows, plan))
    together = log(*((who, event, {}) for who, event, _ in rows))
    together["data"] = pd.Series([json.dumps(properties) for *_, properties in rows], dtype=object)
    pd.testing.assert_frame_equal(nu.check_tracking(together, plan), nu.check_tracking(frame, plan))
