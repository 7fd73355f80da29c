"""Who is forgotten is gone from wherever this library can reach, and does not come back."""

import json
import stat
import warnings

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.store import forget
from nucleus_pandas.store.traces import rows_with
from tests.demo.handmade import app_of, session, user
from tests.store.conftest import Asked, assert_same, kinds, quiet_sync


@pytest.fixture
def app(scripted, tmp_path):
    return scripted(scale=0.05, cache=tmp_path / "cache")


def someone(client, number=5):
    """A user with an address for an id, who has sessions."""
    users = nu.load_users(client)
    return users[users["user_id"].str.contains("@example.org") & users["devices"].gt(0)].iloc[number]


def test_nothing_of_a_forgotten_person_is_left_in_store_and_cache(app, store):
    quiet_sync(app, store)
    who = someone(app)
    nu.load_sessions(app, [who["user_id"]], progress=False)  # into the cache
    devices = store.devices()
    ids = {who["user_id"], who["user_db_id"], *devices.loc[devices["user_db_id"].eq(who["user_db_id"]), "device_id"]}
    report = nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"]).set_index("place")
    assert report["left"].sum() == 0
    assert report.loc["service", "detail"] == "erased"
    assert report.loc["store: users", "found"] == 1
    assert report.loc["store: events", "found"] > 0
    with store.database.reading() as connection:
        assert sum(rows_with(connection, ids).values()) == 0
    for frame in (store.users(), store.devices(), store.sessions(), store.events()):
        assert not frame.isin(ids).any(axis=None)


def test_a_sync_does_not_bring_a_forgotten_person_back(app, store, fill, tmp_path):
    fill(store, 0.05)
    who = someone(app)
    app.service.hook = lambda method, target: (204, None) if method == "DELETE" else None  # it says so and does not
    nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    asked = Asked(app.service)
    asked.new()
    report = quiet_sync(app, store)
    assert who["user_id"] in set(nu.load_users(app)["user_id"])
    assert who["user_id"] not in set(store.users()["user_id"])
    assert not [target for target in asked.new() if who["user_id"] in target]
    assert "forgotten: 1" in report.table.set_index("item").loc["users skipped", "detail"]


def test_what_is_left_is_what_a_fresh_crawl_finds(app, store, fill, tmp_path):
    fill(store, 0.05)
    who = someone(app)
    nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    fresh = nu.EventStore(tmp_path / "fresh.duckdb")
    quiet_sync(app, fresh)
    assert_same(store, fresh)
    quiet_sync(app, store)
    assert_same(store, fresh)


class CrashError(BaseException):
    """What ends a test's program in the middle."""


@pytest.mark.parametrize("after", ["_erase", "drop_users", "rewrite"])
def test_a_crash_on_the_way_is_finished_by_the_next_call(app, store, fill, monkeypatch, after):
    fill(store, 0.05)
    who = someone(app)
    target = {"_erase": forget, "drop_users": forget.writing, "rewrite": type(store.database)}[after]
    real = getattr(target, after)

    def crash(*arguments):
        if after == "rewrite":
            raise CrashError
        real(*arguments)
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(target, after, crash)
        with pytest.raises(CrashError):
            nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    report = nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    assert report["left"].sum() == 0
    assert who["user_db_id"] not in set(store.users()["user_db_id"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet_sync(app, store)


def test_a_sync_after_a_crash_deletes_the_rows_and_says_what_is_to_be_done(app, store, fill, monkeypatch):
    fill(store, 0.05)
    who = someone(app)
    with monkeypatch.context() as patch:
        patch.setattr(forget, "_erase", lambda *_: (_ for _ in ()).throw(CrashError))
        with pytest.raises(CrashError):
            nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    assert who["user_id"] in set(store.users()["user_id"])
    with pytest.warns(nu.IncompleteDataWarning, match="An erasure was begun and not finished"):
        report = quiet_sync(app, store)
    assert who["user_id"] not in set(store.users()["user_id"])
    with store.database.reading() as connection:
        assert sum(rows_with(connection, [who["user_id"], who["user_db_id"]]).values()) == 0
    assert report.table.set_index("item").loc["users deleted", "count"] == 1


def test_a_service_that_fails_leaves_the_store_without_the_person_and_says_so(app, store, fill):
    fill(store, 0.05)
    who = someone(app)
    app.service.hook = lambda method, target: (400, {"error": "no"}) if method == "DELETE" else None
    with pytest.raises(nu.ServiceError, match="Call forget_user again with the same id") as caught:
        nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    assert who["user_id"] not in str(caught.value)
    assert caught.value.retryable
    assert who["user_id"] not in set(store.users()["user_id"])
    app.service.hook = None
    report = nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"]).set_index("place")
    assert report.loc["service", "found"] == 1


def test_what_others_share_is_told_and_not_touched(scripted, store):
    ana, bo = (
        user("a-long-id-1", "ana@example.org", "10-24 10:00"),
        user("a-long-id-2", "bo@example.org", "10-24 10:00"),
    )
    bo.devices = ana.devices
    session(ana, "1", "10-24 10:00")
    session(bo, "2", "10-24 11:00", (5, "INVITED", {"by": "mail from ana@example.org"}))
    app = scripted(app=app_of(ana, bo))
    quiet_sync(app, store)
    report = nu.forget_user(app, "ana@example.org", store=store, confirm="ana@example.org").set_index("place")
    assert report["left"].loc[["store: devices", "store: sessions", "store: events", "store: users"]].tolist() == [
        1,
        1,
        1,
        0,
    ]
    assert "rows of other people" in report.loc["store: events", "detail"]
    assert store.users()["user_id"].tolist() == ["bo@example.org"]
    assert len(store.events()) == 2


def test_exports_are_told_as_out_of_reach(app, store, fill, tmp_path):
    fill(store, 0.05)
    store.export(tmp_path / "out")
    who = someone(app)
    report = nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"]).set_index("place")
    assert report.loc["exports", "left"] == 1
    assert str(tmp_path / "out") in report.loc["exports", "detail"]


def test_without_a_store_the_service_and_the_cache_are_done(app):
    who = someone(app)
    nu.load_user(app, who["user_id"])
    report = nu.forget_user(app, who["user_id"], confirm=who["user_id"])
    assert report["place"].tolist() == ["service", "cache", "elsewhere"]
    assert app.cache_info().entries == 0
    assert who["user_id"] not in set(nu.load_users(app)["user_id"])
    with pytest.raises(nu.NotFoundError, match="nobody was erased"):
        nu.forget_user(app, who["user_id"], confirm=who["user_id"])


def test_without_the_id_a_second_time_nobody_is_erased(app, store, fill):
    fill(store, 0.05)
    who = someone(app)
    asked = Asked(app.service)
    asked.new()
    with pytest.raises(ValueError, match="so nobody was erased"):
        nu.forget_user(app, who["user_id"], store=store, confirm="yes")
    assert asked.new() == []
    assert who["user_id"] in set(store.users()["user_id"])


def test_an_answer_that_was_lost_is_made_good_by_calling_again(app, store, fill):
    fill(store, 0.05)
    who = someone(app)
    lost = []

    def hook(method, target):
        if method == "DELETE" and not lost:
            lost.append(app.service._ledger.erase(app.service._user(who["user_id"])))
            return (400, {"error": "erased, but nobody hears of it"})
        return None

    app.service.hook = hook
    with pytest.raises(nu.ServiceError):
        nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    with pytest.warns(nu.IncompleteDataWarning, match="An erasure was begun and not finished"):
        quiet_sync(app, store)
    report = nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    assert report["left"].sum() == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet_sync(app, store)


def test_the_other_kind_of_id_erases_nobody_and_says_which_is_wanted(app, store, fill):
    fill(store, 0.05)
    who = someone(app)
    with pytest.raises(ValueError, match="wants the user_id"):
        nu.forget_user(app, who["user_db_id"], store=store, confirm=who["user_db_id"])
    assert who["user_id"] in set(store.users()["user_id"])
    quiet_sync(app, store)
    assert who["user_id"] in set(store.users()["user_id"])


@pytest.mark.parametrize("with_store", [True, False])
def test_an_id_that_nobody_knows_erases_nobody(app, store, fill, with_store):
    fill(store, 0.05)
    who = someone(app)["user_id"].upper()
    with pytest.raises(nu.NotFoundError, match="letter by letter"):
        nu.forget_user(app, who, store=store if with_store else None, confirm=who)
    with store.database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM kept.tombstones").fetchall() == [(0,)]


def test_a_store_that_does_not_exist_is_told_before_anybody_is_erased(app, tmp_path):
    who = someone(app)["user_id"]
    with pytest.raises(nu.StoreError, match="There is no store at"):
        nu.forget_user(app, who, store=nu.EventStore(tmp_path / "typo.duckdb"), confirm=who)
    assert who in set(nu.load_users(app)["user_id"])


def test_who_is_gone_at_the_service_is_erased_from_the_store(app, store, fill):
    fill(store, 0.05)
    who = someone(app)["user_id"]
    app.delete_user(who, confirm=who)
    report = nu.forget_user(app, who, store=store, confirm=who).set_index("place")
    assert report["left"].sum() == 0
    assert "does not know the user" in report.loc["service", "detail"]
    assert who not in set(store.users()["user_id"])


def test_an_anonymous_user_is_forgotten_by_the_service_s_id(app, store, fill):
    fill(store, 0.05)
    users = store.users()
    nameless = users[users["user_id"].eq(users["user_db_id"])].iloc[0]["user_id"]
    report = nu.forget_user(app, nameless, store=store, confirm=nameless)
    assert report["left"].sum() == 0
    assert nameless not in set(store.users()["user_id"])


def test_an_export_of_a_person_holds_all_that_the_service_knows(app, tmp_path):
    who = someone(app)
    frames = nu.export_user(app, who["user_id"], tmp_path / "person.json", progress=False)
    users = nu.load_users(app)
    sessions = nu.load_sessions(app, users[users["user_id"].eq(who["user_id"])], progress=False)
    pd.testing.assert_frame_equal(frames["sessions"], sessions)
    pd.testing.assert_frame_equal(frames["events"], nu.load_session_events(app, sessions, progress=False))
    assert frames["users"]["user_id"].tolist() == [who["user_id"]]
    assert len(frames["devices"]) == who["devices"]
    written = json.loads((tmp_path / "person.json").read_text())
    assert written["user"]["userId"] == who["user_id"]
    assert sum(len(answer["data"]) for answer in written["events"]) == len(frames["events"])
    assert stat.S_IMODE((tmp_path / "person.json").stat().st_mode) == 0o600


def test_an_export_does_not_write_over_a_file(app, tmp_path):
    (tmp_path / "mine.json").write_text("mine")
    asked = Asked(app.service)
    with pytest.raises(FileExistsError, match="Choose another path"):
        nu.export_user(app, "ana", tmp_path / "mine.json")
    assert (tmp_path / "mine.json").read_text() == "mine"
    assert asked.new() == []


def test_an_export_tells_of_sessions_that_did_not_come(app):
    who = someone(app)
    asked = []

    def hook(method, target):
        if "/session/" in target:
            asked.append(target)
        return (404, {"error": "no"}) if "/session/" in target and len(asked) == 1 else None

    app.service.hook = hook
    with pytest.warns(nu.IncompleteDataWarning, match="The events of 1 sessions could not be loaded"):
        nu.export_user(app, who["user_id"], progress=False)


def test_an_export_of_nobody_raises(app):
    with pytest.raises(nu.NotFoundError):
        nu.export_user(app, "nobody@example.org")


def test_kinds_counts_what_it_says():
    assert kinds(["users", "users/a", "users/a/session/1?device=x", "analytics"]) == {
        "list": 1,
        "users": 1,
        "sessions": 1,
    }


def test_a_copy_that_a_killed_rewrite_left_is_reported(app, store, fill):
    fill(store)
    copy = store.path.parent / f".{store.path.name}.abcd1234"
    copy.mkdir()
    who = someone(app, 0)["user_id"]
    report = nu.forget_user(app, who, store=store, confirm=who).set_index("place")
    assert report.loc["store: unfinished copies", "left"] == 1
    assert str(copy) in report.loc["store: unfinished copies", "detail"]


def test_answers_that_are_left_in_the_cache_are_reported(app, monkeypatch):
    who = someone(app, 0)["user_id"]
    nu.load_users(app)
    monkeypatch.setattr(type(app), "clear_cache", lambda _: None)
    report = nu.forget_user(app, who, confirm=who).set_index("place")
    assert report.loc["cache", "left"] >= 1
    assert str(app.cache_info().place) in report.loc["cache", "detail"]


def test_a_cache_that_cannot_be_read_is_missing_and_not_zero(app, monkeypatch):
    who = someone(app, 0)["user_id"]
    monkeypatch.setattr(forget, "answers_with", lambda *_: None)
    report = nu.forget_user(app, who, confirm=who).set_index("place")
    assert pd.isna(report.loc["cache", "left"])
