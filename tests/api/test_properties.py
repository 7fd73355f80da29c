"""Properties become columns, but never any number of them: whoever can send events can make up keys."""

import json

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.api.parsing.property_columns import property_columns
from nucleus_pandas.api.parsing.values import ParseProblems
from tests.conftest import AUTUMN
from tests.demo.handmade import app_of, session, user
from tests.store.conftest import ScriptedService


def columns_of(objects, **more):
    return property_columns("data", objects, ParseProblems("here"), **more)


def many(keys):
    """An object for each key, and two more of the key "plan"."""
    return [{"plan": "pro"}, {"plan": "free"}, *({f"key{number}": number} for number in range(keys - 1))]


def test_200_keys_are_200_columns():
    assert len(columns_of(many(200))) == 200


def test_of_more_keys_the_most_frequent_are_columns_and_the_others_stay_together():
    rows = many(1_000)
    with pytest.warns(UserWarning, match=r"1,000 different properties\. The 200 most frequent .* other 800 .* 'data'"):
        found = columns_of(rows)
    assert len(found) == 201
    assert found["data.plan"][:2].tolist() == ["pro", "free"]
    rest = pd.Series(found["data"])
    told = [json.loads(text) if isinstance(text, str) else {} for text in rest]
    names = {name.removeprefix("data.") for name in found}
    assert told == [{key: value for key, value in row.items() if key not in names} for row in rows]


def test_a_key_counts_as_often_as_its_object_occurs():
    rows = many(1_000)
    with pytest.warns(UserWarning, match="1,000 different"):
        found = columns_of(rows, weights=pd.Series([1] * 1000 + [5]).to_numpy())
    assert "data.key998" in found


def test_only_the_keys_that_are_named_become_columns():
    found = columns_of([*many(1_000), {"key7": "text"}], properties=["plan", "key7", "nothing"])
    assert list(found) == ["data.key7", "data.nothing", "data.plan"]
    assert [value for value in found["data.key7"] if not pd.isna(value)] == [7, "text"]
    assert pd.isna(found["data.nothing"]).all()
    assert columns_of(many(1_000), properties=[]) == {}


def test_a_key_can_be_named_as_it_is_shown():
    found = columns_of([{"a\x00": 1, "a\x01": 2}], properties=["a\N{REPLACEMENT CHARACTER}_"])
    assert {name: values.tolist() for name, values in found.items()} == {"data.a\N{REPLACEMENT CHARACTER}_": [2]}


@pytest.fixture
def crowded():
    """A client of an app with 300 properties of users and of events."""
    who = user("a1", "ana", "10-24 10:00", props={f"k{number}": number for number in range(300)})
    session(who, "1", "10-24 10:00", (1, "SAVE", {"plan": "pro", **{f"k{number}": True for number in range(300)}}))
    with nu.demo.DemoClient(ScriptedService(app_of(who), as_of=AUTUMN)) as client:
        yield client


def test_loaders_make_columns_of_the_properties_that_are_named(crowded):
    users = nu.load_users(crowded, properties=["k1", "props.k2"])
    assert [name for name in users if name.startswith("props")] == ["props.k1", "props.k2"]
    assert list(nu.load_user(crowded, "ana", properties="k7"))[-1] == "props.k7"
    log = nu.load_session_events(crowded, nu.load_sessions(crowded, users), properties=["plan"])
    assert [name for name in log if name.startswith("data")] == ["data.plan"]
    assert list(log["data.plan"].dropna()) == ["pro", "pro"]


def test_loaders_keep_what_is_beyond_200_columns_as_json(crowded):
    with pytest.warns(UserWarning, match="300 different properties"):
        users = nu.load_users(crowded)
    assert sum(name.startswith("props.") for name in users) == 200
    assert len(json.loads(users["props"].iloc[0])) == 100


@pytest.mark.parametrize("properties", [5, [5], {"plan": 1}])
def test_properties_that_are_no_names_are_refused(crowded, properties):
    with pytest.raises(TypeError, match=r'properties=\["plan", "locale"\]'):
        nu.load_users(crowded, properties=properties)
