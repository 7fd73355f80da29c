"""Who is present is found, or a check that finds nobody says nothing."""

import json
import sqlite3

import pytest

import nucleus_pandas as nu
from nucleus_pandas.api.client import Client
from nucleus_pandas.store.privacy.traces import answers_with, rows_with
from tests.fault_server import FaultServer, answer

#: Ids that JSON, SQL or a file may write in some other way.
ODD = ['a"quote@example.org', "back\\slash@example.org", "é-accent@example.org", "🙂-smile@example.org", "ab/cd/ef=="]
ODD += ["it's@example.org", "100%_of@example.org", "[list]@example.org", "new\nline@example.org"]


def in_table(connection, ids):
    return {table: count for table, count in rows_with(connection, ids).items() if count}


def test_each_of_a_hundred_people_in_a_store_is_found(store, fill):
    fill(store, 0.05)
    people = store.users().head(100)
    assert len(people) == 100
    with store.database.reading() as connection:
        for person in people.itertuples():
            assert in_table(connection, [person.user_id]).get("users") == 1
            assert in_table(connection, [person.user_db_id]).get("users") == 1


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("VARCHAR", lambda person: person),
        ("JSON", json.dumps),
        ("VARCHAR", lambda person: json.dumps({"by": person}, ensure_ascii=False)),
        ("JSON", lambda person: json.dumps({person: [1, person]}, ensure_ascii=False)),
        ("VARCHAR[]", lambda person: ["x", person]),
        ("STRUCT(a INTEGER, b VARCHAR[])", lambda person: {"a": 1, "b": [person]}),
        ("MAP(VARCHAR, INTEGER)", lambda person: {person: 1}),
    ],
)
def test_an_id_is_found_in_every_type_of_column_that_holds_text(store, fill, kind, value):
    fill(store)
    with store.database.writing() as connection:
        connection.execute(f'CREATE TABLE kept.more (n INTEGER, "Who ""is"" it" {kind})')
        for person in (*ODD, "ana"):
            connection.execute("DELETE FROM kept.more")
            connection.execute("INSERT INTO kept.more VALUES (1, NULL), (2, ?)", [value(person)])
            assert in_table(connection, [person]) == {"more": 1}
            assert in_table(connection, ["nobody@example.org", "bob"]) == {}


def test_every_schema_is_searched_and_no_view_is_counted(store, fill):
    fill(store)
    with store.database.writing() as connection:
        connection.execute('CREATE SCHEMA "Mine"')
        connection.execute("""CREATE TABLE "Mine"."Notes" AS SELECT 'seen by ana@example.org' AS "Text" """)
        connection.execute('CREATE VIEW noted AS FROM "Mine"."Notes"')
        assert in_table(connection, ["ana@example.org"]) == {"Mine.Notes": 1}


def test_a_short_id_counts_as_a_whole_text_only(store, fill):
    fill(store)
    with store.database.writing() as connection:
        connection.execute(
            """CREATE TABLE kept.more AS SELECT unnest(['ana', 'banana', '{"by":"ana"}', '"anas"']) AS a"""
        )
        assert in_table(connection, ["ana"]) == {"more": 2}


@pytest.mark.parametrize("ascii_only", [True, False])
def test_each_of_a_hundred_people_in_a_cache_is_found(tmp_path, ascii_only):
    people = [*ODD, *(f"person-{number}@example.org" for number in range(100 - len(ODD)))]
    dates = {"createdAt": "2026-11-19T10:00:00.000Z", "lastSeen": "2026-11-19T11:00:00.000Z"}
    rows = [{"_id": f"5f3e-{number}", "userId": person, "devices": [], **dates} for number, person in enumerate(people)]
    text = json.dumps({"total": len(rows), "data": rows}, ensure_ascii=ascii_only, indent=ascii_only or None)
    if ascii_only:
        text = text.replace("/", "\\/")
    with (
        FaultServer(answer(text.encode())) as server,
        Client("demo", "a-token", base_url=server.url, cache=tmp_path) as client,
    ):
        nu.load_users(client)
        place = client.cache_info().place
        assert [answers_with(place, [person]) for person in people] == [1] * 100
        assert answers_with(place, ["person-1", "nobody@example.org"]) == 1  # part of a longer text
        assert answers_with(place, ["nobody@example.org"]) == 0
        client.clear_cache()
        assert answers_with(place, people) == 0


def test_a_cache_that_cannot_be_read_is_not_called_empty(tmp_path):
    (tmp_path / "file").write_bytes(b"ana@example.org" * 1000)
    assert answers_with(tmp_path / "file", ["ana@example.org"]) is None
    assert answers_with(tmp_path / "absent", ["ana@example.org"]) == 0


def test_what_is_no_json_is_searched_as_text(tmp_path):
    place = tmp_path / "a ?#%.sqlite"
    with sqlite3.connect(place) as connection:
        connection.execute("CREATE TABLE answers (value BLOB)")
        connection.executemany("INSERT INTO answers VALUES (?)", [(b"{broken ana@example.org",), ("ana@example.org",)])
    connection.close()
    assert answers_with(place, ["ana@example.org"]) == 2
