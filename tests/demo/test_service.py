"""The 13 endpoints, over real sockets: shapes and counts by hand on a tiny app, and by brute force on the big one."""

import http.client
import json
import socket
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlencode

import pytest

from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.planted import truth_of
from nucleus_pandas.demo.records import DAY_MS, HOUR_MS, from_ms, to_ms
from nucleus_pandas.demo.service import DemoService
from tests.demo.handmade import END, app_of, at, session, two_friends, user

PARIS_DAY = {"start": at("10-24 22:00") // 1000, "end": at("10-25 23:00") // 1000, "utcOffset": 120}
ALL = {"start": at("10-20 00:00") // 1000, "end": at("10-30 00:00") // 1000}


class Caller:
    """A client that keeps one connection open."""

    def __init__(self, service):
        self.service = service
        self.connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)

    def ask(self, path, *, method="GET", headers=None, body=None, root="/api/v1/apps/demo/", **query):
        """Return status, headers and body as bytes."""
        target = root + path + ("?" + urlencode(query, quote_via=quote) if query else "")
        self.connection.request(method, target, body, {"Authorization": "demo-token"} | (headers or {}))
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def get(self, path, **query):
        """Return the JSON of an answer that must be a success."""
        status, _, body = self.ask(path, **query)
        assert status == 200, body
        return json.loads(body)

    def status(self, path, **options):
        return self.ask(path, **options)[0]


@pytest.fixture
def serve():
    """Start services that end with the test, and must have had no bug."""
    callers = []

    def start(app=None, **settings):
        service = DemoService(app or two_friends(), **{"as_of": END} | settings).start()
        callers.append(Caller(service))
        return callers[-1]

    yield start
    for caller in callers:
        caller.connection.close()
        caller.service.stop()
        assert caller.service.failures == []


@pytest.fixture(scope="module")
def tiny():
    """A client of the app made by hand, for tests that only read."""
    with DemoService(two_friends(), as_of=END) as service:
        caller = Caller(service)
        yield caller
        caller.connection.close()
    assert service.failures == []


@pytest.fixture(scope="module")
def big():
    """The default app and a client of it, at the end of its data."""
    app = build_app()
    with DemoService(app, as_of=app.end) as service:
        caller = Caller(service)
        yield caller
        caller.connection.close()
    assert service.failures == []


def value_counts(rows):
    return {row["value"]: row["count"] for row in rows}


def test_daily_counts_by_the_offset_asked_for(tiny):
    data = tiny.get("analytics", **PARIS_DAY)["data"]
    # At UTC+2, the 25th hour of Paris' day lies on the next date, as it does at the real service.
    assert data["totalNumbers"] == {"users": 1, "installs": 1}
    assert data["usage"] == {"2026-10-25": 1, "2026-10-26": 1}
    assert data["activeUsers"] == {"2026-10-25": 1, "2026-10-26": 1}
    assert data["newUsers"] == {"2026-10-25": 1}
    assert data["nonNewUsers"] == {"2026-10-25": 0, "2026-10-26": 1}
    assert data["avgSessionDuration"] == {"2026-10-25": 90.5, "2026-10-26": 3600}


def test_hours_end_with_the_last_that_is_not_empty(tiny):
    assert tiny.get("analytics", **PARIS_DAY)["data"]["hours"] == {"2026-10-25": [0, 1], "2026-10-26": [1]}


def test_lists_count_sessions_and_leave_out_what_is_unknown(tiny):
    data = tiny.get("analytics", **ALL)["data"]
    assert data["platforms"] == [{"value": "win", "count": 4}]
    assert data["languages"] == [{"value": "fr", "count": 4}]
    assert data["countries"] == [{"value": "FR", "count": 3}]
    assert data["versions"] == [{"value": "1.0.0", "count": 3}, {"value": "0.9.0", "count": 1}]
    assert data["ram"] == [{"value": 16, "count": 3}]


def test_an_interval_without_anything_has_empty_lists_and_days(tiny):
    data = tiny.get("analytics", start=0, end=86_400)["data"]
    assert data.pop("totalNumbers") == {"users": 0, "installs": 0}
    assert set(data) == {
        *("usage", "newUsers", "activeUsers", "nonNewUsers", "avgSessionDuration", "hours"),
        *("platforms", "ram", "languages", "versions", "countries"),
    }
    assert not any(data.values())


def test_who_signs_up_and_does_not_come_makes_non_new_users_negative(serve):
    caller = serve(app_of(user("a1", "ana", "10-24 12:00")))
    assert caller.get("analytics", **ALL)["data"]["nonNewUsers"] == {"2026-10-24": -1}


def test_events_are_counted_by_name_and_day_and_only_the_apps_own(tiny):
    assert tiny.get("analytics/events", **ALL) == {
        "data": {"EXPORT_PDF": {"2026-10-24": 1, "2026-10-25": 1}, "UNDO": {"2026-10-24": 1}}
    }


def test_errors_are_counted_by_name_and_day(tiny):
    assert tiny.get("analytics/errors", **ALL) == {"data": {"uncaughtException": {"2026-10-25": 1}}}


def test_event_properties_have_a_row_for_each_event_and_type(tiny):
    rows = tiny.get("analytics/eventsprops", **ALL)["data"]
    assert {(row["event"], row["type"], *row["keys"]) for row in rows} == {
        ("init", "string", "plan"),
        ("init", "boolean", "beta"),
        ("EXPORT_PDF", "string", "format", "pages"),
        ("EXPORT_PDF", "number", "pages"),
        ("error:uncaughtException", "string", "message", "stack"),
        ("nucleus:view", "string", "view"),
    }


def test_an_attribute_is_counted_by_value_whatever_its_type(tiny):
    assert tiny.get("analytics/events/init/plan", **ALL)["data"] == [
        {"value": "pro", "count": 3},
        {"value": "free", "count": 1},
    ]
    assert tiny.get("analytics/events/EXPORT_PDF/pages", **ALL)["data"] == [
        {"value": 2, "count": 1},
        {"value": "two", "count": 1},
    ]


def test_one_and_true_are_two_values(serve):
    ana = user("a1", "ana", "10-24 12:00")
    session(ana, "1111", "10-24 12:00", (1, "X", {"k": 1}), (2, "X", {"k": True}), (3, "X", {"k": True}))
    rows = serve(app_of(ana)).get("analytics/events/X/k", **ALL)["data"]
    assert json.dumps(rows) == '[{"value": true, "count": 2}, {"value": 1, "count": 1}]'


def test_without_an_attribute_the_attributes_are_counted(tiny):
    assert value_counts(tiny.get("analytics/events/init", **ALL)["data"]) == {"plan": 4, "beta": 1}


def test_an_unknown_event_or_attribute_has_no_values(tiny):
    assert tiny.get("analytics/events/nope/plan", **ALL) == {"data": []}
    assert tiny.get("analytics/events/init/nope", **ALL) == {"data": []}


def test_quickglance_compares_the_last_24_hours_with_those_before(serve):
    caller = serve(as_of=datetime(2026, 10, 26, 0, 0, tzinfo=UTC))
    assert caller.get("analytics/quickglance") == {
        "data": {
            **{"installs": 0, "users": 1, "appStarts": 2, "errors": 1},
            **{"previousInstalls": 1, "previousUsers": 1, "previousAppStarts": 1, "previousErrors": 0},
        }
    }


ANA = quote("ana/ó@example.org", safe="")
ANA_USER = {
    "_id": "a1",
    "userId": "ana/ó@example.org",
    "createdAt": "2026-10-24T23:10:00.000Z",
    "lastSeen": "2026-10-25T23:30:00.000Z",
    "devices": [
        {
            "_id": "device/a1+==",
            "lastSeen": "2026-10-25T23:30:00.000Z",
            "platform": "win",
            "osVersion": "10.0",
            "version": "1.0.0",
        }
    ],
    "props": {"plan": "pro", "seats": 5},
}
DEVICE = {"device": "device/a1+=="}


def test_users_are_shaped_as_published(tiny):
    ana, nobody = tiny.get("users")["data"]
    assert ana == ANA_USER
    assert (nobody["_id"], nobody["anonId"]) == ("b2", "anon")
    assert "userId" not in nobody


def test_a_page_size_cuts_the_rows_and_not_the_total(serve):
    answer = serve(page_size=1).get("users")
    assert (answer["total"], len(answer["data"])) == (2, 1)


def test_a_user_comes_with_sessions_in_no_order(tiny):
    answer = tiny.get(f"users/{ANA}")
    assert answer["user"] == ANA_USER | {"appId": "demo", "__v": 0, "updatedAt": "2026-10-25T23:30:00.000Z"}
    assert sorted(answer["sessions"], key=lambda row: row["start"])[1] == {
        "device": "device/a1+==",
        "actions": 1,
        "errors": 1,
        "start": "2026-10-25T22:30:00.000Z",
        "end": "2026-10-25T23:30:00.000Z",
        "session": "2222",
    }


def test_an_init_event_is_shaped_as_published(tiny):
    init, _ = tiny.get(f"users/{ANA}/session/2222", **DEVICE)["data"]
    assert init == {
        "app_id": "demo",
        "platform": "win",
        "user_id": "ana/ó@example.org",
        "machine_id": "device/a1+==",
        "version": "1.0.0",
        "locale": "fr-FR",
        "renderer": None,
        "module_version": "2.6.0",
        "avail_ram": 16,
        "type": "init",
        "time": "2026-10-25T22:30:00.000Z",
        "country": "FR",
        "arch": "x64",
        "first_time": False,
        "session_id": "2222",
        "error_hash": None,
        "os_version": "10.0",
        "data": {"plan": "pro"},
        "duration": None,
    }


def test_an_error_event_has_its_name_in_its_type_and_a_hash(tiny):
    _, error = tiny.get(f"users/{ANA}/session/2222", **DEVICE)["data"]
    assert (error["type"], error["data"]) == ("error:uncaughtException", {"message": "no", "stack": "x"})
    assert len(error["error_hash"]) == 16


def test_other_events_say_nothing_of_platform_version_locale_and_country(tiny):
    event = tiny.get(f"users/{ANA}/session/1111", **DEVICE)["data"][1]
    told = ("platform", "version", "locale", "country", "arch", "os_version", "avail_ram")
    assert (event["type"], [event[key] for key in told]) == ("EXPORT_PDF", [None] * 7)


def test_sessions_of_one_id_on_one_device_come_together(tiny):
    events = tiny.get(f"users/{ANA}/session/1111", **DEVICE)["data"]
    assert [event["type"] for event in events] == ["init", "EXPORT_PDF", "UNDO", "init", "EXPORT_PDF"]


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        (f"users/{ANA}/session/1111", {}, 400),
        (f"users/{ANA}/session/1111", {"device": ""}, 400),
        (f"users/{ANA}/session/1111", {"device": "another"}, 404),
        (f"users/{ANA}/session/9999", DEVICE, 404),
        ("users/nobody/session/1111", DEVICE, 404),
        ("users/nobody", {}, 404),
        ("users/%FF", {}, 400),
    ],
)
def test_unknown_users_and_sessions_and_a_missing_device_are_refused(tiny, path, query, status):
    assert tiny.status(path, **query) == status


@pytest.mark.parametrize(
    ("user_path", "by_user_id", "by_db_id"), [("user_id", 200, 404), ("_id", 404, 200), ("both", 200, 200)]
)
def test_a_user_goes_by_the_id_that_the_service_is_set_to(serve, user_path, by_user_id, by_db_id):
    caller = serve(user_path=user_path)
    assert (caller.status(f"users/{ANA}"), caller.status("users/a1")) == (by_user_id, by_db_id)


@pytest.mark.parametrize("user_path", ["user_id", "_id", "both"])
def test_a_user_without_user_id_always_goes_by_the_services_own(serve, user_path):
    assert serve(user_path=user_path).status("users/b2") == 200


def test_awkward_user_ids_are_found_when_quoted(big):
    awkward = [u.user_id for u in big.service.app.users if u.user_id and not u.user_id.endswith("@example.org")]
    assert len(awkward) > 20
    for user_id in awkward:
        assert big.get(f"users/{quote(user_id, safe='')}")["user"]["userId"] == user_id


def test_delete_erases_a_user_from_every_endpoint(serve):
    tiny = serve()
    status, headers, body = tiny.ask(f"users/{ANA}", method="DELETE")
    assert (status, body, headers["Content-Length"]) == (204, b"", None)
    assert tiny.status(f"users/{ANA}") == 404
    assert tiny.status(f"users/{ANA}", method="DELETE") == 404
    assert tiny.get("users")["total"] == 1
    assert tiny.get("analytics", **ALL)["data"]["usage"] == {"2026-10-26": 1}
    assert tiny.get("analytics", **ALL)["data"]["newUsers"] == {"2026-10-26": 1}
    assert tiny.get("analytics/events", **ALL) == {"data": {}}
    assert tiny.get("analytics/errors", **ALL) == {"data": {}}
    assert value_counts(tiny.get("analytics/events/init/plan", **ALL)["data"]) == {"free": 1}


def test_what_an_erased_user_sent_late_does_not_bring_them_back(serve):
    caller = serve(as_of=datetime(2026, 10, 25, 22, 45, tzinfo=UTC))
    assert caller.status(f"users/{ANA}", method="DELETE") == 204
    caller.service.as_of = END
    assert [row["_id"] for row in caller.get("users")["data"]] == ["b2"]


def test_another_service_of_the_same_app_keeps_the_user(serve):
    app = two_friends()
    first, second = serve(app), serve(app)
    assert first.status(f"users/{ANA}", method="DELETE") == 204
    assert second.status(f"users/{ANA}") == 200


def test_what_was_not_received_yet_is_not_there(serve):
    caller = serve(as_of=datetime(2026, 10, 26, 12, 0, tzinfo=UTC))
    # The anonymous user is known since 09:00; their session of then is sent 30 hours late.
    assert caller.get("users")["total"] == 2
    assert caller.get("users/b2")["sessions"] == []
    assert caller.get("analytics", **ALL)["data"]["usage"] == {"2026-10-24": 1, "2026-10-25": 2}
    caller.service.as_of = END
    assert len(caller.get("users/b2")["sessions"]) == 1


def test_a_session_grows_as_its_events_are_received(serve):
    caller = serve(as_of=datetime(2026, 10, 25, 22, 45, tzinfo=UTC))

    def last():
        sessions = caller.get(f"users/{ANA}")["sessions"]
        return max((row["start"], row["end"], row["errors"]) for row in sessions)

    assert last() == ("2026-10-25T22:30:00.000Z", "2026-10-25T22:30:00.000Z", 0)
    caller.service.as_of = datetime(2026, 10, 26, 0, 0, tzinfo=UTC)
    sessions = caller.get(f"users/{ANA}")["sessions"]
    assert {row["session"]: (row["end"], row["errors"]) for row in sessions}["2222"] == ("2026-10-25T23:30:00.000Z", 1)


def test_a_user_is_not_there_before_creation(serve):
    caller = serve(as_of=datetime(2026, 10, 24, 23, 9, tzinfo=UTC))
    assert caller.get("users") == {"total": 0, "data": []}


def test_the_date_header_follows_the_services_clock(tiny):
    _, headers, _ = tiny.ask("users")
    assert parsedate_to_datetime(headers["Date"]) == END


def test_without_as_of_it_is_now(serve):
    _, headers, _ = serve(as_of=None).ask("users")
    assert abs(parsedate_to_datetime(headers["Date"]) - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(("sign", "day"), [("east", "2026-10-26"), ("west", "2026-10-25")])
def test_the_offset_counts_in_the_direction_that_is_set(serve, sign, day):
    caller = serve(utc_offset_sign=sign)
    interval = {"start": at("10-25 22:00") // 1000, "end": at("10-25 22:59") // 1000, "utcOffset": 345}
    assert caller.get("analytics", **interval)["data"]["usage"] == {day: 1}


@pytest.mark.parametrize(("inclusive", "sessions"), [(False, 1), (True, 2)])
def test_the_end_belongs_to_the_interval_or_not(serve, inclusive, sessions):
    caller = serve(end_inclusive=inclusive)
    interval = {"start": at("10-25 00:00") // 1000, "end": at("10-25 23:00") // 1000}
    assert sum(caller.get("analytics", **interval)["data"]["usage"].values()) == sessions


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"start": 0},
        {"end": 0},
        {"start": "yesterday", "end": 1},
        {"start": "", "end": 1},
        {"start": 1.5, "end": 2},
        {"start": 2, "end": 1},
        {"start": 1, "end": 1},
        {"start": 0, "end": "9" * 5000},
        {"start": 0, "end": 1, "utcOffset": "CET"},
        {"start": 0, "end": 1, "utcOffset": 1_000_000},
    ],
)
@pytest.mark.parametrize("path", ["", "/events", "/eventsprops", "/events/init/plan", "/errors"])
def test_intervals_must_be_given_as_whole_seconds_start_before_end(tiny, path, query):
    status, headers, body = tiny.ask(f"analytics{path}", **query)
    assert (status, headers.get_content_type(), list(json.loads(body))) == (400, "application/json", ["error"])


def test_live_endpoints_show_the_last_five_minutes(serve):
    caller = serve(as_of=datetime(2026, 10, 24, 23, 14, tzinfo=UTC))
    assert [row["type"] for row in caller.get("live/events")["data"]] == ["UNDO", "EXPORT_PDF", "init"]
    assert caller.get("live/users/count") == {"data": 1}
    assert caller.get("live/users")["data"] == [
        {
            "userDbId": "a1",
            "userId": "ana/ó@example.org",
            "deviceId": "device/a1+==",
            "platform": "win",
            "osVersion": "10.0",
            "country": "FR",
            "lastSeen": "2026-10-24T23:11:30.600Z",
        }
    ]


def test_nobody_is_live_after_five_quiet_minutes(serve):
    caller = serve(as_of=datetime(2026, 10, 24, 23, 17, tzinfo=UTC))
    assert caller.get("live/events") == {"data": []}
    assert caller.get("live/users") == {"data": []}
    assert caller.get("live/users/count") == {"data": 0}


def test_somebody_is_live_at_the_end_of_the_default_app(big):
    assert big.get("live/users/count")["data"] == len(big.get("live/users")["data"]) > 0
    assert big.get("live/events")["data"]


def known(app):
    """Return all events that were received by the end."""
    return [event for event in app.events if event.received_ms <= to_ms(app.end)]


def interval(app, offset_minutes):
    return {"start": to_ms(app.start) // 1000, "end": to_ms(app.end) // 1000, "utcOffset": offset_minutes}


def within(app, ms):
    return to_ms(app.start) <= ms < to_ms(app.end)


def local_day(ms, offset_minutes):
    return from_ms(ms + offset_minutes * 60_000).date().isoformat()


@pytest.mark.parametrize("offset", [0, 345, -720])
def test_event_counts_equal_a_plain_count(big, offset):
    app = big.service.app
    counts = Counter(
        (event.type, local_day(event.time_ms, offset))
        for event in known(app)
        if event.is_custom and within(app, event.time_ms)
    )
    data = big.get("analytics/events", **interval(app, offset))["data"]
    assert {(name, day): n for name, days in data.items() for day, n in days.items()} == counts


@pytest.mark.parametrize("offset", [0, 345, -720])
def test_daily_counts_equal_a_plain_count(big, offset):
    app = big.service.app
    starts = [e for e in known(app) if e.type == "init" and within(app, e.time_ms)]
    usage = Counter(local_day(event.time_ms, offset) for event in starts)
    pairs = {(local_day(event.time_ms, offset), event.session.user.db_id) for event in starts}
    new = Counter(local_day(user.created_ms, offset) for user in app.users)
    hours = Counter((local_day(e.time_ms, offset), (e.time_ms + offset * 60_000) % DAY_MS // HOUR_MS) for e in starts)
    data = big.get("analytics", **interval(app, offset))["data"]
    assert data["usage"] == usage
    assert data["activeUsers"] == Counter(day for day, _ in pairs)
    assert data["newUsers"] == new
    assert {(day, hour): n for day, row in data["hours"].items() for hour, n in enumerate(row) if n} == hours
    assert data["totalNumbers"] == {"users": len({who for _, who in pairs}), "installs": len(app.users)}


def test_attribute_counts_equal_a_plain_count(big):
    app = big.service.app
    plans = Counter(e.data["plan"] for e in known(app) if e.type == "init" and within(app, e.time_ms))
    assert value_counts(big.get("analytics/events/init/plan", **interval(app, 0))["data"]) == plans


def test_days_come_in_no_order_and_days_without_anything_are_absent(big):
    app = big.service.app
    usage = big.get("analytics", **interval(app, 0))["data"]["usage"]
    assert list(usage) != sorted(usage)
    assert truth_of(app).outage_day.isoformat() not in usage
    assert len(usage) == 179


def test_new_users_outnumber_the_active_on_the_outage_day(big):
    outage = truth_of(big.service.app).outage_day.isoformat()
    assert big.get("analytics", **interval(big.service.app, 0))["data"]["nonNewUsers"][outage] < 0


def test_no_memory_is_reported_before_the_version_that_reports_it(big):
    app = big.service.app
    first_month = interval(app, 0) | {"end": to_ms(app.start + timedelta(days=30)) // 1000}
    assert big.get("analytics", **first_month)["data"]["ram"] == []
    assert big.get("analytics", **interval(app, 0))["data"]["ram"]


def test_last_seen_is_never_in_the_future_nor_before_creation(big):
    for row in big.get("users")["data"]:
        assert row["createdAt"] <= row["lastSeen"] <= "2026-11-16T00:00:00.000Z"


@pytest.mark.parametrize("token", ["", "wrong", "Bearer demo-token", "demo-token2"])
def test_a_wrong_token_is_refused(tiny, token):
    status, _, body = tiny.ask("users", headers={"Authorization": token})
    assert (status, list(json.loads(body))) == (401, ["error"])


def test_a_missing_token_is_refused(tiny):
    tiny.connection.request("GET", "/api/v1/apps/demo/users")
    answer = tiny.connection.getresponse()
    answer.read()
    assert answer.status == 401


@pytest.mark.parametrize("host", ["example.org", "example.org:80", "127.0.0.1", "127.0.0.1:1", "localhost.evil:1", ""])
def test_a_foreign_host_is_refused(tiny, host):
    assert tiny.status("users", headers={"Host": host}) == 421


def test_localhost_is_no_foreign_host(tiny):
    assert tiny.status("users", headers={"Host": f"localhost:{tiny.service.port}"}) == 200


@pytest.mark.parametrize(
    "path",
    [
        "nope",
        "users/a/b",
        "users/a/session",
        "users/",
        "live",
        "analytics/",
        "analytics/events/a/b/c",
        "analytics/nope",
    ],
)
def test_unknown_routes_are_not_found(tiny, path):
    status, headers, _ = tiny.ask(path)
    assert (status, headers.get_content_type()) == (404, "application/json")


@pytest.mark.parametrize("root", ["/", "/api/v1/apps/", "/api/v1/apps/another/", "/api/v2/apps/demo/"])
def test_unknown_apps_are_not_found(tiny, root):
    assert tiny.status("users", root=root) == 404


def test_other_methods_are_refused_with_those_allowed(tiny):
    status, headers, _ = tiny.ask("users", method="POST", body=b"{}")
    assert (status, headers["Allow"]) == (405, "GET, DELETE")
    assert tiny.status("users") == 200


def test_a_method_http_does_not_know_gets_json_too(tiny):
    status, headers, body = tiny.ask("users", method="BREW")
    assert (status, headers.get_content_type(), list(json.loads(body))) == (501, "application/json", ["error"])


def test_a_bug_is_answered_and_kept():
    service = DemoService(two_friends())
    service._routes = None
    status, body = service.answer("GET", "/api/v1/apps/demo/users", "127.0.0.1:0", "demo-token")
    assert (status, list(body), len(service.failures)) == (500, ["error"], 1)


def test_requests_are_kept_as_they_came(serve):
    caller = serve()
    caller.get(f"users/{ANA}")
    caller.get("analytics", **ALL)
    assert list(caller.service.requests) == [
        ("GET", f"/api/v1/apps/demo/users/{ANA}"),
        ("GET", f"/api/v1/apps/demo/analytics?start={ALL['start']}&end={ALL['end']}"),
    ]


def test_one_connection_carries_many_requests_in_one_packet_each(tiny):
    request = (
        f"GET /api/v1/apps/demo/live/users/count HTTP/1.1\r\nHost: 127.0.0.1:{tiny.service.port}\r\n"
        "Authorization: demo-token\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", tiny.service.port), timeout=10) as connection:
        for _ in range(3):
            connection.sendall(request)
            assert connection.recv(65_536).endswith(b'{"data":0}')


def test_many_clients_at_once_get_the_same(tiny):
    callers = [Caller(tiny.service) for _ in range(20)]
    for caller in callers:
        caller.connection.request("GET", "/api/v1/apps/demo/users", headers={"Authorization": "demo-token"})
    answers = {caller.connection.getresponse().read() for caller in callers}
    for caller in callers:
        caller.connection.close()
    assert len(answers) == 1


def test_stopping_hangs_up_on_idle_clients_and_twice_does_no_harm():
    service = DemoService(two_friends(), as_of=END).start()
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(65_536)
        service.stop()
        service.stop()
        assert connection.recv(1) == b""


def test_a_stopped_service_starts_again_on_its_port():
    service = DemoService(two_friends(), as_of=END)
    with service:
        first = service.base_url
    with service:
        assert service.base_url == first
        caller = Caller(service)
        assert caller.get("users")["total"] == 2
        caller.connection.close()
