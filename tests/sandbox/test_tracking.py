"""What tracking clients report, as the loaders show it."""

import contextlib
import datetime as dt
import json

import pandas as pd
import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import nucleus_pandas as nu
from tests.sandbox.conftest import APP, DAY, HOUR, MINUTE, NOON, log_of

WEEK = {"start": "2026-11-15", "end": "2026-11-21"}


def test_a_session_comes_out_as_it_was_tracked(tracker, app, clock):
    client = tracker(anonId="abcdefghijkl")
    client.track("init", payload={"plan": "pro"})
    clock.forward(MINUTE)
    client.track("userid", userId="ana@example.org")
    client.track("props", payload={"plan": "pro", "seats": 3, "beta": True})
    client.track("nucleus:view", "/editor", {"tab": "a"})
    client.track("event", "EXPORT_PDF", {"pages": 2, "format": "A4", "draft": False})
    clock.forward(MINUTE)
    client.track("error", "uncaughtException", {"message": "no", "stack": "at /home/ana/app.js:1"})
    users, log = nu.load_users(app), log_of(app)
    assert users.loc[0, ["user_id", "platform_raw", "version", "props.plan", "props.seats", "props.beta"]].tolist() == [
        *("ana@example.org", "Linux", "1.2.0", "pro", 3, True)
    ]
    assert log["event"].tolist() == ["init", "nucleus:view", "EXPORT_PDF", "error:uncaughtException"]
    assert log["kind"].tolist() == ["init", "view", "custom", "error"]
    assert log["user_id"].unique().tolist() == ["ana@example.org"]
    assert log["data.view"].dropna().tolist() == ["/editor"]
    assert log["data.pages"].dropna().tolist() == [2]
    assert log["data.draft"].dropna().tolist() == [False]
    assert log["data.message"].dropna().tolist() == ["no"]
    session = nu.load_sessions(app, users).loc[0]
    assert (session["device_id"], session["session_id"], session["duration_seconds"]) == ("device/1+=", "4821", 120)
    assert (session["actions"], session["errors"]) == (3, 1)


def test_every_endpoint_shows_it(tracker, app, clock):
    client = tracker(userId="ana")
    client.track("init", payload={"plan": "pro"}, totalRam=15.4)
    client.track("event", "EXPORT_PDF", {"pages": 2})
    client.track("error", "MyError", {"message": "no", "stack": "x"})
    clock.forward(MINUTE)
    assert nu.load_quick_glance(app)["current"].tolist() == [1, 1, 1, 1]
    assert nu.load_daily(app, **WEEK).set_index("day").loc["2026-11-20", ["new_users", "sessions"]].tolist() == [1, 1]
    assert nu.load_hours(app, "2026-11-20", "2026-11-20").set_index("hour").loc[12, "sessions"] == 1
    dimensions = nu.load_dimensions(app, **WEEK).set_index("dimension")["value"]
    reported = {"platform": "linux", "platform_raw": "Linux"}
    assert dimensions.to_dict() == {**reported, "ram_gb": "15", "language": "en", "version": "1.2.0"}
    assert nu.load_totals(app, **WEEK).loc[0].tolist() == [1, 1]
    assert nu.load_event_counts(app, **WEEK).query("count > 0")["event"].tolist() == ["EXPORT_PDF"]
    assert nu.load_error_counts(app, **WEEK).query("count > 0")["error"].tolist() == ["MyError"]
    properties = nu.load_event_properties(app, **WEEK)
    assert set(zip(properties["event"], properties["attribute"], strict=True)) >= {("EXPORT_PDF", "pages")}
    assert nu.load_attribute(app, "EXPORT_PDF", "pages", **WEEK)["value"].tolist() == ["2"]
    assert nu.load_user(app, "ana").loc[0, "user_id"] == "ana"
    assert nu.load_devices(app)["device_id"].tolist() == ["device/1+="]
    assert len(log_of(app)) == 3
    assert nu.load_live_events(app)["event"].tolist() == ["error:MyError", "EXPORT_PDF", "init"]
    assert nu.load_live_users(app)["user_id"].tolist() == ["ana"]
    assert nu.load_live_user_count(app).loc[0, "users"] == 1


def test_a_run_without_init_is_not_visible_until_its_init_arrives(tracker, app):
    client = tracker(userId="ana")
    client.track("event", "EXPORT_PDF")
    assert len(nu.load_users(app)) == 0
    assert nu.load_quick_glance(app)["current"].tolist() == [0, 0, 0, 0]
    client.track("init")
    assert set(log_of(app)["event"]) == {"init", "EXPORT_PDF"}


def test_30_minutes_of_silence_begin_a_new_session_with_the_same_id(tracker, app, clock):
    client = tracker(userId="ana")
    client.track("init")
    clock.forward(30 * MINUTE)
    client.track("event", "A")
    clock.forward(30 * MINUTE + dt.timedelta(milliseconds=1))
    client.track("event", "B")
    sessions = nu.load_sessions(app, nu.load_users(app))
    assert sessions["session_id"].tolist() == ["4821", "4821"]
    assert sessions["actions"].tolist() == [2, 1]
    assert sessions["duration_seconds"].tolist() == [1800, 0]
    log = log_of(app)
    assert log.groupby("session_start")["event"].agg(list).tolist() == [["init", "A"], ["B"]]


def test_heartbeats_are_no_activity_but_show_who_is_online(tracker, app, clock):
    client = tracker(userId="ana")
    client.track("init")
    clock.forward(20 * MINUTE)
    assert client.say({"data": [{"type": "heartbeat", "machineId": "device/1+="}]}) == {"reportedIds": []}
    assert len(log_of(app)) == 1
    assert len(nu.load_live_events(app)) == 0
    assert nu.load_live_users(app)["user_id"].tolist() == ["ana"]
    clock.forward(20 * MINUTE)
    client.track("event", "A")
    assert len(nu.load_sessions(app, nu.load_users(app))) == 2


def test_a_heartbeat_of_a_device_that_nobody_knows_is_no_user(tracker, app):
    tracker().say({"data": [{"type": "heartbeat", "machineId": "stranger"}]})
    assert nu.load_live_user_count(app).loc[0, "users"] == 0


def test_what_was_kept_offline_lies_where_it_happened(tracker, app, clock):
    client = tracker(userId="ana")
    start = clock.now
    queue = [client.event("init")]
    clock.forward(MINUTE)
    queue.append(client.event("event", "A"))
    clock.forward(47 * HOUR)
    assert len(client.post(*queue)["reportedIds"]) == 2
    assert log_of(app)["time"].tolist() == [pd.Timestamp(start), pd.Timestamp(start + MINUTE)]
    assert nu.load_users(app).loc[0, "last_seen"] == start + MINUTE
    assert nu.load_users(app).loc[0, "created_at"] == start


def test_events_that_arrive_in_the_wrong_order_are_one_session(tracker, app, clock):
    client = tracker(userId="ana")
    early = client.event("init")
    clock.forward(20 * MINUTE)
    middle = client.event("event", "MIDDLE")
    clock.forward(20 * MINUTE)
    client.post(client.event("event", "LATE"))
    client.post(middle)
    client.post(early)
    sessions = nu.load_sessions(app, nu.load_users(app))
    assert sessions["duration_seconds"].tolist() == [2400]
    assert sessions.loc[0, "start"] == NOON
    assert nu.load_hours(app, "2026-11-20", "2026-11-20").query("sessions > 0")["hour"].tolist() == [12]
    assert sorted(log_of(app)["event"]) == ["LATE", "MIDDLE", "init"]


def test_a_clock_that_is_ahead_moves_neither_the_creation_nor_the_last_visit(tracker, app, clock):
    client = tracker(userId="ana")
    client.track("init", date="2031-01-01T00:00:00Z")
    user = nu.load_users(app).loc[0]
    assert (user["created_at"], user["last_seen"]) == (NOON, NOON)
    assert log_of(app)["time"].dt.year.tolist() == [2031]


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2026-11-20T11:59:59.500Z", "11:59:59.500"),
        ("2026-11-20T12:59:59.500+01:00", "11:59:59.500"),
        ("2026-11-20T11:59:59.500", "11:59:59.500"),
        (1795175999500, "11:59:59.500"),
        (1795175999500.7, "11:59:59.500"),
        (None, "12:00:00.000"),
    ],
)
def test_dates_are_iso_or_milliseconds_or_the_time_of_arrival(tracker, app, date, expected):
    tracker(userId="ana").track("init", date=date)
    assert log_of(app)["time"].dt.strftime("%H:%M:%S.%f").tolist() == [expected + "000"]


def test_the_oldest_client_is_understood(tracker, app):
    client = tracker()
    queue = [
        {
            "appType": "electron",
            "event": name,
            "date": "2026-11-20T12:00:00.000Z",
            "userId": "ana",
            "sessionId": 4821,
            "machineId": "m1",
            "platform": "win32",
            "totalRam": 15.9,
            "version": "0.0.0",
            "language": "en",
            "payload": payload,
            "process": "renderer",
        }
        for name, payload in (
            ("init", None),
            ("nucleus:beacon", None),
            ("error:windowError", {"message": "no", "stack": "x"}),
            ("CLICK", {"n": 1}),
        )
    ]
    for number in (0.25, "0.5"):
        answer = client.say({"confirmation": number, "data": queue})
        assert answer == {"reportedIds": [], "confirmation": number}
    log = log_of(app)
    assert log["event"].tolist() == ["init", "error:windowError", "CLICK"]
    assert log.loc[0, ["device_id", "platform_raw", "version", "locale", "ram_gb"]].tolist() == [
        *("m1", "win32", "0.0.0", "en", 16)
    ]


def test_a_device_has_the_version_that_it_ran_last(tracker, app, clock):
    tracker(userId="ana", session="1").track("init", version="1.0.0")
    clock.forward(HOUR)
    tracker(userId="ana", session="2").track("init", version="1.1.0")
    assert nu.load_devices(app)[["device_id", "version"]].to_numpy().tolist() == [["device/1+=", "1.1.0"]]
    assert log_of(app)["version"].tolist() == ["1.0.0", "1.1.0"]


def test_session_ids_as_text_and_as_number_are_the_same(tracker, app):
    client = tracker(userId="ana")
    client.track("init", sessionId=99)
    client.track("event", "A", sessionId="99")
    assert nu.load_sessions(app, nu.load_users(app))["actions"].tolist() == [2]


def test_properties_are_merged_and_null_takes_one_away(tracker, app):
    client = tracker(userId="ana")
    client.track("init", payload={"plan": "free", "seats": 1})
    client.track("props", payload={"plan": "pro", "seats": None})
    users = nu.load_users(app)
    assert users["props.plan"].tolist() == ["pro"]
    assert "props.seats" not in users


def test_values_that_are_no_properties_are_left_out_and_counted(tracker, sandbox, app):
    client = tracker(userId="ana")
    client.track("init")
    client.track("event", "A", {"list": [1], "object": {"a": 1}, "huge": 10**30, "n": 1})
    client.track("event", "B", "a text")
    log = log_of(app)
    assert [name for name in log if name.startswith("data.")] == ["data.n"]
    assert sandbox.arrivals().loc[0, "dropped_properties"] == 4


@pytest.mark.parametrize(("locale", "language"), [("en-GB", "en"), ("en_GB", "en"), ("fr", "fr"), ("C", "C")])
def test_languages_come_from_every_spelling_of_a_locale(tracker, app, locale, language):
    tracker(userId="ana").track("init", locale=locale)
    dimensions = nu.load_dimensions(app, **WEEK).set_index("dimension")["value"]
    assert dimensions["language"] == language


def test_only_events_count_as_events(tracker, sandbox):
    client = tracker()
    for kind in ("init", "userid", "props", "heartbeat", "nucleus:view"):
        client.track(kind, userId="ana")
    assert sandbox.arrivals().loc[0, "events"] == 2


def test_apps_do_not_see_each_other(tracker, sandbox):
    tracker(userId="ana", app="one").track("init")
    tracker(userId="ben", app="two").track("init")
    for name, user in (("one", "ana"), ("two", "ben")):
        with sandbox.client(name) as client:
            assert nu.load_users(client)["user_id"].tolist() == [user]


def test_an_app_that_nothing_has_come_for_is_empty(app, sandbox):
    assert len(nu.load_users(app)) == 0
    assert nu.load_quick_glance(app)["current"].tolist() == [0, 0, 0, 0]
    assert len(sandbox.arrivals()) == 0


def test_a_post_takes_the_same_messages(tracker, sandbox, app):
    import http.client

    event = tracker(userId="ana").event("init")
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    for path in (f"/app/{APP}/track", f"/{APP}/", f"/{APP}"):
        connection.request("POST", path, json.dumps({"data": [event]}), {"Origin": "http://localhost:5173"})
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (200, {"reportedIds": [event["id"]]})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    connection.close()
    assert len(log_of(app)) == 1


def test_a_browser_may_ask_first(sandbox):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    headers = {"Origin": "http://localhost:5173", "Access-Control-Request-Method": "POST"}
    connection.request("OPTIONS", f"/app/{APP}/track", headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert (answer.status, answer.headers["Access-Control-Allow-Methods"]) == (204, "POST")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


ALLOWED = ["https://app.example"]


@pytest.mark.parametrize(
    ("origin", "allowed", "status"),
    [
        *((origin, (), 200) for origin in (None, "null", "file://", "app://.", "tauri://localhost")),
        *((origin, (), 200) for origin in ("http://LOCALHOST:5173", "https://127.0.0.1", "http://[::1]:3000")),
        ("http://tauri.localhost", (), 200),
        *((origin, (), 403) for origin in ("https://app.example", "http://localhost.evil.example", "http://[", "")),
        ("https://app.example", ["https://APP.example:443/"], 200),
        ("https://app.example:8443", ALLOWED, 403),
        ("http://app.example", ALLOWED, 403),
        ("https://evil.example", ["*"], 200),
    ],
)
def test_pages_of_websites_can_send_only_if_allowed(clock, origin, allowed, status):
    headers = {} if origin is None else {"Origin": origin}
    with nu.Sandbox(clock=clock, allow_origins=allowed) as sandbox:
        url = f"http://127.0.0.1:{sandbox.port}/app/{APP}/track"
        posted = requests.post(url, b'{"data": []}', headers=headers, timeout=10)
        asked = requests.options(url, headers=headers, timeout=10)
        assert (posted.status_code, asked.status_code) == (status, 204 if status == 200 else 403)
        assert ("Access-Control-Allow-Origin" in asked.headers) == (status == 200)
        assert sum(sandbox.rejections().values()) == (0 if status == 200 else 2)
        refused = contextlib.nullcontext() if status == 200 else pytest.raises(InvalidStatus)
        with refused, connect(url.replace("http", "ws"), additional_headers=headers):
            pass


@pytest.mark.parametrize("origins", [["app.example"], ["https://app.example/page"], [""], [None]])
def test_what_is_no_origin_is_refused(origins):
    with pytest.raises(ValueError, match=r"is not an origin\. Write scheme and host"):
        nu.Sandbox(allow_origins=origins)


def test_what_arrived_syncs_once_and_answers_analyses(tracker, sandbox, app, clock, tmp_path):
    names = ["PROJECT_CREATED", "EXPORT_PDF"]
    clock.now -= 14 * DAY
    clients = [tracker(userId=f"user {n}", device=f"d{n}", session=str(n)) for n in range(4)]
    for n, client in enumerate(clients):
        client.track("init")
        for name in names[: n % 3]:
            clock.forward(MINUTE)
            client.track("event", name)
    clock.forward(7 * DAY)
    again = tracker(userId="user 1", device="d1", session="77")
    again.track("init")
    again.track("error", "uncaughtException", {"message": "no", "stack": "x"})
    clock.now = NOON
    span = {"start": "2026-11-05", "end": "2026-11-15"}
    store = nu.EventStore(tmp_path / "store.duckdb")
    nu.sync(app, store, **span)
    nu.sync(app, store, **span)
    log = nu.EventLog(store)
    assert len(store.events()) == sandbox.arrivals().loc[0, "events"] == 9
    assert store.events().duplicated().sum() == 0
    funnel = nu.funnel(log, ["init", *names], window="1d", **span)
    assert funnel["users"].tolist() == [4, 2, 1]
    assert nu.retention(log, **span)["retained"].max() == 4
    assert nu.error_free(nu.load_sessions(app, nu.load_users(app)), freq=None)["sessions"].tolist() == [5]
