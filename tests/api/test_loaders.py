"""Every loader on the made-up app, over real sockets."""

import datetime as dt
import json
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from urllib.parse import quote

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.api.http.transport import Transport
from nucleus_pandas.api.parsing import schemas as frames
from nucleus_pandas.demo import DemoClient
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.service import DemoService
from tests.api.published import ONE_USER
from tests.conftest import AUTUMN
from tests.fault_server import FaultServer, answer
from tests.store.conftest import ScriptedService

SPAN = {"start": "2026-09-15", "end": "2026-11-10"}
PLAIN = [
    (nu.load_quick_glance, frames.QUICK_GLANCE),
    (nu.load_users, frames.USERS),
    (nu.load_devices, frames.DEVICES),
    (nu.load_live_events, frames.EVENT_LOG),
    (nu.load_live_user_count, frames.LIVE_USER_COUNT),
    (nu.load_live_users, frames.LIVE_USERS),
]
OVER_DAYS = [
    (nu.load_daily, frames.DAILY),
    (nu.load_hours, frames.HOURS),
    (nu.load_dimensions, frames.DIMENSIONS),
    (nu.load_totals, frames.TOTALS),
    (nu.load_event_counts, frames.EVENTS),
    (nu.load_error_counts, frames.ERRORS),
    (nu.load_event_properties, frames.EVENT_PROPERTIES),
]


def check(frame, schema):
    assert len(frame) > 0
    assert list(frame)[: len(schema)] == list(schema)
    assert {name: frame[name].dtype for name in schema} == schema


@pytest.mark.parametrize(("load", "schema"), PLAIN)
def test_a_loader_without_interval_gives_its_columns(shared_app, load, schema):
    check(load(shared_app), schema)


@pytest.mark.parametrize(("load", "schema"), OVER_DAYS)
def test_a_loader_over_days_gives_its_columns(shared_app, load, schema):
    check(load(shared_app, **SPAN), schema)


@pytest.mark.parametrize("load", [load for load, _ in OVER_DAYS])
def test_the_zone_is_the_client_s_unless_another_is_given(shared_app, monkeypatch, load):
    monkeypatch.setattr(shared_app, "tz", "Asia/Tokyo")
    pd.testing.assert_frame_equal(load(shared_app, **SPAN), load(shared_app, **SPAN, tz="+09:00"))


def test_an_attribute_gives_its_columns_and_adds_up_to_its_periods(shared_app):
    whole = nu.load_attribute(shared_app, "init", "plan", **SPAN)
    weeks = nu.load_attribute(shared_app, "init", "plan", **SPAN, freq="W")
    check(whole, frames.ATTRIBUTE)
    assert weeks.groupby("value")["count"].sum().to_dict() == whole.set_index("value")["count"].to_dict()


@pytest.mark.parametrize(
    ("periods", "first", "days"),
    [
        ({"freq": "W", "week_start": "sunday"}, "2026-09-20", 7),
        ({"freq": "W-SAT"}, "2026-09-20", 7),
        ({"freq": "Q"}, "2026-10-01", 41),
    ],
)
def test_a_period_counts_what_its_days_count(shared_app, periods, first, days):
    counted = nu.load_attribute(shared_app, "init", "plan", **SPAN, **periods)
    within = counted[counted["period"] == first].set_index("value")["count"]
    last = pd.Timestamp(first) + pd.Timedelta(days - 1, "D")
    alone = nu.load_attribute(shared_app, "init", "plan", first, last.date()).set_index("value")["count"]
    assert len(alone) > 1
    assert within.to_dict() == alone.to_dict()
    shares = nu.breakdown(counted)
    assert shares[shares["period"] == first]["count"].sum() == alone.sum()


def test_dimensions_by_weeks_that_contradict_each_other_are_refused(shared_app):
    with pytest.raises(ValueError, match='freq="W-SUN" contradicts week_start="sunday"'):
        nu.load_dimensions(shared_app, **SPAN, freq="W-SUN", week_start="sunday")


@pytest.mark.parametrize(("freq", "requests"), [("D", 57), ("W", 9), ("M", 3), ("Q", 2)])
def test_dimensions_by_period_take_a_request_each_and_add_up(shared_app, freq, requests):
    whole = nu.load_dimensions(shared_app, **SPAN, tz="America/New_York")
    shared_app.service.requests.clear()
    periods = nu.load_dimensions(shared_app, **SPAN, tz="America/New_York", freq=freq)
    assert len(shared_app.service.requests) == requests
    summed = periods[periods["dimension"] == "platform"].groupby("value")["count"].sum()
    assert summed.to_dict() == whole[whole["dimension"] == "platform"].set_index("value")["count"].to_dict()


def test_totals_are_those_of_the_made_up_app(shared_app):
    totals = nu.load_totals(shared_app, **SPAN)
    days = shared_app.service.app.daily_counts(
        dt.UTC, dt.date(2026, 9, 15), dt.date(2026, 11, 10), as_of=shared_app.service.as_of
    ).values()
    assert totals["users"].tolist() == [len(set().union(*(day.active for day in days)))]
    assert totals["installs"].tolist() == [sum(day.new_users for day in days)]


def test_quick_glance_counts_the_last_day_of_the_made_up_app(shared_app):
    glance = nu.load_quick_glance(shared_app).set_index("metric")
    now, app = shared_app.service.as_of, shared_app.service.app
    starts = [
        session.start_ms / 1000 for session in app.sessions if session.events[0].received_ms / 1000 <= now.timestamp()
    ]
    day = 24 * 3600
    assert glance.loc["sessions", "current"] == sum(
        now.timestamp() - day <= start < now.timestamp() for start in starts
    )


def test_the_users_are_those_of_the_made_up_app(shared_app):
    users = nu.load_users(shared_app)
    created = [user for user in shared_app.service.app.users if user.created_ms / 1000 < shared_app.now().timestamp()]
    assert set(users["user_id"]) == {user.user_id or user.db_id for user in created}
    assert users["user_db_id"].is_unique
    assert users["user_id"].notna().all()


@pytest.mark.parametrize("user_path", ["user_id", "_id"])
def test_every_kind_of_id_is_asked_for_as_itself(autumn_app, user_path):
    with DemoClient(DemoService(autumn_app, as_of=AUTUMN, user_path=user_path), user_path=user_path) as client:
        users = nu.load_users(client)
        odd = users[users["user_id"].str.contains(r"[^\w.@-]")].head(40)
        assert len(odd) > 5
        sessions = nu.load_sessions(client, odd, progress=False)
    assert set(sessions["user_db_id"]) <= set(odd["user_db_id"])
    expected = {
        user.db_id: sum(s.events[0].received_ms / 1000 <= AUTUMN.timestamp() for s in user.sessions)
        for user in autumn_app.users
    }
    counted = sessions["user_db_id"].value_counts()
    assert all(expected[db_id] == counted.get(db_id, 0) for db_id in odd["user_db_id"])


def test_one_user_is_a_row_of_the_users(shared_app):
    users = nu.load_users(shared_app)
    user = nu.load_user(shared_app, users["user_id"].iloc[7])
    check(user, frames.USERS)
    assert user[list(frames.USERS)].iloc[0].equals(users[list(frames.USERS)].iloc[7])


def test_sessions_and_events_are_those_of_the_made_up_app(shared_app):
    users = nu.load_users(shared_app).head(60)
    before = users.copy()
    sessions = nu.load_sessions(shared_app, users, progress=False)
    events = nu.load_session_events(shared_app, sessions, progress=False)
    check(sessions, frames.SESSIONS)
    check(events, frames.EVENT_LOG)
    pd.testing.assert_frame_equal(users, before)
    now = shared_app.now().timestamp() * 1000
    expected = sorted(
        (event.time_ms, event.type)
        for user in shared_app.service.app.users
        if user.db_id in set(users["user_db_id"])
        for session in user.sessions
        for event in session.events
        if event.received_ms <= now
    )
    found = zip((events["time"].astype("int64") // 1000).tolist(), events["event"].tolist(), strict=True)
    assert sorted(found) == expected
    keys = ["user_id", "device_id", "session_id", "session_start"]
    assert events.drop_duplicates(keys)[keys].to_numpy().tolist() == (
        sessions[["user_id", "device_id", "session_id", "start"]].to_numpy().tolist()
    )


def test_the_order_of_rows_does_not_depend_on_the_threads(shared_app, monkeypatch):
    users = nu.load_users(shared_app).sample(40, random_state=1)
    loaded = []
    for workers in (1, 8):
        monkeypatch.setattr(shared_app, "max_workers", workers)
        sessions = nu.load_sessions(shared_app, users, progress=False)
        loaded.append(nu.load_session_events(shared_app, sessions.head(50), progress=False))
        assert sessions["user_id"].drop_duplicates().tolist() == [
            user for user in users["user_id"] if user in set(sessions["user_id"])
        ]
    pd.testing.assert_frame_equal(*loaded)


def test_sessions_can_be_asked_for_by_plain_ids(shared_app):
    users = nu.load_users(shared_app).head(3)
    pd.testing.assert_frame_equal(
        nu.load_sessions(shared_app, users["user_id"].tolist(), progress=False),
        nu.load_sessions(shared_app, users, progress=False),
    )


def test_a_user_or_session_twice_is_asked_for_once(own_app):
    users = nu.load_users(own_app).head(5)
    own_app.service.requests.clear()
    sessions = nu.load_sessions(own_app, pd.concat([users, users]), progress=False)
    assert len(own_app.service.requests) == 5
    own_app.service.requests.clear()
    nu.load_session_events(own_app, pd.concat([sessions, sessions]), progress=False)
    keys = ["user_id", "device_id", "session_id"]
    assert len(own_app.service.requests) == len(sessions.drop_duplicates(keys))


def test_frames_put_together_keep_the_order_of_their_rows(own_app):
    sessions = nu.load_sessions(own_app, nu.load_users(own_app).head(8), progress=False)
    half = len(sessions) // 2
    parts = [sessions.tail(half).reset_index(drop=True), sessions.head(half).reset_index(drop=True)]
    log = nu.load_session_events(own_app, pd.concat(parts), progress=False)
    keys = ["user_id", "device_id", "session_id"]
    asked = pd.concat(parts).drop_duplicates(keys)[keys].to_numpy().tolist()
    assert log.drop_duplicates(keys)[keys].to_numpy().tolist() == asked


def test_nobody_to_ask_is_an_empty_frame_and_no_request(own_app):
    users = nu.load_users(own_app).head(0)
    own_app.service.requests.clear()
    sessions = nu.load_sessions(own_app, users, progress=False)
    events = nu.load_session_events(own_app, sessions, progress=False)
    assert {name: sessions[name].dtype for name in sessions} == frames.SESSIONS
    assert {name: events[name].dtype for name in events} == frames.EVENT_LOG
    assert len(own_app.service.requests) == 0


def test_a_user_who_vanished_meanwhile_is_skipped_with_a_warning(own_app):
    users = nu.load_users(own_app).head(10)
    gone = users["user_id"].iloc[3]
    own_app.delete_user(gone, confirm=gone)
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 10 users is not known") as caught:
        sessions = nu.load_sessions(own_app, users, progress=False)
    assert gone not in set(sessions["user_id"])
    assert gone not in str(caught[0].message)


def test_nobody_known_says_that_the_other_id_may_be_wanted(own_app):
    users = nu.load_users(own_app)
    own_app.user_path = "_id"
    named = users[users["user_id"] != users["user_db_id"]].head(5)
    with pytest.raises(nu.NotFoundError, match="user_path"):
        nu.load_sessions(own_app, named, progress=False)


@pytest.mark.parametrize(("odd", "words"), [("..", "an id that no path can carry"), (pd.NA, "1 user has no id")])
def test_an_id_that_no_path_can_carry_is_left_out_with_a_warning(own_app, odd, words):
    users = nu.load_users(own_app).head(2)
    users.loc[1, "user_id"] = odd
    with pytest.warns(nu.IncompleteDataWarning, match=words):
        sessions = nu.load_sessions(own_app, users, progress=False)
    assert set(sessions["user_id"]) <= {users["user_id"].iloc[0]}


def test_a_refused_token_stops_all_soon_and_what_came_can_be_resumed(own_app):
    users = nu.load_users(own_app)
    whole = nu.load_sessions(own_app, users, progress=False)
    own_app.service.requests.clear()
    answer = own_app.service.answer

    token = own_app.service.token

    def revoke(*args, **kwargs):
        if len(own_app.service.requests) >= 20:
            own_app.service.token = "revoked"
        return answer(*args, **kwargs)

    _intercept(own_app.service, revoke)
    with pytest.raises(nu.AuthenticationError, match="does not accept the token for this app") as caught:
        nu.load_sessions(own_app, users, progress=False)
    asked = len(own_app.service.requests)
    assert asked <= 20 + 3 * own_app.max_workers
    own_app.service.token = token
    _intercept(own_app.service, answer)
    own_app.service.requests.clear()
    rest = nu.load_sessions(own_app, caught.value.remaining, progress=False)
    both = pd.concat([caught.value.partial, rest])
    by = ["user_id", "start", "device_id", "session_id"]
    pd.testing.assert_frame_equal(both.sort_values(by, ignore_index=True), whole.sort_values(by, ignore_index=True))
    assert len(own_app.service.requests) == len(caught.value.remaining)


def _intercept(service, answer):
    service._server.answer = answer


def test_a_users_list_shorter_than_its_total_is_reported_with_both_numbers(own_app):
    total = len(nu.load_users(own_app))
    own_app.service.page_size = 10
    for load in (nu.load_users, nu.load_devices):
        with pytest.warns(nu.IncompleteDataWarning, match=f"counts {total} users but sent 10"):
            load(own_app)


@pytest.mark.parametrize(
    ("load", "argument", "error", "words"),
    [
        (
            nu.load_sessions,
            pd.DataFrame({"name": ["a"]}),
            ValueError,
            'users: missing user_id, user_db_id; found "name". Pass the DataFrame of load_users',
        ),
        (nu.load_sessions, "ana@example.org", TypeError, "a list of ids"),
        (nu.load_sessions, [1], TypeError, "a list of ids"),
        (nu.load_session_events, pd.DataFrame({"user_id": ["a"]}), ValueError, "Pass the DataFrame of load_sessions"),
        (nu.load_session_events, ["48213"], TypeError, "Pass the DataFrame of load_sessions"),
    ],
)
def test_an_argument_of_another_kind_says_what_to_pass(own_app, load, argument, error, words):
    with pytest.raises(error) as caught:
        load(own_app, argument)
    assert words in str(caught.value)


def test_an_empty_app_gives_empty_frames(empty_app):
    for load, schema in PLAIN:
        frame = load(empty_app)
        assert {name: frame[name].dtype for name in frame} == schema
    for load, schema in OVER_DAYS:
        frame = load(empty_app, **SPAN)
        assert {name: frame[name].dtype for name in frame} == schema
    assert nu.load_users(empty_app).empty
    assert nu.load_event_counts(empty_app, **SPAN).empty
    assert nu.load_daily(empty_app, **SPAN)["sessions"].eq(0).all()


def test_people_without_an_id_of_the_app_s_do_not_hide_that_the_other_id_is_wanted(shared_app, monkeypatch):
    users = nu.load_users(shared_app)
    both = pd.concat([users[users["user_id"] == users["user_db_id"]].head(5), users.head(5)])
    monkeypatch.setattr(shared_app, "user_path", "_id")
    with pytest.raises(nu.NotFoundError, match="user_path"):
        nu.load_sessions(shared_app, both, progress=False)


@pytest.mark.parametrize("kind", [tuple, iter, pd.Series, lambda ids: (user for user in ids)])
def test_ids_can_come_in_any_iterable(shared_app, kind):
    ids = nu.load_users(shared_app)["user_id"].head(3).tolist()
    assert set(nu.load_sessions(shared_app, kind(ids), progress=False)["user_id"]) == set(ids)


def test_sessions_survive_a_csv_file(shared_app, tmp_path):
    sessions = nu.load_sessions(shared_app, nu.load_users(shared_app).head(5), progress=False)
    sessions.to_csv(tmp_path / "sessions.csv", index=False)
    again = pd.read_csv(tmp_path / "sessions.csv")
    pd.testing.assert_frame_equal(
        nu.load_session_events(shared_app, again, progress=False),
        nu.load_session_events(shared_app, sessions, progress=False),
    )


def test_sessions_without_a_time_zone_are_refused(shared_app):
    sessions = nu.load_sessions(shared_app, nu.load_users(shared_app).head(2), progress=False)
    with pytest.raises(ValueError, match="has no time zone"):
        nu.load_session_events(shared_app, sessions.assign(start=sessions["start"].dt.tz_localize(None)))


@pytest.mark.parametrize(
    ("event", "attribute", "words"),
    [
        ("INIT", "plan", 'the event "INIT" was not reported with attributes in this interval. Did you mean "init"'),
        (
            "init",
            "Plan",
            'the attribute "Plan" of the event "init" was not reported in this interval. Did you mean "plan"',
        ),
    ],
)
def test_a_misspelt_name_is_reported_with_the_nearest(shared_app, event, attribute, words):
    with pytest.warns(UserWarning, match=re.escape(words)) as caught:
        frame = nu.load_attribute(shared_app, event, attribute, **SPAN)
    assert frame.empty
    assert caught[0].filename == __file__


@pytest.mark.parametrize("client", [nu.demo_client, None, "app"])
@pytest.mark.parametrize("load", [nu.load_users, nu.load_quick_glance, nu.load_live_users])
def test_what_is_no_client_is_a_type_error_that_says_what_to_pass(client, load):
    with pytest.raises(TypeError, match="pass what demo_client"):
        load(client)


def test_a_warning_points_at_the_line_that_asked(own_app):
    own_app.service.page_size = 10
    with pytest.warns(nu.IncompleteDataWarning) as caught:
        nu.load_users(own_app)
    assert caught[0].filename == __file__


def test_an_error_before_anything_came_can_be_resumed_too(own_app):
    users = nu.load_users(own_app).head(4)
    token, own_app.service.token = own_app.service.token, "revoked"
    with pytest.raises(nu.AuthenticationError) as caught:
        nu.load_sessions(own_app, users, progress=False)
    own_app.service.token = token
    assert caught.value.partial.empty
    assert sorted(caught.value.remaining["user_id"]) == sorted(users["user_id"])
    assert caught.value.partial.columns.tolist() == list(frames.SESSIONS)


def test_an_answer_of_another_shape_never_loses_the_others(own_app, monkeypatch):
    users = nu.load_users(own_app).head(8)
    odd, get = users["user_id"].iloc[2], own_app.get

    def answer(endpoint, *segments, params=None):
        found = get(endpoint, *segments, params=params)
        return replace(found, payload={"user": {}, "sessions": {}}) if segments == (odd,) else found

    monkeypatch.setattr(own_app, "get", answer)
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 8 users had an answer of another shape"):
        sessions = nu.load_sessions(own_app, users, progress=False)
    assert odd not in set(sessions["user_id"])
    assert len(sessions) > 0


def test_answers_that_are_all_of_another_shape_are_an_error_soon(own_app, monkeypatch):
    users, get = nu.load_users(own_app), own_app.get
    own_app.service.requests.clear()
    own_app.service.latency = 0.005

    def answer(endpoint, *segments, params=None):
        return replace(get(endpoint, *segments, params=params), payload={"login": "please"})

    monkeypatch.setattr(own_app, "get", answer)
    with pytest.raises(nu.PayloadError, match="no key 'user'"):
        nu.load_sessions(own_app, users, progress=False)
    assert len(own_app.service.requests) < len(users)


def test_a_mistake_of_the_library_is_not_taken_for_an_odd_id(own_app, monkeypatch):
    users = nu.load_users(own_app).head(2)

    def broken(*_, **__):
        raise ValueError("a bug")

    monkeypatch.setattr(own_app, "get", broken)
    with pytest.raises(ValueError, match="a bug"):
        nu.load_sessions(own_app, users, progress=False)


INTERRUPTED = """
import signal
import nucleus_pandas as nu
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent that ignores it, as nohup's may, hands this on
client = nu.Client("app", "token", base_url="http://127.0.0.1:{port}", cache=False, requests_per_second=None)
nu.load_sessions(client, [str(number) for number in range(50)], progress=False)
"""


def test_an_interrupt_ends_a_script_that_waits_for_a_silent_service():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        code = INTERRUPTED.format(port=server.getsockname()[1])
        script = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        connections = [server.accept()[0] for _ in range(4)]
        for connection in connections:
            assert connection.recv(1000).startswith(b"GET /apps/app/users/")
        script.send_signal(signal.SIGINT)
        _, printed = script.communicate(timeout=15)  # half of the time for which a silent service is waited for
        for connection in connections:
            connection.close()
    assert "KeyboardInterrupt" in printed


def test_a_refused_token_does_not_wait_for_calls_that_wait():
    refused, later = answer(status=401), answer(status=429, headers=[("Retry-After", "50")])
    with FaultServer(later, later, later, refused) as server:
        client = nu.Client("app", "token", base_url=server.url, cache=False, requests_per_second=None)
        with pytest.raises(nu.AuthenticationError) as caught:
            nu.load_sessions(client, list("abcdefgh"), progress=False)
        # Three that wait, three that are refused, the quick glance; who waits would have asked again later.
        assert len(server.requests) == 7
    assert sorted(caught.value.remaining["user_id"]) == list("abcdefgh")


def test_a_bar_is_drawn_in_a_notebook_and_none_in_a_log(own_app, monkeypatch, capsys):
    users = nu.load_users(own_app).head(3)
    nu.load_sessions(own_app, users)
    assert capsys.readouterr().err == ""
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    nu.load_sessions(own_app, users)
    assert "sessions of users" in capsys.readouterr().err
    nu.load_sessions(own_app, users, progress=False)
    assert capsys.readouterr().err == ""


def test_a_session_that_has_grown_keeps_its_later_events(own_app):
    sessions = nu.load_sessions(own_app, nu.load_users(own_app).head(8), progress=False)
    whole = nu.load_session_events(own_app, sessions, progress=False)
    before = sessions.assign(end=sessions["start"] - pd.Timedelta(hours=1))
    for order in ([before, sessions], [sessions, before]):
        log = nu.load_session_events(own_app, pd.concat(order), progress=False)
        assert len(log) == len(whole)


def test_plain_ids_of_the_service_become_both_ids(autumn_app):
    with DemoClient(DemoService(autumn_app, as_of=AUTUMN, user_path="_id"), user_path="_id") as client:
        users = nu.load_users(client).head(5)
        sessions = nu.load_sessions(client, users["user_db_id"].tolist(), progress=False)
        pd.testing.assert_frame_equal(sessions, nu.load_sessions(client, users, progress=False))


def dimensions_by_week(client, start, end):
    return nu.load_dimensions(client, start, end, freq="W")


@pytest.mark.parametrize("days", [30, -30])
@pytest.mark.parametrize(
    "load", [nu.load_daily, nu.load_hours, nu.load_event_counts, nu.load_error_counts, dimensions_by_week]
)
def test_a_wrong_clock_changes_neither_days_nor_their_states(shared_app, monkeypatch, load, days):
    end = (AUTUMN + dt.timedelta(days=min(days, 0))).date() - dt.timedelta(days=1)
    right = load(shared_app, "2026-10-01", end if days < 0 else "2026-12-31")
    monkeypatch.setattr(shared_app, "now", lambda: AUTUMN + dt.timedelta(days=days))
    pd.testing.assert_frame_equal(load(shared_app, "2026-10-01", end if days < 0 else "2026-12-31"), right)


def test_days_that_a_slow_clock_leaves_out_are_reported(shared_app, monkeypatch):
    monkeypatch.setattr(shared_app, "now", lambda: AUTUMN - dt.timedelta(days=30))
    with pytest.warns(nu.IncompleteDataWarning, match="720.0 hours behind the service's, so the days after 2026-10-21"):
        nu.load_daily(shared_app, "2026-10-01", "2026-11-20")


def test_an_interval_that_begins_in_the_service_s_future_is_refused(shared_app, monkeypatch):
    monkeypatch.setattr(shared_app, "now", lambda: AUTUMN + dt.timedelta(days=30))
    with pytest.raises(ValueError, match="begins in the future"):
        nu.load_daily(shared_app, "2026-12-01", "2026-12-10")


REFUSED = {
    "403": (403, {}),
    "200 with an error": (200, {"error": "no"}),
    "500": (500, {}),
}


@pytest.fixture
def refusing():
    """Makes a client of a service that refuses some users, by their place in the list, and sessions of theirs."""
    clients = []

    def build(places, reply, *, of_what="users"):
        service = ScriptedService(build_app(scale=0.02, end=dt.date(2026, 11, 22)), as_of=AUTUMN)
        transport = Transport(requests_per_second=None, sleep=lambda seconds: None)
        client = DemoClient(service, max_workers=1, transport=transport)
        clients.append(client)
        users = nu.load_users(client)
        odd = {quote(user, safe="") for user in users["user_id"].iloc[places]}

        def hook(method, target):
            _, _, path = target.partition("/users/")
            user, _, session = path.partition("/")
            return reply if user in odd and bool(session) == (of_what == "sessions") else None

        service.hook = hook
        return client, users

    yield build
    for client in clients:
        client.close()


@pytest.mark.parametrize("reply", REFUSED.values(), ids=REFUSED)
def test_a_user_who_is_refused_is_left_out_and_counted(refusing, reply):
    client, users = refusing([3], reply)
    with pytest.warns(
        nu.IncompleteDataWarning, match=rf"refused 1 of {len(users)} users \(HTTP {reply[0]}\)"
    ) as caught:
        sessions = nu.load_sessions(client, users, progress=False)
    odd = users["user_id"].iloc[3]
    others = nu.load_sessions(client, users.drop(index=3), progress=False)
    pd.testing.assert_frame_equal(sessions, others)
    assert odd not in str(caught[0].message)


def test_a_user_who_gets_a_long_retry_after_is_left_out_and_counted():
    later, good = answer(status=429, headers=[("Retry-After", "3600")]), answer(json.dumps(ONE_USER).encode())
    with FaultServer(good, later, good) as server:
        client = nu.Client("app", "token", base_url=server.url, cache=False, max_workers=1)
        with pytest.warns(nu.IncompleteDataWarning, match=r"refused 1 of 4 users \(HTTP 429\)"):
            sessions = nu.load_sessions(client, list("abcd"), progress=False)
    assert sessions["user_id"].nunique() == 3


def test_a_session_that_is_refused_is_left_out_and_counted(refusing):
    client, users = refusing([0], (403, {}), of_what="sessions")
    sessions = nu.load_sessions(client, users.head(6), progress=False)
    first = int((sessions["user_id"] == users["user_id"].iloc[0]).sum())
    with pytest.warns(nu.IncompleteDataWarning, match=f"refused {first} of {len(sessions)} sessions"):
        events = nu.load_session_events(client, sessions, progress=False)
    assert set(events["user_id"]) == set(sessions["user_id"]) - {users["user_id"].iloc[0]}


def test_many_users_who_are_refused_in_a_row_do_not_end_a_load_when_the_token_is_good(refusing):
    client, users = refusing(range(20), (403, {}))
    client.service.requests.clear()
    with pytest.warns(nu.IncompleteDataWarning, match=f"refused 20 of {len(users)} users"):
        nu.load_sessions(client, users, progress=False)
    glances = [target for _, target in client.service.requests if target.endswith("quickglance")]
    assert len(glances) == 2  # after 3 and after 6 more; the next would follow after 12


def test_users_who_are_all_refused_are_an_error_that_can_be_resumed(refusing):
    client, users = refusing(range(2), (403, {}))
    with pytest.raises(nu.AuthenticationError, match="refuses this one only") as caught:
        nu.load_sessions(client, users.head(2), progress=False)
    assert caught.value.remaining["user_id"].tolist() == users["user_id"].head(2).tolist()


def test_three_requests_in_a_row_that_shall_wait_end_a_load_and_come_last_the_next_time():
    later, good = answer(status=429, headers=[("Retry-After", "3600")]), answer(json.dumps(ONE_USER).encode())
    with FaultServer(good, later) as server:
        client = nu.Client("app", "token", base_url=server.url, cache=False, max_workers=1)
        with pytest.raises(nu.RateLimitError) as caught:
            nu.load_sessions(client, list("abcdef"), progress=False)
        assert len(server.requests) == 4
    assert caught.value.retry_after == 3600
    assert caught.value.remaining["user_id"].tolist() == list("efbcd")


def test_an_export_of_a_person_goes_on_when_a_session_is_refused(refusing):
    client, users = refusing([0], (403, {}), of_what="sessions")
    with pytest.warns(nu.IncompleteDataWarning, match="The events of 1 session could not be loaded"):
        export = nu.export_user(client, users["user_id"].iloc[0], progress=False)
    assert len(export["sessions"]) > 0
    assert export["events"].empty


def test_a_period_that_is_refused_is_an_error_at_once(refusing):
    client, _ = refusing([], (403, {}))
    client.service.hook = lambda method, target: (403, {}) if "/analytics?" in target else None
    client.service.requests.clear()
    with pytest.raises(nu.AuthenticationError):
        nu.load_dimensions(client, "2026-11-01", "2026-11-14", freq="D")
    assert len(client.service.requests) == 1
