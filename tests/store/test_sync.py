"""A sync brings what the loaders would, and nothing twice."""

import datetime as dt
import threading
import time
from urllib.parse import unquote

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.model import DemoApp
from nucleus_pandas.store.sync import crawl, selection, writing
from nucleus_pandas.store.sync.crawl import Crawl
from tests.conftest import AUTUMN
from tests.demo.handmade import app_of, session, user
from tests.store.conftest import ALL, Asked, assert_same, in_order, kept, kinds, quiet_sync

NOON = AUTUMN


@pytest.mark.parametrize("user_path", ["user_id", "_id"])
def test_the_store_gives_what_the_loaders_give(scripted, store, user_path):
    app = scripted(user_path=user_path)
    app.service.user_path = user_path
    quiet_sync(app, store)
    pd.testing.assert_frame_equal(store.users(), nu.load_users(app))
    pd.testing.assert_frame_equal(store.devices(), nu.load_devices(app))
    loaded = nu.load_sessions(app, nu.load_users(app), progress=False)
    pd.testing.assert_frame_equal(store.sessions(), loaded)
    events = nu.load_session_events(app, loaded, progress=False)
    pd.testing.assert_frame_equal(store.events(), events)


def test_an_app_without_users_gives_empty_frames_of_the_same_columns(empty_app, store):
    quiet_sync(empty_app, store)
    for frame, loaded in [
        (store.users(), nu.load_users(empty_app)),
        (store.devices(), nu.load_devices(empty_app)),
        (store.sessions(), nu.load_sessions(empty_app, [], progress=False)),
        (store.events(), nu.load_session_events(empty_app, nu.load_sessions(empty_app, []), progress=False)),
    ]:
        pd.testing.assert_frame_equal(frame, loaded)


def test_a_second_sync_asks_only_about_users_seen_lately(scripted, store):
    app = scripted()
    asked = Asked(app.service)
    quiet_sync(app, store)
    first = kinds(asked.new())
    users = nu.load_users(app)
    asked.new()
    quiet_sync(app, store)
    young = users["last_seen"] > NOON - dt.timedelta(hours=48)
    assert first["list"] == 1
    assert first["users"] == len(users)
    assert kinds(asked.new()) == {"list": 1, "users": int(young.sum()), "sessions": 0}


def test_what_came_since_is_all_that_is_asked_for_and_ends_as_a_fresh_crawl(scripted, store, tmp_path):
    app = scripted(scale=0.05, as_of=NOON - dt.timedelta(days=6))
    asked = Asked(app.service)
    quiet_sync(app, store)
    before = nu.load_sessions(app, nu.load_users(app), progress=False)
    app.service.as_of = NOON
    gone = store.users()["user_id"].iloc[3]
    app.delete_user(gone, confirm=gone)
    after = nu.load_sessions(app, nu.load_users(app), progress=False)
    asked.new()
    quiet_sync(app, store)
    sent = kinds(asked.new())

    fresh = nu.EventStore(tmp_path / "fresh.duckdb")
    quiet_sync(app, fresh)
    assert_same(store, fresh)
    changed = after.merge(before, on=list(after.columns), how="left", indicator=True)["_merge"].eq("left_only")
    wanted = after["end"].ge("2026-05-01") & after["start"].le("2026-11-28")  # not those of wrong clocks
    groups = after.loc[changed & wanted, ["user_db_id", "device_id", "session_id"]].drop_duplicates()
    assert sent["list"] == 1
    assert sent["sessions"] == len(groups) > 30
    assert sent["users"] < len(store.users()) / 2
    assert gone not in set(store.users()["user_id"])


def test_only_sessions_that_touch_interval_or_window_are_fetched(scripted, store):
    app = scripted(scale=0.05)
    quiet_sync(app, store, start="2026-09-07", end="2026-09-13", window="3d")
    sessions = store.sql("SELECT * FROM sessions")
    fetched = sessions[sessions["events_at"].notna()]
    clash = sessions.duplicated(["user_db_id", "device_id", "session_id"], keep=False)
    touches = (sessions["end"] >= "2026-09-07") & (sessions["start"] <= "2026-09-17")
    assert 0 < len(fetched) < len(sessions)
    assert set(fetched.index[~clash[fetched.index]]) == set(sessions.index[touches & ~clash])


def test_a_wider_interval_needs_no_question_about_users_who_are_known_as_they_are(scripted, store, tmp_path):
    app = scripted(scale=0.05)
    quiet_sync(app, store, start="2026-09-07", end="2026-09-13")
    asked = Asked(app.service)
    asked.new()
    again = kept(store, "SELECT user_db_id FROM kept.users WHERE asked_at IS NOT NULL")["user_db_id"]
    quiet_sync(app, store)
    about = {unquote(target.split("/")[1]) for target in asked.new() if kinds([target])["users"]}
    fresh = nu.EventStore(tmp_path / "fresh.duckdb")
    quiet_sync(app, fresh)
    assert_same(store, fresh)
    users = nu.load_users(app)
    known = users["user_db_id"].isin(again) & (users["last_seen"] <= NOON - dt.timedelta(hours=48))
    assert known.any()
    assert about == set(users.loc[~known, "user_id"])


def two_sessions_of_one_id():
    ana = user("a1", "ana", "10-24 10:00")
    session(ana, "7777", "10-24 10:00", (60, "EXPORT_PDF", {"pages": 1}))
    session(ana, "7777", "10-26 10:00", (60, "EXPORT_PDF", {"pages": 2}))
    return app_of(ana)


def test_events_belong_to_the_session_that_they_lie_in_and_clashes_are_counted(scripted, store):
    app = scripted(app=two_sessions_of_one_id())
    report = quiet_sync(app, store)
    pages = store.events(events=["EXPORT_PDF"])[["session_start", "data.pages"]]
    assert pages["session_start"].dt.day.tolist() == [24, 26]
    assert pages["data.pages"].tolist() == [1, 2]
    assert report.table.set_index("item").loc["clashes of session ids", "count"] == 1


def test_an_event_that_came_twice_is_kept_once_and_one_that_differs_is_kept(scripted, store):
    who = user("a1", "ana", "10-24 10:00")
    twice = (60, "SAVE", {"ok": True})
    session(who, "1", "10-24 10:00", twice, twice, (60, "SAVE", {"ok": 1}), (60, "SAVE", None))
    report = quiet_sync(scripted(app=app_of(who)), store)
    assert [*store.events(events=["SAVE"])["data.ok"]] == [True, 1, None]
    assert report.table.set_index("item").loc["repeated events left out", "count"] == 1


def test_a_session_that_begins_earlier_than_was_known_takes_the_place_of_itself(scripted, store):
    def app(start):
        who = user("a1", "ana", "10-24 10:00")
        session(who, "1", start, (600, "SAVE", None))
        return app_of(who)

    quiet_sync(scripted(app=app("10-24 10:05"), as_of=NOON), store)
    # It was not final by the clock of a store that was filled at once, so the user is asked about again.
    with store.database.writing() as connection:
        connection.execute("UPDATE kept.users SET asked_at = asked_seen")
    quiet_sync(scripted(app=app("10-24 10:00")), store)
    assert store.sessions()["start"].tolist() == [pd.Timestamp("2026-10-24 10:00", tz="UTC")]
    assert len(store.events()) == 2


def test_a_session_that_the_service_has_dropped_is_kept(scripted, store):
    def app(*starts):
        who = user("a1", "ana", "10-24 10:00")
        for number, start in enumerate(starts):
            session(who, str(number), start)
        return app_of(who)

    quiet_sync(scripted(app=app("10-24 10:00", "10-26 10:00")), store)
    with store.database.writing() as connection:
        connection.execute("UPDATE kept.users SET asked_at = asked_seen")
    quiet_sync(scripted(app=app("10-24 10:00")), store)
    assert len(store.sessions()) == len(store.events()) == 2


def old_session(*events):
    who = user("a1", "ana", "11-17 10:00")
    session(who, "1", "11-17 10:00", *events)
    return app_of(who)


def test_who_was_asked_about_48_hours_after_being_seen_last_is_final(scripted, store):
    quiet_sync(scripted(app=old_session()), store)  # 74 hours later
    again = scripted(app=old_session())
    asked = Asked(again.service)
    quiet_sync(again, store)
    assert kinds(asked.new()) == {"list": 1, "users": 0, "sessions": 0}


def test_a_session_that_grew_is_fetched_again_however_old_its_clock_says_that_it_is(scripted, store):
    quiet_sync(scripted(app=old_session()), store)
    with store.database.writing() as connection:
        connection.execute("UPDATE kept.users SET asked_at = asked_seen")
    quiet_sync(scripted(app=old_session((60, "SAVE", None))), store)
    assert store.events()["event"].tolist() == ["init", "SAVE"]


def test_a_short_list_of_users_is_told_and_deletes_nobody(scripted, store, fill):
    app = scripted()
    fill(store)
    everybody = store.users()["user_db_id"].tolist()
    app.service.page_size = 10
    with pytest.warns(nu.IncompleteDataWarning, match="sent 10"):
        quiet_sync(app, store)
    assert sorted(store.users()["user_db_id"]) == sorted(everybody)


def listed_without(app, *gone):
    """A hook that leaves users out of the list."""
    rows = app.get("users", cached=False).payload["data"]
    rows = [row for row in rows if row["_id"] not in gone]
    answer = {"total": len(rows), "data": rows}
    return lambda method, target: (200, answer) if target.endswith("/users") else None


def test_a_list_without_most_of_the_users_deletes_nobody(scripted, store, fill):
    app = scripted()
    fill(store)
    everybody = len(store.users())
    app.service.hook = lambda method, target: (200, {"total": 0, "data": []}) if target.endswith("/users") else None
    asked = Asked(app.service)
    asked.new()
    with pytest.warns(nu.IncompleteDataWarning, match="So many at once are not deleted"):
        quiet_sync(app, store)
    assert kinds(asked.new()) == {"list": 1, "users": 0, "sessions": 0}
    assert len(store.users()) == everybody


def test_who_is_not_on_the_list_and_still_known_is_kept(scripted, store, fill):
    app = scripted()
    fill(store)
    everybody = set(store.users()["user_db_id"])
    app.service.hook = listed_without(app, *sorted(everybody)[:3])
    quiet_sync(app, store)
    assert set(store.users()["user_db_id"]) == everybody


def test_nobody_is_deleted_when_it_is_not_sure_that_the_path_is_right(scripted, store, fill):
    fill(store)
    users = store.users()
    two_ids = users.loc[users["user_id"] != users["user_db_id"], "user_db_id"].tolist()[:2]
    other = scripted(user_path="_id")  # the service wants the other one, so it does not know them
    other.service.hook = listed_without(other, *two_ids)
    with pytest.warns(nu.IncompleteDataWarning, match="could not be loaded"):
        report = quiet_sync(other, store)
    assert len(store.users()) == len(users)
    assert report.failures.set_index("user_db_id").loc[two_ids, "reason"].str.contains("the other kind of id").all()


def test_a_deleted_user_without_an_id_of_the_app_s_leaves_the_store(scripted, store):
    nameless = [user(f"a{number}", None, "10-24 10:00") for number in range(3)]
    for who in nameless:
        session(who, "1", "10-24 10:00")
    quiet_sync(scripted(app=app_of(*nameless)), store)
    quiet_sync(scripted(app=app_of(*nameless[:2])), store)
    assert store.users()["user_db_id"].tolist() == ["a0", "a1"]
    assert len(store.events()) == 2


def test_two_rows_of_one_user_without_an_id_of_the_service_s_are_one(scripted, store):
    row = {"userId": "ana", "createdAt": "2026-10-01T00:00:00Z", "lastSeen": "2026-10-02T00:00:00Z", "devices": []}
    app = scripted(app=app_of(user("a1", "ana", "10-01 00:00")))
    app.service.hook = lambda _, target: (200, {"total": 2, "data": [row, row]}) if target.endswith("/users") else None
    with pytest.warns(nu.IncompleteDataWarning, match="1 user is on the list twice"):
        quiet_sync(app, store)
    assert store.users()["user_id"].tolist() == ["ana"]


def test_a_reader_that_takes_long_is_waited_for(scripted, store, monkeypatch):
    from nucleus_pandas.store import database

    monkeypatch.setattr(database, "PATIENCE", 0.05)
    monkeypatch.setattr(database, "_NOTICE_AFTER", 0.01)
    app = scripted()
    real, refused = selection.groups_to_fetch, []

    def then_somebody_reads(*arguments):
        if not refused:
            refused.append(True)
            lock = store.database._use.turn

            def hold():
                lock.acquire()
                time.sleep(0.5)
                lock.release()

            threading.Timer(0.0, hold).start()
        return real(*arguments)

    monkeypatch.setattr(selection, "groups_to_fetch", then_somebody_reads)
    quiet_sync(app, store)
    assert not store.info().unfinished


def test_a_store_that_stays_taken_ends_the_sync_and_says_what_is_kept(scripted, store, monkeypatch):
    monkeypatch.setattr(crawl, "_PATIENT", 2)
    app = scripted()

    def taken(*_):
        raise nu.StoreLockedError("It is taken.")

    monkeypatch.setattr(writing, "put_sessions", lambda *_: None)
    monkeypatch.setattr(Crawl, "_patiently", taken)
    with pytest.raises(nu.StoreLockedError, match=r"It is taken\. Kept so far: the lists of sessions of 0 users"):
        quiet_sync(app, store)


@pytest.mark.parametrize("use", ["sync", "plan_sync", "reconcile", "forget_user"])
def test_a_store_of_another_app_is_refused(scripted, store, fill, use):
    app = scripted()
    fill(store)
    everybody = store.users()
    app.app_id = "other"
    somebody = everybody["user_id"].iloc[0]
    call = {
        "sync": lambda: quiet_sync(app, store),
        "plan_sync": lambda: nu.plan_sync(app, store, **ALL),
        "reconcile": lambda: nu.reconcile(app, store, "2026-10-01", "2026-10-02"),
        "forget_user": lambda: nu.forget_user(app, somebody, store=store, confirm=somebody),
    }[use]
    with pytest.raises(nu.StoreError, match="store of another app"):
        call()
    pd.testing.assert_frame_equal(store.users(), everybody)


def test_the_wrong_kind_of_id_in_the_path_is_told_and_not_taken_for_missing_users(scripted, store):
    app = scripted(scale=0.05, user_path="_id")
    with pytest.raises(nu.NotFoundError, match="Set user_path"):
        quiet_sync(app, store)


def test_a_failure_of_one_user_or_session_is_listed_and_tried_again(scripted, store):
    app = scripted()
    users, failing = nu.load_users(app), []

    def hook(method, target):
        path = target.split("/apps/demo/")[1]
        if path.startswith("users/") and not failing:
            failing.append(path)
        if "/session/" in path and len(failing) == 1:
            failing.append(path)
        return (400, {"error": "no"}) if path in failing else None

    app.service.hook = hook
    with pytest.warns(nu.IncompleteDataWarning, match="2 users or sessions could not be loaded"):
        report = quiet_sync(app, store)
    assert report.failures["reason"].tolist() == ["ServiceError (HTTP 400)"] * 2
    assert (
        report.failures["session_id"].isna().tolist() == [True, False]
        or report.failures["session_id"].isna().sum() == 1
    )
    assert store.info().missing_users == store.info().missing_sessions == 1
    with pytest.warns(nu.IncompleteDataWarning, match="1 user and 1 session could not be loaded"):
        store.events()
    app.service.hook = None
    asked = Asked(app.service)
    asked.new()
    report = quiet_sync(app, store)
    targets = asked.new()
    assert set(failing) <= set(targets)
    assert len(report.failures) == 0
    pd.testing.assert_frame_equal(
        in_order(store.events()),
        in_order(nu.load_session_events(app, nu.load_sessions(app, users, progress=False), progress=False)),
    )


def test_a_refused_token_ends_the_sync_within_a_few_requests_and_keeps_what_came(scripted, store, monkeypatch):
    monkeypatch.setattr(crawl, "_WORTH", 1)
    app = scripted(max_workers=2)

    def hook(method, target):
        return (401, {"error": "no"}) if len(app.service.requests) >= 20 else None

    app.service.hook = hook
    with pytest.raises(nu.AuthenticationError, match="Call sync again"):
        quiet_sync(app, store)
    assert (
        len(app.service.requests) <= 27
    )  # three refusals, what was under way, and the question whether it is the token
    info = store.info()
    assert info.unfinished
    assert info.sessions > 0
    app.service.hook = None
    quiet_sync(app, store)
    assert not store.info().unfinished


def test_a_service_that_is_down_ends_the_sync_after_a_few_users(scripted, store):
    app = scripted(max_workers=1)
    app.service.hook = lambda method, target: (400, {"error": "no"}) if target.count("/") > 5 else None
    with pytest.raises(nu.ServiceError, match="Call sync again"):
        quiet_sync(app, store)
    assert len(app.service.requests) == 5  # the list, three users, and the quick glance, which fails as well


def test_one_user_whose_sessions_all_fail_does_not_stop_the_others(scripted, store):
    bad, users = user("bad", "bad@example.org", "10-01 10:00"), []
    for hour in range(15):
        session(bad, f"{hour}", f"10-01 {hour:02}:00")
    for number in range(20):
        users.append(user(f"u{number}", f"u{number}@example.org", "10-02 10:00"))
        session(users[-1], "1", "10-02 10:00")
    app = scripted(app=app_of(bad, *users), max_workers=1)
    app.service.hook = lambda _, target: (400, {}) if "bad%40example.org/session" in target else None
    with pytest.warns(nu.IncompleteDataWarning, match="15 users or sessions could not be loaded"):
        report = quiet_sync(app, store)
    assert len(report.failures) == 15
    assert store.info().fetched_sessions == 20


def test_the_cache_of_answers_is_not_used(scripted, store, tmp_path):
    app = scripted(cache=tmp_path / "cache")
    quiet_sync(app, store)
    assert app.cache_info().entries == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"window": "soon"}, 'window="7d"'),
        ({"window": "-1d"}, 'window="7d"'),
        ({"sample": 0}, "greater than 0 and at most 1"),
        ({"sample": 2}, "greater than 0 and at most 1"),
        ({"sample": True}, "greater than 0 and at most 1"),
        ({"seed": 1.5}, "whole number"),
        ({"start": "soon"}, 'start="2026-09-01"'),
    ],
)
def test_a_bad_argument_is_told_before_anything_is_written(scripted, store, arguments, words):
    with pytest.raises(ValueError, match=words):
        quiet_sync(scripted(), store, **arguments)
    assert not store.path.exists()


def test_a_report_holds_no_ids(scripted, store):
    app = scripted()
    shown = f"{quiet_sync(app, store)!r} {nu.plan_sync(app, store, **ALL)} {store!r} {store.info()}"
    for frame in (store.users(), store.devices()):
        for column in ("user_id", "user_db_id", "device_id"):
            if column in frame:
                assert not [text for text in frame[column] if len(text) > 3 and text in shown]


def test_ids_that_no_path_can_carry_are_failures(scripted, store):
    who = user("a1", "..", "10-24 10:00")
    session(who, "1", "10-24 10:00")
    app = scripted(app=app_of(who))
    with pytest.warns(nu.IncompleteDataWarning):
        report = quiet_sync(app, store)
    assert report.failures["reason"].tolist() == ["has an id that no path can carry"]


def test_apps_whose_data_lie_beyond_the_interval_are_synced_to_nothing(scripted, store):
    app = scripted()
    report = quiet_sync(app, store, start="2026-01-01", end="2026-01-02", window="0d")
    assert len(store.events("2026-01-01", "2026-01-02")) == 0
    assert report.requests == 1


def test_the_plan_tells_what_the_sync_then_asks(scripted, store):
    app = scripted(scale=0.05, requests_per_second=1000)
    span = {"start": "2026-09-07", "end": "2026-09-20"}
    asked = Asked(app.service)
    plan = nu.plan_sync(app, store, **span)
    assert kinds(asked.new()) == {"list": 1, "users": 0, "sessions": 0}
    assert not store.path.exists()
    counts = plan.table.set_index("item")["count"]
    nu.sync(app, store, progress=False, **span)
    sent = kinds(asked.new())
    assert counts["users to request"] == sent["users"]
    assert counts["users listed"] == len(nu.load_users(app))
    assert plan.minutes == pytest.approx(plan.requests / 1000 / 60)
    assert "At" in str(plan) or "About" in str(plan)
    counts = nu.plan_sync(app, store, **span).table.set_index("item")["count"]
    assert counts["users unchanged since the last sync"] > 0


def test_the_plan_knows_sessions_that_are_still_to_be_fetched(scripted, store):
    app = scripted(scale=0.05)
    quiet_sync(app, store, start="2026-09-07", end="2026-09-08", window="0d")
    counts = nu.plan_sync(app, store, **ALL).table.set_index("item")["count"]
    asked = Asked(app.service)
    asked.new()
    waiting = counts["known sessions to fetch"]
    quiet_sync(app, store)
    assert 0 < waiting <= kinds(asked.new())["sessions"]


def test_events_of_every_kind_and_property_survive_the_store(scripted, store):
    who = user("a1", "ana", "10-24 10:00")
    odd = {"a/b": 1, 'q"uote': "x", "~": True, "big": 2**60, "float": 0.1, "text": "a\x00b", "": "empty"}
    session(who, "1", "10-24 10:00", (1, "SAVE", odd), (2, "SAVE", {"nested": {"a": [1]}}), (3, "nucleus:view", {}))
    app = scripted(app=app_of(who))
    with pytest.warns(nu.IncompleteDataWarning):
        loaded = nu.load_session_events(app, nu.load_sessions(app, ["ana"], progress=False), progress=False)
    quiet_sync(app, store)
    pd.testing.assert_frame_equal(store.events(), loaded)


def test_a_large_number_of_users_is_asked_about_in_batches(scripted, store, monkeypatch):
    monkeypatch.setattr(crawl, "BATCH", 8)
    app = scripted(max_workers=16)
    quiet_sync(app, store)
    loaded = nu.load_sessions(app, nu.load_users(app), progress=False)
    assert len(store.sessions()) == len(loaded)
    assert store.info().fetched_sessions == len(loaded)


def test_a_new_store_of_an_app_built_later_has_everything(scripted, store):
    app = scripted(app=DemoApp([], [], [], *(build_app(scale=0.02).__dict__[n] for n in ("start", "end", "planted"))))
    quiet_sync(app, store)
    assert store.info().users == 0
