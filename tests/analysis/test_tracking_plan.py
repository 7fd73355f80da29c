"""Tracking plans: what is read, and the messages for what cannot be."""

import re

import pytest

from nucleus_pandas.analysis.tracking_plan import PropertyPlan, read_plan

PLAN = """
# What the app sends.
allow_other_events = true

[events.PROJECT_CREATED]

[events.EXPORT_PDF]
required.pages = "integer"
required.format = ["a4", "letter"]
required."page.size" = "number"
optional.watermark = "boolean"
at_least = 2

[events."nucleus:view"]
allow_other_properties = false
"""


@pytest.fixture
def plan_file(tmp_path):
    def write(content, encoding="utf-8"):
        path = tmp_path / "plan.toml"
        path.write_bytes(content.encode(encoding))
        return path

    return write


def test_a_plan_is_read_from_a_file(plan_file):
    plan = read_plan(plan_file(PLAN))
    assert plan.allow_other_events
    assert list(plan.events) == ["PROJECT_CREATED", "EXPORT_PDF", "nucleus:view"]
    export = plan.events["EXPORT_PDF"]
    assert export.at_least == 2
    assert export.properties == {
        "pages": PropertyPlan(True, "integer"),
        "format": PropertyPlan(True, "any", ("a4", "letter")),
        "page.size": PropertyPlan(True, "number"),
        "watermark": PropertyPlan(False, "boolean"),
    }
    assert plan.events["PROJECT_CREATED"].properties == {}


def test_a_path_can_be_a_text_and_a_plan_a_dict(plan_file):
    path = plan_file('[events.SAVED]\nrequired.size = "number"')
    assert read_plan(str(path)) == read_plan(path) == read_plan({"events": {"SAVED": {"required": {"size": "number"}}}})


def test_what_is_not_planned_is_reported_unless_it_is_allowed(plan_file):
    plan = read_plan({"events": {"SAVED": {}, "init": {}, "OPENED": {"allow_other_properties": True}}})
    assert not plan.allow_other_events
    assert {name: event.allow_other_properties for name, event in plan.events.items()} == {
        "SAVED": False,
        "init": True,
        "OPENED": True,
    }


def test_an_event_overrides_what_the_plan_allows():
    plan = read_plan({"allow_other_properties": True, "events": {"A": {}, "B": {"allow_other_properties": False}}})
    assert [event.allow_other_properties for event in plan.events.values()] == [True, False]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
def test_a_byte_order_mark_is_no_part_of_a_plan(plan_file, encoding):
    assert list(read_plan(plan_file("[events.SAVED]\r\n", encoding)).events) == ["SAVED"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"plan\.toml: there are no events\. Write a table for each, such as \[events\.EXPORT_PDF\]"),
        ("[events]", "there are no events"),
        ("events = 3", "there are no events"),
        ("[event.SAVED]", r'unknown key "event"\. Did you mean "events"\?'),
        ("[SAVED]", r'unknown key "SAVED"\. Events are tables such as \[events\.SAVED\]\. Keys are events, allow_oth'),
        ("allow_other_event = true\n[events.A]", 'Did you mean "allow_other_events"'),
        ('allow_other_events = "yes"\n[events.A]', "allow_other_events must be true or false, not 'yes'"),
        ("[events]\nSAVED = true", r'event "SAVED": write a table, which can be empty: \[events\.SAVED\]'),
        ('[events."a b"]\nrequird.x = "string"', r'event "a b": unknown key "requird"\. Did you mean "required"\?'),
        (
            '[events.A]\nsize = "number"',
            r'unknown key "size"\. If it is a property, write required\.size = "string" or',
        ),
        (
            "[events.Export.PDF]",
            r'If the event is named "Export\.PDF", put the name in quotes: \[events\."Export\.PDF"',
        ),
        ('[events.A]\nrequired = ["x"]', r'required takes properties with their types, such as required\.pages = "int'),
        (
            '[events.A]\nrequired.x = "string"\noptional.x = "string"',
            'property "x" is both required and optional. Keep one of them',
        ),
        (
            '[events.A]\nrequired.x = "bool"',
            r'property "x": unknown type "bool"\. Did you mean "boolean"\? Types are str',
        ),
        ('[events.A]\nrequired.x = "text"', r'unknown type "text"\. Types are string, number, integer, boolean, any\.'),
        ("[events.A]\nrequired.x = true", r"write a type \(string, number, integer, boolean, any\) or a list of allow"),
        ('[events.A]\nrequired.a.b = "string"', r'A name with a dot must be in quotes: required\."page\.size" = "stri'),
        ("[events.A]\nrequired.x = []", 'the list of allowed values is empty. Use "any" to allow all'),
        ('[events.A]\nrequired.x = ["a", ""]', "the empty text counts as missing. Make the property optional instead"),
        ("[events.A]\nrequired.x = [2026-11-01]", "allowed values are strings, numbers or booleans, not of type date"),
        ("[events.A]\nrequired.x = [nan]", "allowed values are strings, numbers or booleans, not nan"),
        ("[events.A]\nrequired.x = [[1]]", "allowed values are strings, numbers or booleans, not of type list"),
        ('[events.A]\nrequired.x = ["a", "a"]', "the list of allowed values holds a value twice"),
        ("[events.A]\nat_least = -1", "at_least is how often the event must arrive: a whole number from 0 up, not -1"),
        (
            "[events.A]\nat_least = true",
            "at_least is how often the event must arrive: a whole number from 0 up, not Tr",
        ),
        ('[events." "]', "the name of an event must be a string that is not empty, not ' '"),
        ('[events.A]\nrequired."" = "any"', "the name of a property must be a string that is not empty, not ''"),
        ("[events.A]\n[events.A]", r"plan\.toml is not TOML: .*line 2"),
        ("[events.A]\nx = 1\nx = 2", r"plan\.toml is not TOML: Cannot overwrite"),
        ('{"events": {}}', r"plan\.toml is not TOML: .*line 1"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said_with_its_place(plan_file, content, message):
    with pytest.raises(ValueError, match=message):
        read_plan(plan_file(content))


def test_a_plan_that_is_not_utf_8_is_named(plan_file):
    with pytest.raises(ValueError, match=r"plan\.toml is not UTF-8\. Save it as UTF-8\."):
        read_plan(plan_file("[events.Größe]", "utf-16"))


def test_a_name_in_a_message_cannot_break_its_line(plan_file):
    with pytest.raises(ValueError, match=re.escape(r'event "a\x0a::error::": unknown key')):
        read_plan({"events": {"a\n::error::": {"oops": 1}}})


def test_a_plan_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        read_plan(tmp_path / "none.toml")


@pytest.mark.parametrize("plan", [None, 3, ["plan.toml"], ""])
def test_anything_but_a_path_or_a_mapping_is_refused(plan):
    with pytest.raises(TypeError, match="pass the path of a TOML file, or a dict such as"):
        read_plan(plan)


@pytest.mark.parametrize("key", [1, None])
def test_names_in_a_dict_are_texts(key):
    with pytest.raises(ValueError, match="the name of an event must be a string"):
        read_plan({"events": {key: {}}})
