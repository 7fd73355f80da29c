"""The cache: what shares an answer and what does not, what is on the disk, and that it never does harm."""

import contextlib
import datetime as dt
import json
import logging
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pandas as pd
import platformdirs
import pytest

import nucleus_pandas as nu
from nucleus_pandas.api.cache.cache_file import CacheFile
from nucleus_pandas.api.client import Client
from nucleus_pandas.api.http.transport import Transport
from tests.api.published import DAILY, EVENTS, GLANCE, ONE_USER, SESSION_EVENTS, USERS
from tests.conftest import AUTUMN
from tests.fault_server import LOST, FaultServer, answer

TOKEN = "tok-Zq7-s3cr3t"
SPAN = {"start": "2026-11-01", "end": "2026-11-05"}  # ended more than 48 hours before AUTUMN
PERSON = "ana+x@example.org"
SETTLED = int(AUTUMN.timestamp()) - 48 * 3600


class Clocked(Client):
    """A client for which it is the time that the test says."""

    at = AUTUMN

    def now(self):
        return self.at


@pytest.fixture
def client_of():
    """Makes clients of a fault server or a demo service, which are closed when the test ends."""
    with contextlib.ExitStack() as stack:

        def build(server, *, token=TOKEN, app_id="5f3e", **settings):
            if not isinstance(server, FaultServer):
                app_id, token, url = server.app_id, server.token, server.base_url
            else:
                url = server.url
            transport = Transport(max_workers=32, requests_per_second=None, sleep=lambda seconds: None)
            return stack.enter_context(Clocked(app_id, token, base_url=url, transport=transport, **settings))

        yield build


@pytest.fixture
def service(shared_app):
    shared_app.service.requests.clear()
    return shared_app.service


def answers(payload):
    return answer(json.dumps(payload).encode())


def question(client):
    """Ask something that is kept."""
    return client.get("events", params={"start": 1, "end": SETTLED}).payload


USER = ONE_USER


def bytes_in(folder):
    """Everything in all files of a folder, what SQLite keeps beside its own included."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def rows(client):
    """The entries, the oldest first."""
    with contextlib.closing(sqlite3.connect(client.cache_info().place)) as connection:
        return connection.execute("SELECT key, value, asked, expires FROM answers ORDER BY asked").fetchall()


def tamper(client, statement, *values):
    with contextlib.closing(sqlite3.connect(client.cache_info().place)) as connection, connection:
        connection.execute(statement, values)


# What shares an answer


def test_the_same_question_is_sent_once(service, client_of):
    client = client_of(service)
    first = nu.load_daily(client, **SPAN)
    pd.testing.assert_frame_equal(nu.load_daily(client, **SPAN), first)
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "load",
    [nu.load_quick_glance, nu.load_users, lambda client: nu.load_event_counts(client, **SPAN)],
    ids=["g", "u", "e"],
)
def test_a_frame_from_the_cache_is_the_one_from_the_service(service, shared_app, client_of, load):
    client = client_of(service)
    load(client)
    pd.testing.assert_frame_equal(load(client), load(shared_app))


def test_two_tables_of_one_answer_take_one_request(service, client_of):
    client = client_of(service)
    nu.load_users(client)
    nu.load_devices(client)
    assert len(service.requests) == 1


def test_answers_outlive_the_client(service, client_of):
    with client_of(service) as client:
        question(client)
    question(client_of(service))
    assert len(service.requests) == 1


def test_what_a_caller_does_to_an_answer_changes_nobody_else_s(client_of):
    with FaultServer(answers(EVENTS)) as server:
        client = client_of(server)
        for _ in range(3):
            payload = question(client)
            assert payload == EVENTS
            payload["data"].clear()


def test_another_token_is_never_given_the_answers_of_the_first(client_of):
    other = {"data": {"OTHER": {}}}
    with FaultServer(answers(EVENTS), answers(other)) as server:
        assert question(client_of(server)) == EVENTS
        assert question(client_of(server, token="another")) == other
        assert len(server.requests) == 2


def test_a_wrong_token_is_refused_by_the_service_and_given_nothing(service, client_of):
    nu.load_users(client_of(service))
    with (
        Clocked(service.app_id, "wrong", base_url=service.base_url) as client,
        pytest.raises(nu.AuthenticationError),
    ):
        nu.load_users(client)


@pytest.mark.parametrize("settings", [{"app_id": "5f3f"}, {"url": "/v2"}])
def test_another_app_or_base_url_is_another_question(client_of, settings):
    with FaultServer(answers(EVENTS)) as server:
        question(client_of(server))
        server.url += settings.pop("url", "")
        question(client_of(server, **settings))
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("user", "caf\u00e9"), ("user", "cafe\u0301")),
        (("user", "a/b"), ("user", "a//b")),
        (("user", "a b"), ("user", "a+b")),
        (("user", "A"), ("user", "a")),
        (("user", "a%2Fb"), ("user", "a/b")),
        (("user", "a?device=b"), ("user", "a")),
    ],
)
def test_ids_that_differ_only_in_their_spelling_are_two_questions(client_of, one, other):
    with FaultServer(answers(USER)) as server:
        client = client_of(server)
        client.get(*one)
        client.get(*other)
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, {"device": ""}),
        ({"device": "a"}, {"device": "a", "device2": ""}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"device": "a+b"}, {"device": "a b"}),
    ],
)
def test_queries_that_differ_in_anything_are_two_questions(client_of, one, other):
    with FaultServer(answers({"data": []})) as server:
        client = client_of(server)
        client.get("session_events", "u", "1", params=one)
        client.get("session_events", "u", "1", params=other)
        assert len(server.requests) == 2


def test_keys_are_hexadecimal_and_differ_from_file_to_file(client_of, tmp_path):
    keys = []
    with FaultServer(answers(EVENTS)) as server:
        for folder in (tmp_path / "a", tmp_path / "b"):
            client = client_of(server, cache=folder)
            question(client)
            keys += [row[0] for row in rows(client)]
    assert len(set(keys)) == 2
    assert all(len(key) == 96 and set(key) <= set("0123456789abcdef") for key in keys)


# What is on the disk


def test_neither_token_nor_headers_nor_ids_in_addresses_are_on_the_disk(client_of, user_cache_folder):
    ids = [PERSON, "a/b c", "device-77+/="]
    whole = json.dumps({"user": {**ONE_USER["user"], "devices": []}, "sessions": [], "data": []}).encode()
    reply = answer(whole, headers=[("X-Echo", TOKEN), ("Set-Cookie", "c00kie=1")])
    with FaultServer(reply) as server:
        client = client_of(server)
        client.get("user", ids[0])
        client.get("session_events", ids[1], "48213", params={"device": ids[2]})
        client.get("user", ids[0])
        assert client.cache_info().entries == 2
        with contextlib.closing(sqlite3.connect(client.cache_info().place, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE answers SET asked = asked + 1")
            held = bytes_in(user_cache_folder)
    held += bytes_in(user_cache_folder) + repr(list(user_cache_folder.rglob("*"))).encode()
    assert b"sessions" in held
    forms = {TOKEN, "c00kie", "Authorization", "48213", *ids, *(quote(text, safe="") for text in ids)}
    assert not [text for text in forms if text.encode() in held]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_this_account_can_read_the_cache(service, client_of, user_cache_folder):
    user_cache_folder.mkdir(parents=True, mode=0o755)
    client = client_of(service)
    question(client)
    place = client.cache_info().place
    assert place.parent == user_cache_folder
    assert stat.S_IMODE(user_cache_folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_folder_of_one_s_own_is_made_private_and_an_existing_one_left_as_it_is(service, client_of, tmp_path):
    (tmp_path / "mine").mkdir(mode=0o755)
    for name, mode in (("mine", 0o755), ("new", 0o700)):
        client = client_of(service, cache=tmp_path / name)
        question(client)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode
        assert stat.S_IMODE(client.cache_info().place.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_file_that_others_can_read_is_put_right(service, client_of):
    with client_of(service) as client:
        question(client)
        place = client.cache_info().place
    place.chmod(0o644)
    question(client_of(service))
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert len(service.requests) == 1


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights there")
def test_a_link_in_the_place_of_the_file_is_not_followed(service, client_of, tmp_path):
    client = client_of(service, cache=tmp_path)
    put_link(client, tmp_path / "elsewhere")
    with pytest.warns(nu.CacheWarning, match="is a symbolic link"):
        question(client)
    assert not (tmp_path / "elsewhere").exists()


def put_link(client, target):
    """Put a symbolic link in the place of a client's file."""
    place = client.cache_info().place
    place.unlink()
    place.symlink_to(target)


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


@pytest.mark.parametrize(
    "value",
    [
        pickle.dumps(Bomb()),
        b"",
        b"garbage",
        b"\xff\xfe\n\xff",
        "text \ud83d".encode("utf-8", "surrogatepass"),
        5,
        "text",
        b"[" * 100_000,
        b'{"version": 2}\n' + b'{"data":' * 50_000,
        (b'"version": 2', b'"version": 1'),
        (b'"version": 2', b'"version": [2]'),
        (b'"endpoint": "events"', b'"endpoint": "live_events"'),
        (b'"endpoint": "events"', b'"endpoint": ["events"]'),
        (b'"asked": "2026', b'"asked": "then'),
        (b'"asked": "2026-11-20T12:00:00+00:00"', b'"asked": "2026-11-20T12:00:00"'),
        (b'"asked": "2026-11-20T12:00:00+00:00"', b'"asked": 5'),
        (b'"expires"', b'"expired"'),
        (b'{"data": {', b'{"data": [{'),
        (b'{"data": {', b'{"dat": {'),
        (b'"as_of": "2026', b'"as_of": "then'),
        (b'"as_of"', b'"of"'),
        (b": 7", b": NaN"),
        (b": 1}}}", b""),
        (b": 7", b": null"),
        (b": 7", b": []"),
        (b'{"2026-10-24": 1}', b"null"),
    ],
)
def test_an_entry_that_cannot_be_read_is_a_miss_and_counted(client_of, tmp_path, monkeypatch, caplog, value):
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    with FaultServer(answers(EVENTS)) as server:
        client = client_of(server, cache=tmp_path / "cache")
        question(client)
        if isinstance(value, tuple):
            before = rows(client)[0][1]
            value = before.replace(*value)
            assert value != before
        tamper(client, "UPDATE answers SET value = ?", value)
        assert question(client) == EVENTS
        assert len(server.requests) == 2
        assert client.cache_info().unreadable == 1
    assert not (tmp_path / "exploded").exists()
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


# What is kept, and for how long


@pytest.mark.parametrize(
    ("asked", "payload"),
    [
        (("quick_glance",), {"data": []}),
        (("daily",), {"data": [], "total": 1}),
        (("events",), {"data": None}),
        (("events",), {"data": {"EXPORT_PDF": None}}),
        (("events",), {"data": {"EXPORT_PDF": {"2026-10-24": None}}}),
        (("users",), {"data": [{**USERS["data"][0], "devices": None}]}),
        (("users",), {"data": [{**USERS["data"][0], "props": []}]}),
        (("user", "a"), {**ONE_USER, "sessions": None}),
        (("session_events", "a", "1"), {"data": None}),
        (("session_events", "a", "1"), {"data": [{**SESSION_EVENTS["data"][0], "data": []}]}),
        (("events",), {"events": {}}),
        (("events",), []),
        (("event_properties",), {"data": {}}),
        (("errors",), {"data": "none"}),
        (("attribute", "init", "plan"), {"data": {}}),
        (("users",), {"total": 2, "data": [{"_id": "1"}]}),
        (("users",), {"total": 1, "data": {"_id": "1"}}),
        (("user", "a"), {"data": {}}),
        (("user", "a"), {"user": {}}),
        (("user", "a"), {"user": [], "sessions": []}),
        (("session_events", "a", "1"), {"data": {}}),
    ],
)
def test_only_whole_answers_of_the_right_shape_are_kept(client_of, asked, payload):
    with FaultServer(answers(payload)) as server:
        client = client_of(server)
        for _ in range(2):
            assert client.get(*asked).payload == payload
        assert len(server.requests) == 2
        assert client.cache_info().entries == 0


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer(b'{"error": "bad token"}'), nu.AuthenticationError),
        (answer(status=404), nu.NotFoundError),
        (answer(status=403), nu.AuthenticationError),
        (answer(b"<html>log in</html>"), nu.PayloadError),
    ],
)
def test_an_error_is_not_kept(client_of, reply, error):
    with FaultServer(reply, answers(EVENTS)) as server:
        client = client_of(server)
        with pytest.raises(error):
            question(client)
        assert question(client) == EVENTS
        assert len(server.requests) == 2


DAY, MINUTE = 24 * 3600, 60


@pytest.mark.parametrize(
    ("asked", "params", "payload", "seconds"),
    [
        (("daily",), {"end": SETTLED}, DAILY, DAY),
        (("daily",), {"end": SETTLED + 1}, DAILY, 5 * MINUTE),
        (("daily",), {"end": SETTLED + 90 * DAY}, DAILY, 5 * MINUTE),
        (("daily",), None, DAILY, 5 * MINUTE),
        (("events",), {"end": SETTLED}, {"data": {}}, DAY),
        (("errors",), {"end": SETTLED}, {"data": {}}, DAY),
        (("event_properties",), {"end": SETTLED}, {"data": []}, DAY),
        (("attribute", "init", "plan"), {"end": SETTLED}, {"data": []}, DAY),
        (("attribute", "init", "plan"), {"end": SETTLED + 1}, {"data": []}, 5 * MINUTE),
        (("users",), None, {"data": [], "total": 0}, 10 * MINUTE),
        (("users",), None, USERS, 10 * MINUTE),
        (("user", "a"), None, USER, 10 * MINUTE),
        (("session_events", "a", "1"), {"device": "d"}, {"data": []}, 10 * MINUTE),
        (("quick_glance",), None, GLANCE, MINUTE),
    ],
)
def test_an_answer_is_kept_for_its_lifetime_and_not_longer(client_of, asked, params, payload, seconds):
    with FaultServer(answers(payload)) as server:
        client = client_of(server)
        for after, requests in ((0, 1), (seconds - 0.001, 1), (seconds, 2)):
            client.at = AUTUMN + dt.timedelta(seconds=after)
            client.get(*asked, params=params)
            assert len(server.requests) == requests


@pytest.mark.parametrize("endpoint", ["live_events", "live_users", "live_user_count"])
def test_what_is_live_is_never_kept(service, client_of, endpoint):
    client = client_of(service)
    for _ in range(2):
        client.get(endpoint)
    assert len(service.requests) == 2
    assert client.cache_info().entries == 0


def test_a_hit_says_when_it_was_asked_for(client_of):
    with FaultServer(answers(EVENTS)) as server:
        client = client_of(server)
        assert client.get("events").as_of == AUTUMN
        client.at += dt.timedelta(minutes=4)
        assert client.get("events").as_of == AUTUMN
        assert len(server.requests) == 1


def test_complete_and_settled_are_as_of_the_time_of_asking(own_app, client_of):
    service, client = own_app.service, client_of(own_app.service)
    client.at = service.as_of = dt.datetime(2026, 11, 20, 23, 58, tzinfo=dt.UTC)
    before = nu.load_daily(client, "2026-11-18", "2026-11-20")
    client.at = service.as_of = client.at + dt.timedelta(minutes=4)
    after = nu.load_daily(client, "2026-11-18", "2026-11-20")
    assert len(service.requests) == 1
    assert after["complete"].tolist() == before["complete"].tolist() == [True, True, False]
    assert after["settled"].tolist() == [False, False, False]


def test_an_answer_from_the_future_is_asked_for_again(client_of):
    with FaultServer(answers(EVENTS)) as server:
        client = client_of(server)
        question(client)
        client.at -= dt.timedelta(seconds=1)
        assert client.get("events", params={"start": 1, "end": SETTLED}).as_of == client.at
        assert len(server.requests) == 2


@pytest.mark.parametrize(("status", "error"), [(401, nu.AuthenticationError), (404, nu.NotFoundError)])
def test_an_expired_answer_does_not_stand_in_for_an_error(client_of, status, error):
    with FaultServer(answers(EVENTS), answer(status=status)) as server:
        client = client_of(server)
        question(client)
        client.at += dt.timedelta(days=2)
        with pytest.raises(error):
            question(client)


def test_what_has_expired_is_removed_when_the_file_is_opened(client_of, user_cache_folder):
    with FaultServer(answers({"data": {"OLD_EVENT": {}}}), answers(EVENTS)) as server:
        with client_of(server) as client:
            client.get("events", params={"end": SETTLED + 1})
            question(client)
        later = client_of(server)
        later.at += dt.timedelta(minutes=6)
        assert later.cache_info().entries == 1
    assert b"OLD_EVENT" not in bytes_in(user_cache_folder)


@pytest.fixture
def file_in(tmp_path):
    """Makes files of a cache in one folder, which are closed when the test ends."""
    with contextlib.ExitStack() as stack:

        def build(**settings):
            return stack.enter_context(contextlib.closing(CacheFile(tmp_path, "a", lambda: AUTUMN, **settings)))

        yield build


def put(file, number=0, value=b"value"):
    """Write an entry that was asked for so many seconds later; gives its key."""
    key = f"{file.generation().hex()}{number}"
    file.write(key, value, AUTUMN + dt.timedelta(seconds=number), AUTUMN + dt.timedelta(days=1))
    return key


def test_beyond_the_limit_the_oldest_answers_go(file_in):
    file, keys = file_in(most_bytes=100_000), []
    for number in range(8):
        keys.append(put(file, number, b"E" * 30_000))
        assert file.info().bytes < 150_000
    kept = [file.read(key) is not None for key in keys]
    assert kept == sorted(kept)
    assert kept[-1]


def test_a_file_beyond_the_limit_is_made_smaller_when_it_is_opened(file_in):
    first = file_in()
    for number in range(8):
        put(first, number, b"E" * 60_000)
    before, after = first.info(), file_in(most_bytes=200_000).info()
    assert (before.entries, after.entries) == (8, 2)
    assert after.bytes < 200_000 < before.bytes


# Erasing


def test_erasing_a_user_leaves_nobody_in_the_cache(own_app, client_of, user_cache_folder):
    client = client_of(own_app.service)
    users = nu.load_users(client)
    user_id = users["user_id"].iloc[0]
    nu.load_user(client, user_id)
    nu.load_event_counts(client, **SPAN)
    texts = [json.dumps(text)[1:-1].encode() for text in (user_id, users["user_db_id"].iloc[0], "first_time")]
    assert texts[1] in bytes_in(user_cache_folder)
    client.delete_user(user_id, confirm=user_id)
    assert client.cache_info().entries == 0
    assert client.cache_info().bytes < 30_000
    assert not [text for text in texts if text in bytes_in(user_cache_folder)]
    assert user_id not in set(nu.load_users(client)["user_id"])


@pytest.mark.parametrize(
    ("replies", "error"),
    [([LOST], nu.NetworkError), ([answer(status=404)], nu.NotFoundError), ([answer(status=500)], nu.ServiceError)],
)
def test_the_cache_is_emptied_also_when_nobody_knows_whether_the_user_was_erased(client_of, replies, error):
    with FaultServer(answers(EVENTS), *replies) as server:
        client = client_of(server)
        question(client)
        with pytest.raises(error):
            client.delete_user("a", confirm="a")
        assert client.cache_info().entries == 0


def test_an_erasure_that_is_not_sent_leaves_the_cache_alone(client_of):
    with FaultServer(answers(EVENTS)) as server:
        client = client_of(server)
        question(client)
        for user, confirm in (("a", "b"), ("..", "..")):
            with pytest.raises(ValueError, match=r"confirm|user_id"):
                client.delete_user(user, confirm=confirm)
        assert client.cache_info().entries == 1


def test_an_answer_under_way_during_an_erasure_is_neither_kept_nor_given_to_those_who_ask_later(client_of):
    later = {"data": {"LATER": {}}}
    with FaultServer(answers(EVENTS), answers(later)) as server, ThreadPoolExecutor() as pool:
        client, other = client_of(server), client_of(server)
        server.hold = threading.Event()
        first = pool.submit(question, client)
        assert server.arrived(1)
        other.clear_cache()
        second = pool.submit(question, client)
        assert server.arrived(2)
        server.hold.set()
        assert (first.result(), second.result()) == (EVENTS, later)
        assert [json.loads(row[1].split(b"\n")[1]) for row in rows(client)] == [later]


def test_clearing_empties_the_cache_of_one_app_for_all_its_clients(client_of):
    with FaultServer(answers(EVENTS)) as server:
        one, same, other = client_of(server), client_of(server, token="b"), client_of(server, app_id="other")
        for client in (one, same, other):
            question(client)
        assert (one.cache_info().entries, other.cache_info().entries) == (2, 1)
        assert one.clear_cache() is None
        assert (same.cache_info().entries, other.cache_info().entries) == (0, 1)
        question(same)
        assert len(server.requests) == 4


# Trouble with the file


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def held(place):
    """Another process holds the file."""
    command = [sys.executable, "-c", HOLD, place]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield
        process.stdin.close()


def test_a_file_that_another_process_holds_is_done_without_after_a_short_wait_and_one_warning(file_in):
    first, later = file_in(patience=0.05), file_in(patience=0.05)
    key = put(first)
    begin = time.monotonic()
    with held(first.path):
        for file in (first, later):
            with pytest.warns(nu.CacheWarning, match="goes on without it") as caught, ThreadPoolExecutor() as pool:
                assert list(pool.map(file.read, [key] * 8)) == [None] * 8
            assert len(caught) == 1
            assert "locked" in file.info().problem
    assert time.monotonic() - begin < 4


def test_waits_that_follow_one_another_do_not_add_up(file_in, monkeypatch):
    now = [0.0]
    file = file_in(patience=2, clock=lambda: now[0])
    waits = []

    def slow(self, text, *values, patience=None):
        if text.startswith("SELECT value FROM gen"):
            waits.append(self._deadline - now[0])
            now[0] += 1.5
        return execute(self, text, *values, patience=patience)

    execute = CacheFile._sql
    monkeypatch.setattr(CacheFile, "_sql", slow)
    for _ in range(2):
        file.generation()
    assert waits == [2, 0.5]


def test_a_file_that_is_held_is_deleted_when_it_has_to_be_emptied(file_in, tmp_path):
    file, other = file_in(patience=0.05), file_in(patience=0.05)
    key = put(file)
    assert other.read(key) == b"value"
    with held(file.path), pytest.warns(nu.CacheWarning, match="locked") as caught:
        file.empty()
    assert len(caught) == 1
    assert other.read(key) is None
    assert (other.info().entries, other.problem) == (0, None)


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights there")
def test_a_cache_that_cannot_be_emptied_warns_each_time(service, client_of, tmp_path, monkeypatch):
    client = client_of(service, cache=tmp_path)
    put_link(client, tmp_path / "elsewhere")
    with pytest.warns(nu.CacheWarning, match="is a symbolic link"):
        question(client)
    monkeypatch.setattr(type(tmp_path), "unlink", refuse)
    for _ in range(2):
        with pytest.warns(nu.CacheWarning, match=r"could not be emptied .* Delete the file"):
            client.clear_cache()


def refuse(*_, **__):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(
    ("pragma", "reason"), [("query_only = ON", "readonly"), ("max_page_count = 1", "full")], ids=["read-only", "full"]
)
def test_a_file_that_takes_nothing_any_more_is_done_without_after_one_warning(client_of, pragma, reason):
    # The pragmas make SQLite fail as it does on such disks; tests that run as root can write to any folder.
    with FaultServer(answers({"data": {"E" * 30_000: {}}})) as server:
        client = client_of(server)
        client.cache_info()
        client._cache.file._connection.execute(f"PRAGMA {pragma}")
        with pytest.warns(nu.CacheWarning, match=reason) as caught:
            for _ in range(3):
                question(client)
        assert len(caught) == 1
        assert len(server.requests) == 3


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root can write to any folder")
def test_a_folder_that_is_read_only_is_done_without_after_one_warning(service, client_of, tmp_path):
    tmp_path.chmod(0o500)
    client = client_of(service, cache=tmp_path / "cache")
    with pytest.warns(nu.CacheWarning, match="denied") as caught:
        assert question(client) == question(client)
    assert len(caught) == 1
    tmp_path.chmod(0o700)


def test_a_folder_that_cannot_be_made_is_done_without_after_one_warning(service, client_of, tmp_path):
    (tmp_path / "file").touch()
    client = client_of(service, cache=tmp_path / "file" / "cache")
    with pytest.warns(nu.CacheWarning, match="goes on without it") as caught:
        assert question(client) == question(client)
        client.clear_cache()
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert client.cache_info().entries == 0


def test_without_a_home_folder_nothing_is_written_where_the_program_happens_to_run(client_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_, **__: "~/.cache/nucleus_pandas")
    with FaultServer(answers(EVENTS)) as server, pytest.warns(nu.CacheWarning, match="no home folder"):
        assert question(client_of(server)) == EVENTS
    assert list(tmp_path.iterdir()) == []


FOREIGN = "CREATE TABLE answers (a); CREATE TABLE generation (b)"
EMPTY = FOREIGN.replace("(a)", "(key, value, asked, expires)").replace("(b)", "(value)")


@pytest.mark.parametrize("content", [b"garbage " * 1000, FOREIGN, EMPTY], ids=["garbage", "foreign", "empty"])
def test_a_damaged_file_is_set_aside_and_a_fresh_one_begun(client_of, tmp_path, content):
    with FaultServer(answers(EVENTS)) as server:
        client = client_of(server, cache=tmp_path)
        place = client.cache_info().place
        place.unlink()
        if isinstance(content, bytes):
            place.write_bytes(content)
        else:
            with contextlib.closing(sqlite3.connect(place)) as connection:
                connection.executescript(content)
        before = place.read_bytes()
        with pytest.warns(nu.CacheWarning, match=r"damaged .* set aside as .*\.damaged") as caught:
            for _ in range(3):
                assert question(client) == EVENTS
        assert len(caught) == 1
        assert place.with_name(place.name + ".damaged").read_bytes() == before
        assert len(server.requests) == 1
        client.clear_cache()
        assert not place.with_name(place.name + ".damaged").exists()


def test_a_file_that_is_damaged_while_it_is_in_use_is_set_aside(client_of):
    with FaultServer(answers(EVENTS)) as server:
        client = client_of(server)
        question(client)
        place = client.cache_info().place
        with place.open("r+b") as file:
            file.write(b"garbage " * (place.stat().st_size // 8))
        with pytest.warns(nu.CacheWarning, match="damaged") as caught:
            for _ in range(3):
                assert question(client) == EVENTS
        assert len(caught) == 1
        assert len(server.requests) == 2


def test_a_file_that_was_deleted_is_begun_afresh_without_a_word(client_of):
    with FaultServer(answers(EVENTS)) as server:
        client = client_of(server)
        question(client)
        client.cache_info().place.unlink()
        for _ in range(2):
            assert question(client) == EVENTS
        assert len(server.requests) == 2


def test_ctrl_c_in_the_middle_of_a_change_leaves_the_file_usable_by_all(file_in, monkeypatch):
    file, other = file_in(patience=0.05), file_in(patience=0.05)
    put(file)
    with monkeypatch.context() as patch:
        patch.setattr(CacheFile, "_sql", stop_at_commit(CacheFile._sql))
        with pytest.raises(KeyboardInterrupt):
            file.empty()
    put(other, 1)
    put(file, 2)
    assert [(each.info().entries, each.problem) for each in (other, file)] == [(3, None)] * 2


def stop_at_commit(execute):
    def wrapped(self, text, *values, **how):
        if text == "COMMIT":
            raise KeyboardInterrupt
        return execute(self, text, *values, **how)

    return wrapped


# Threads and processes


def test_equal_questions_at_the_same_time_are_sent_once(client_of):
    with FaultServer(answers(EVENTS)) as server, ThreadPoolExecutor(16) as pool:
        client, other = client_of(server), client_of(server)
        server.hold = threading.Event()
        asked = [pool.submit(question, (client, other)[number % 2]) for number in range(16)]
        assert server.arrived(1)
        server.hold.set()
        assert [future.result() for future in asked] == [EVENTS] * 16
        assert len(server.requests) == 1


def test_equal_questions_that_are_refused_each_raise_an_error_of_their_own(client_of):
    with FaultServer(answer(status=404)) as server, ThreadPoolExecutor(4) as pool:
        client = client_of(server)
        errors = [future.exception() for future in [pool.submit(question, client) for _ in range(4)]]
    assert {type(error) for error in errors} == {nu.NotFoundError}
    assert len(set(map(id, errors))) == 4


MANY = """
import hashlib, sys, warnings
from concurrent.futures import ThreadPoolExecutor
from nucleus_pandas.api.client import Client

warnings.simplefilter("error")
_, base_url, folder, end = sys.argv
client = Client("demo", "demo-token", base_url=base_url, cache=folder, max_workers=32, requests_per_second=None)

def ask(number):
    if number == 80:
        client.clear_cache()
    start = int(end) - 86400 * (1 + number % 8)
    payload = client.get("daily", params={"start": start, "end": end, "utcOffset": 0}).payload
    return f"{number % 8} {hashlib.sha256(repr(payload).encode()).hexdigest()}"

with client, ThreadPoolExecutor(32) as pool:
    found = set(pool.map(ask, range(160)))
    assert client.cache_info().problem is None
    assert client.cache_info().unreadable == 0
print("\\n".join(sorted(found)))
"""


def test_many_threads_and_processes_share_a_cache_and_get_right_answers(service, tmp_path):
    command = [sys.executable, "-c", MANY, service.base_url, str(tmp_path), str(SETTLED)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    found = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert len(set(found)) == 1  # all of them alike,
    assert len(found[0].split("\n")) == 9  # one answer to each question,
    assert len({line[1:] for line in found[0].split("\n") if line}) == 8  # and another one to every other
    assert len(service.requests) < 4 * 160 / 2


# Secrets, settings


def test_no_log_record_holds_a_token_or_an_id(client_of, caplog):
    caplog.set_level(logging.DEBUG)
    with FaultServer(answers(USER), answers({"data": []}), answers({"data": 1}), answer(status=404)) as server:
        client = client_of(server)
        client.get("user", PERSON)
        client.get("user", PERSON)
        tamper(client, "UPDATE answers SET value = ?", PERSON.encode())
        client.get("user", PERSON)
        client.get("live_events")
        for work in (
            lambda: nu.load_user(client, PERSON),
            lambda: client.delete_user(PERSON, confirm=PERSON),
            lambda: client.get("session_events", PERSON, "48213", params={"device": "device-77"}),
        ):
            with pytest.raises(nu.NotFoundError):
                work()
        keys = [row[0] for row in rows(client)]
    logged = "\n".join(
        f"{record.name} {record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records
    )
    assert "requests_cache" in logged
    hidden = [TOKEN, PERSON, quote(PERSON), quote(PERSON, safe=""), "48213", "device-77", *keys]
    assert not [text for text in hidden if text in logged]


def test_neither_client_nor_cache_shows_the_token(client_of):
    with FaultServer(answers(EVENTS)) as server:
        client = client_of(server)
        question(client)
        shown = f"{client!r} {vars(client)} {vars(client._cache)} {vars(client._cache.file)} {client.cache_info()}"
    assert TOKEN not in shown


def test_cache_info_tells_what_there_is(client_of, tmp_path):
    with FaultServer(answers(EVENTS)) as server:
        client = client_of(server, cache=str(tmp_path / "here"))
        question(client)
        client.at += dt.timedelta(minutes=1)
        client.get("events")
        info = client.cache_info()
    assert info.place.parent == tmp_path / "here"
    assert info.place.stat().st_size == info.bytes
    assert (info.entries, info.oldest, info.unreadable, info.problem) == (2, AUTUMN, 0, None)


def test_without_a_cache_every_question_is_sent_and_nothing_is_written(service, client_of, user_cache_folder):
    client = client_of(service, cache=False)
    question(client)
    question(client)
    client.clear_cache()
    assert client.cache_info() == (None, 0, 0, None, 0, None)
    assert len(service.requests) == 2
    assert not user_cache_folder.exists()


def test_the_demo_client_has_no_cache_unless_it_is_asked_for(own_app, user_cache_folder, tmp_path):
    nu.load_users(own_app)
    assert own_app.cache_info().place is None
    assert not user_cache_folder.exists()
    with nu.demo_client(scale=0.02, cache=tmp_path) as app:
        nu.load_users(app)
        nu.load_users(app)
        assert len(app.service.requests) == 1


@pytest.mark.parametrize("setting", ["", None, 5, b""])
def test_a_place_that_is_none_is_refused(setting):
    with pytest.raises(nu.ConfigurationError, match="cache="):
        Client("app", TOKEN, cache=setting)


def test_a_closed_client_gives_nothing_from_its_cache(service, client_of):
    client = client_of(service)
    question(client)
    client.close()
    with pytest.raises(nu.ConfigurationError, match="client is closed"):
        question(client)


def test_there_is_no_warning_when_all_is_well(service, client_of):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client = client_of(service)
        nu.load_users(client)
        client.clear_cache()


# Whose clock counts

AHEAD, BEHIND = dt.timedelta(days=30), dt.timedelta(days=-30)
DATED = answer(json.dumps(EVENTS).encode(), headers=[("Date", "Fri, 20 Nov 2026 12:00:00 GMT")])


@pytest.mark.parametrize("skew", [AHEAD, BEHIND])
@pytest.mark.parametrize("cached", [True, False])
def test_an_answer_is_known_until_the_service_s_date(client_of, skew, cached):
    with FaultServer(DATED) as server:
        client = client_of(server)
        client.at = AUTUMN + skew
        assert client.get("events", cached=cached).as_of == AUTUMN


@pytest.mark.parametrize("date", ["now", "", "Fri, 20 Nov 2026 12:00:00 -0000", "Thu, 01 Jan 1970 00:00:00 GMT"])
@pytest.mark.parametrize("cached", [True, False])
def test_a_date_that_cannot_be_right_is_ignored(client_of, date, cached):
    with FaultServer(answer(json.dumps(EVENTS).encode(), headers=[("Date", date)])) as server:
        assert client_of(server).get("events", cached=cached).as_of == AUTUMN


@pytest.mark.parametrize("skew", [AHEAD, BEHIND])
def test_a_cached_answer_keeps_the_service_s_date(client_of, skew):
    with FaultServer(DATED) as server:
        client = client_of(server)
        client.at = AUTUMN + skew
        client.get("events")
        client.at += dt.timedelta(minutes=4)
        assert client.get("events").as_of == AUTUMN
        assert len(server.requests) == 1


@pytest.mark.parametrize(("end", "minutes"), [(SETTLED, 24 * 60), (SETTLED + 1, 5)])
@pytest.mark.parametrize("skew", [AHEAD, BEHIND])
def test_how_long_an_answer_is_kept_depends_on_the_service_s_date(client_of, skew, end, minutes):
    with FaultServer(DATED) as server:
        client = client_of(server)
        for after, requests in ((0, 1), (minutes - 1, 1), (minutes, 2)):
            client.at = AUTUMN + skew + dt.timedelta(minutes=after)
            client.get("events", params={"start": 1, "end": end})
            assert len(server.requests) == requests
