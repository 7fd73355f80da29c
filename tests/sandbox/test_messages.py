"""Messages: acknowledged, recognised when they come again, and refused when they are unusable."""

import base64
import contextlib
import http.client
import json
import math
import os
import socket
import time

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

import nucleus_pandas as nu
from nucleus_pandas.sandbox import Limits
from nucleus_pandas.sandbox.messages import MessageError, Tracked, parse_message
from tests.sandbox.conftest import APP, MINUTE, Tracker, log_of

INIT = {"type": "init", "id": 1, "sessionId": 1, "deviceId": "d", "date": 1795176000000}


def raw(data):
    """Parse the only event of a message; a MessageError if there is something wrong with it."""
    message = parse_message(json.dumps({"data": [data]}).replace("Infinity", "1e999"))
    if message.rejected:
        raise MessageError(message.rejected[0].reason)
    return message.incoming[0].event


def test_an_event_that_is_sent_again_counts_once(tracker, sandbox, app):
    client = tracker(userId="ana")
    queue = [client.event("init"), client.event("event", "A")]
    ids = [event["id"] for event in queue]
    for _ in range(3):
        assert client.post(*queue) == {"reportedIds": ids}
    assert len(log_of(app)) == 2
    assert sandbox.arrivals().loc[0, ["events", "duplicates"]].tolist() == [2, 4]


def test_a_lost_acknowledgement_does_no_harm(tracker, sandbox, clock, app):
    first = tracker(userId="ana")
    queue = [first.event("init"), first.event("event", "A")]
    first.socket.send(json.dumps({"data": queue}))
    first.close()  # before the answer is read
    assert tracker(userId="ana").post(*queue)["reportedIds"] == [event["id"] for event in queue]
    assert len(log_of(app)) == 2


def test_who_signed_in_meanwhile_makes_no_difference_to_what_is_the_same(tracker, app):
    client = tracker()
    queue = [client.event("init"), client.event("event", "A")]
    client.post(*queue)
    client.post(*[event | {"userId": "ana"} for event in queue])  # as nucleus-analytics sends it again
    assert len(log_of(app)) == 2


def test_events_that_differ_in_anything_are_different_whatever_their_ids(tracker, app):
    client = tracker(userId="ana")
    client.track("init")
    for change in ({}, {"name": "B"}, {"payload": {"n": 1}}, {"payload": {"n": True}}, {"date": 1795175999999}):
        client.track("event", **{"name": "A", "id": 7, **change})
    assert len(log_of(app)) == 6


def test_equal_events_without_an_id_are_different_within_a_message_and_the_same_in_another(tracker, sandbox):
    client = tracker(userId="ana")
    client.track("init")
    one = client.event("event", "A", id=None)
    client.post(one)
    client.post(one, one)
    client.post(one, one)
    assert sandbox.arrivals().loc[0, ["events", "duplicates"]].tolist() == [3, 3]


def test_events_with_neither_id_nor_date_are_new_each_time(tracker, app, clock):
    client = tracker(userId="ana")
    client.track("init")
    for _ in range(2):
        clock.forward(MINUTE)
        assert client.post({"name": "A", "sessionId": 4821, "deviceId": "device/1+="}) == {"reportedIds": []}
    assert log_of(app)["event"].tolist() == ["init", "A", "A"]


def test_the_good_events_of_a_message_are_stored_and_the_others_explained_and_not_sent_again(tracker, sandbox, app):
    client = tracker(userId="ana")
    good, nameless, dateless = client.event("init"), client.event("event"), client.event("event", "A", date="soon")
    answer = client.post(3, good, nameless, dateless)
    assert answer == {
        "reportedIds": [good["id"], nameless["id"], dateless["id"]],
        "errors": [
            {"index": 0, "error": "Each event must be a JSON object."},
            {"index": 2, "error": "name is missing."},
            {"index": 3, "error": "date must be ISO 8601 or milliseconds since 1970."},
        ],
    }
    assert len(log_of(app)) == 1
    assert sandbox.arrivals().loc[0, "rejected_events"] == 3
    assert sandbox.rejections() == {one["error"]: 1 for one in answer["errors"]}


def test_a_rejected_event_is_not_acknowledged_by_an_id_that_no_answer_can_hold(tracker):
    client = tracker()
    answer = client.post(*(client.event("event", id=bad) for bad in ([1], True, "x" * 1001, 10**1500)))
    assert answer["reportedIds"] == []
    assert client.say({"confirmation": 0.5, "data": [{}]})["confirmation"] == 0.5


@pytest.mark.parametrize(
    "message",
    [
        "",
        "no",
        "[]",
        "null",
        '"data"',
        "{}",
        '{"data": {}}',
        '{"data": NaN}',
        '{"data": [' * 100_000,
        b"\xff\xfe\x00",
        b"\x00",
        '{"data": [{"id": ' + "9" * 5000 + "}]}",
    ],
    ids=range(12),
)
def test_what_is_no_message_is_answered_and_counted(tracker, sandbox, app, message):
    client = tracker(userId="ana")
    assert list(client.say(message)) == ["error"]
    client.track("init")
    assert len(log_of(app)) == 1
    assert sandbox.arrivals().loc[0, "rejected_messages"] == 1


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"type": "surprise"}, "type must be one of"),
        ({"type": 7}, "type must be a string"),
        ({"type": "event"}, "name is missing"),
        ({"type": "error"}, "name is missing"),
        ({"type": "event", "name": "error:"}, "name is missing"),
        ({"name": ["A"]}, "name must be a string"),
        ({"sessionId": None}, "sessionId is missing"),
        ({"sessionId": "abc"}, "sessionId must be"),
        ({"sessionId": -1}, "sessionId must be"),
        ({"sessionId": 1.5}, "sessionId must be"),
        ({"sessionId": True}, "sessionId must be"),
        ({"sessionId": 10**30}, "sessionId must be"),
        ({"date": "soon"}, "date must be"),
        ({"date": True}, "date must be"),
        ({"date": []}, "date must be"),
        ({"date": 1e300}, "date lies outside"),
        ({"date": "0001-01-01"}, "date lies outside"),
        ({"date": "0001-01-01T00:00:00+14:00"}, "date"),
        ({"id": [1]}, "id must be"),
        ({"id": True}, "id must be"),
        ({"id": "\ud800"}, "id must be"),
        ({"id": 10**1500}, "id must be"),
        ({"userId": {"a": 1}}, "userId must be"),
        ({"userId": "."}, "userId must not be"),
        ({"userId": ".."}, "userId must not be"),
        ({"userId": "a\0b"}, r"userId must not contain U\+0000"),
        ({"userId": 10**1500}, "userId is longer"),
        ({"userId": math.inf}, "userId must be"),
        ({"deviceId": "\0"}, "deviceId must not contain"),
        ({"deviceId": "x" * 1001}, "deviceId is longer"),
        ({"locale": 3}, "locale must be"),
    ],
)
def test_a_field_that_cannot_be_right_is_named_without_its_value(change, error):
    with pytest.raises(MessageError, match=error) as caught:
        raw(INIT | change)
    assert "surprise" not in str(caught.value)


def test_values_come_back_as_they_were_stored():
    event = raw(INIT | {"payload": {"a": 1, "b": True, "c": "é", "d": None, "e": 1.5}, "totalRam": 7.7})
    assert Tracked.from_json(event.to_json()) == event
    assert event.ram_gb == 8


def test_half_a_surrogate_pair_makes_no_trouble(tracker, app):
    client = tracker(userId="ana")
    client.track("init", payload={"\ud800": "a\udfff"})
    assert log_of(app)["data.\ufffd"].tolist() == ["a\ufffd"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("type", "name", "event", "sessionId", "date", "id", "userId", "anonId", "deviceId", "payload", "totalRam")
ANYTHING = JSON | st.sampled_from(["init", "error", "props", "userid", "nucleus:view", "2026-11-20", 1795176000000])
EVENTS = st.lists(st.dictionaries(st.sampled_from(FIELDS), ANYTHING) | JSON, max_size=4)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=EVENTS)
def test_any_event_is_used_or_explained(data):
    text = json.dumps({"data": data}, allow_nan=False, default=str) if _is_json(data) else json.dumps({"data": []})
    message = parse_message(text)
    assert len(message.incoming) + len(message.rejected) == len(json.loads(text)["data"])
    for one in message.incoming:
        assert Tracked.from_json(one.event.to_json()) == one.event


def _is_json(data):
    with contextlib.suppress(ValueError):
        json.dumps(data, allow_nan=False)
        return True
    return False


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=EVENTS, text=st.text() | st.binary())
def test_nothing_that_is_sent_harms_the_sandbox(sandbox, clock, data, text):
    with contextlib.closing(Tracker(sandbox, clock, app="any", userId="ana")) as client:
        client.say(text)
        if _is_json(data):
            answer = client.post(*data)
            assert "reportedIds" in answer
        client.track("init")
    with sandbox.client("any") as app:
        for load in (nu.load_users, nu.load_devices, nu.load_live_events, nu.load_live_users, nu.load_quick_glance):
            load(app)
        nu.load_daily(app, "2000-01-01", "2000-01-03")
    assert list(sandbox.failures) == []


def test_a_message_that_is_too_large_closes_the_connection_only(clock):
    with nu.Sandbox(clock=clock, limits=Limits(message_bytes=2000)) as sandbox:
        client = Tracker(sandbox, clock, userId="ana")
        with pytest.raises(ConnectionClosed) as closed:
            client.say("x" * 3000)
        assert closed.value.rcvd.code == 1009
        client.close()
        again = Tracker(sandbox, clock, userId="ana")
        again.track("init")
        again.close()
        assert _post(sandbox, b"x" * 3000)[0] == 413
        assert sandbox.arrivals().loc[0, ["events", "rejected_messages"]].tolist() == [1, 2]
        assert sandbox.rejections() == {"The message is too large. Send fewer events at once.": 2}


def test_a_message_in_many_pieces_is_one(sandbox, tracker):
    client = tracker(userId="ana")
    assert client.say_in_pieces(['{"data"', ": ", "[]", "}"]) == {"reportedIds": []}
    with pytest.raises(ConnectionClosed) as closed:  # while it sends, or after that
        client.say_in_pieces(["x" * 1_000_000] * 5)
    assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"apps": 1}, "already holds 1 app, its limit"),
        ({"sessions": 1}, "no more sessions"),
        ({"data_bytes": 40_000}, "is full"),
        ({"messages_per_second": 0.2}, "Too many messages"),
    ],
)
def test_what_is_beyond_a_limit_is_not_acknowledged(clock, limits, error):
    with nu.Sandbox(clock=clock, limits=Limits(**limits)) as sandbox:
        first = Tracker(sandbox, clock, app="one", userId="ana")
        first.track("init")
        second = Tracker(sandbox, clock, app="one" if "apps" not in limits else "two", session="2")
        payload = {"text": "x" * 10_000}
        answers = [second.post(second.event("init", payload=payload)) for _ in range(4)]
        assert error in answers[-1].get("error", "")
        assert "reportedIds" not in answers[-1]
        first.close()
        second.close()
        assert list(sandbox.failures) == []


def test_one_connection_too_many_is_hung_up_on(clock):
    with nu.Sandbox(clock=clock, limits=Limits(connections=2)) as sandbox:
        clients = [Tracker(sandbox, clock), Tracker(sandbox, clock)]
        with pytest.raises((OSError, EOFError, WebSocketException)):
            Tracker(sandbox, clock)
        for client in clients:
            client.close()
        _until_accepted(sandbox, clock)


def _until_accepted(sandbox, clock):
    """Connect as soon as the server has noticed that the others have gone."""
    for attempt in range(200):
        try:
            Tracker(sandbox, clock).close()
        except (OSError, EOFError, WebSocketException):
            if attempt == 199:
                raise
            time.sleep(0.02)
        else:
            return


def _post(sandbox, body, headers=None, path=f"/app/{APP}/track", method="POST"):
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"body": b"no"}, 400),
        ({"body": None, "method": "GET"}, 405),
        ({"body": b"{}", "method": "PUT"}, 405),
        ({"body": b"{}", "headers": {"Content-Length": "x"}}, 411),
        ({"body": b"{}", "headers": {"Host": "evil.example"}}, 421),
        ({"body": b"{}", "path": "/app/a%2Fb/track"}, 404),
        ({"body": b"{}", "path": "/app/%2E%2E/track"}, 404),
        ({"body": b"{}", "path": "/app/%ff/track"}, 400),
        ({"body": b"{}", "path": f"/app/{'x' * 65}/track"}, 404),
        ({"body": iter([b"{}"])}, 411),
    ],
)
def test_a_request_that_is_none_gets_an_error(sandbox, request_, status):
    found, body = _post(sandbox, **request_)
    assert (found, list(json.loads(body))) == (status, ["error"])


def test_an_address_that_is_none_gets_an_error(sandbox):
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as line:
        line.sendall(b"POST http://[/app/a/track HTTP/1.1\r\n\r\n")
        answer = b"".join(iter(lambda: line.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"The path is not a valid URL." in answer


def test_a_wrong_method_is_answered_with_those_that_are_right(sandbox):
    tracking = requests.put(f"http://127.0.0.1:{sandbox.port}/app/{APP}/track", timeout=10)
    api = requests.put(f"{sandbox.base_url}/apps/{APP}/users", headers={"Authorization": sandbox.token}, timeout=10)
    assert [answer.headers["Allow"] for answer in (tracking, api)] == ["GET, POST, OPTIONS", "GET, DELETE"]


def test_what_cannot_be_stored_takes_no_place_from_apps_and_is_counted(sandbox, tracker):
    for number in range(25):
        assert _post(sandbox, b"garbage", path=f"/app/x{number}/track")[0] == 400
    assert _post(sandbox, b'{"data": [{}]}', path="/app/x0/track")[0] == 200
    tracker(userId="ana").track("init")
    table = sandbox.arrivals().set_index("app_id")
    assert table.index.tolist() == [APP, "x0", "x1", "x2", "x3", "x4", "(other)"]
    assert table["rejected_messages"].tolist() == [0, 1, 1, 1, 1, 1, 20]
    assert table["rejected_events"].sum() == 1
    assert sandbox.rejections() == {"The message is not JSON.": 25, "name is missing.": 1}


def test_a_handshake_that_is_none_is_refused(sandbox):
    for headers in ({"Upgrade": "websocket"}, {"Upgrade": "websocket", "Connection": "Upgrade"}):
        assert _post(sandbox, None, headers, method="GET")[0] in (400, 426)
    assert sandbox.rejections() == {"The handshake of a WebSocket failed.": 2}


def test_bytes_that_are_no_frames_end_one_connection_only(sandbox, tracker):
    key = base64.b64encode(os.urandom(16)).decode()
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as line:
        head = [
            f"GET /app/{APP}/track HTTP/1.1",
            f"Host: 127.0.0.1:{sandbox.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        line.sendall("\r\n".join([*head, "", ""]).encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 101")
        line.sendall(b"\xff" * 100)
        while line.recv(4096):
            pass
    tracker(userId="ana").track("init")


def test_a_connection_that_is_cut_is_forgotten(sandbox, clock):
    client = Tracker(sandbox, clock)
    assert len(sandbox._server._open) == 1
    client.socket.socket.shutdown(socket.SHUT_RDWR)
    client.close()
    for _ in range(200):
        if not sandbox._server._open:
            break
        time.sleep(0.02)
    assert not sandbox._server._open


def test_a_ping_is_answered(sandbox):
    with connect(f"{sandbox.endpoint}/app/{APP}/track") as line:
        assert line.ping().wait(10)
