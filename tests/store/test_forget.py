"""Who is forgotten is gone from wherever this library can reach, and does not come back."""

import contextlib
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.api.client import Client
from nucleus_pandas.store import export
from nucleus_pandas.store.database import Database
from nucleus_pandas.store.privacy import forget, tombstones
from nucleus_pandas.store.privacy.traces import rows_with
from tests.demo.handmade import app_of, session, user
from tests.store.conftest import ALL, Asked, assert_same, kept, kinds, quiet_sync

ROOT = Path(__file__).parents[2]

#: Where an erasure may stop: what is called then, and whether that is done by then.
STEPS = {
    "before anything is written": (tombstones.Erased, "begin", False),
    "once the person is noted": (tombstones.Erased, "begin", True),
    "before the service answers": (Client, "delete_user", False),
    "after the service erased": (Client, "delete_user", True),
    "before the store deletes": (tombstones, "clean", False),
    "once the rows are deleted": (tombstones, "drop_users", True),
    "before the file is rewritten": (Database, "rewrite", False),
    "once the file is rewritten": (Database, "rewrite", True),
    "once the store is clean": (tombstones, "clean", True),
}


DATES = {"createdAt": "2026-11-19T10:00:00.000Z", "lastSeen": "2026-11-19T11:00:00.000Z"}


@pytest.fixture
def app(scripted, tmp_path):
    return scripted(cache=tmp_path / "cache")


def someone(client, number=5):
    """A user with an address for an id, who has sessions."""
    users = nu.load_users(client)
    return users[users["user_id"].str.contains("@example.org") & users["devices"].gt(0)].iloc[number]


def erased_file(store):
    return Path(f"{store.path}.erased")


def forget_one(app, store, number=0):
    """Erases somebody; gives who it was."""
    who = someone(app, number)
    nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    return who


def answer_to_delete(status, payload):
    """A hook by which the service pretends to erase."""
    return lambda method, target: (status, payload) if method == "DELETE" else None


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
    fill(store)
    who = someone(app)
    app.service.hook = lambda method, target: (204, None) if method == "DELETE" else None  # it says so and does not
    nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    asked = Asked(app.service)
    asked.new()
    with pytest.warns(nu.IncompleteDataWarning, match="lists 1 user whose erasure it confirmed"):
        report = quiet_sync(app, store)
    assert who["user_id"] in set(nu.load_users(app)["user_id"])
    assert who["user_id"] not in set(store.users()["user_id"])
    assert not [target for target in asked.new() if who["user_id"] in target]
    assert "forgotten: 1" in report.table.set_index("item").loc["users skipped", "detail"]


def test_what_is_left_is_what_a_fresh_crawl_finds(app, store, fill, tmp_path):
    fill(store)
    who = someone(app)
    nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    fresh = nu.EventStore(tmp_path / "fresh.duckdb")
    quiet_sync(app, fresh)
    assert_same(store, fresh)
    quiet_sync(app, store)
    assert_same(store, fresh)


class CrashError(BaseException):
    """What ends a test's program in the middle."""


@contextlib.contextmanager
def crash_at(monkeypatch, step):
    """Ends whatever runs at a step."""
    owner, name, after = STEPS[step]
    real = getattr(owner, name)

    def crash(*arguments, **named):
        if after:
            real(*arguments, **named)
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, crash)
        with pytest.raises(CrashError):
            yield


def assert_gone(app, store, who):
    """Assert that neither the service nor the store has somebody, and that nothing is left to be done."""
    assert app.cache_info().entries == 0
    assert who["user_id"] not in set(nu.load_users(app)["user_id"])
    with store.database.reading() as connection:
        assert sum(rows_with(connection, [who["user_id"], who["user_db_id"]]).values()) == 0
        people = tombstones.read_erased(connection, store.database.path).people
    assert [(person.at_service, person.in_store, person.users) for person in people] == [("done", "done", [])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet_sync(app, store)


@pytest.mark.parametrize("step", STEPS)
def test_an_erasure_that_stopped_is_finished_by_the_next_call(app, store, fill, monkeypatch, step):
    fill(store)
    who = someone(app, 0)
    with crash_at(monkeypatch, step):
        nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    if step == "once the store is clean":
        return  # nothing is left for a second call, which would not know the person at all
    report = nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    assert report["left"].sum() == 0
    assert_gone(app, store, who)


@pytest.mark.parametrize("step", list(STEPS)[1:])
def test_an_erasure_that_stopped_is_finished_by_the_next_sync(app, store, fill, monkeypatch, step):
    fill(store)
    who = someone(app, 0)
    with crash_at(monkeypatch, step):
        nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet_sync(app, store)
    assert_gone(app, store, who)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("step", ["once the person is noted", "after the service erased", "once the rows are deleted"])
def test_an_erasure_that_was_killed_is_finished_by_the_next_sync(app, store, fill, step):
    fill(store)
    who = someone(app, 0)
    driver = [sys.executable, "-m", "tests.store.erasure_driver", str(store.path), app.service.base_url, step]
    done = subprocess.run(driver, input=who["user_id"], text=True, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    quiet_sync(app, store)
    assert_gone(app, store, who)


def test_a_sync_that_stops_while_it_finishes_an_erasure_leaves_the_rest_to_the_next(app, store, fill, monkeypatch):
    fill(store)
    who = someone(app, 0)
    with crash_at(monkeypatch, "once the person is noted"):
        nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    for step in list(STEPS)[2:]:
        with contextlib.suppress(CrashError), monkeypatch.context() as patch:
            owner, name, after = STEPS[step]
            real = getattr(owner, name)

            def crash(*arguments, real=real, after=after, **named):
                if after:
                    real(*arguments, **named)
                raise CrashError

            patch.setattr(owner, name, crash)
            quiet_sync(app, store)
    quiet_sync(app, store)
    assert_gone(app, store, who)
    assert len(store.users()) == len(nu.load_users(app))


def test_the_number_of_somebody_erased_may_go_to_a_new_user_who_stays(scripted, store, monkeypatch):
    people = [user(f"a-long-id-{n}", f"person-{n}@example.org", f"10-{20 + n} 10:00") for n in range(3)]
    for number, person in enumerate(people):
        session(person, str(number), f"10-{20 + number} 10:00")
    with scripted(app=app_of(*people[:2])) as first:
        quiet_sync(first, store)
        with crash_at(monkeypatch, "once the rows are deleted"):
            nu.forget_user(first, "person-1@example.org", store=store, confirm="person-1@example.org")
    second = scripted(app=app_of(people[0], people[2]))
    for _ in range(3):
        quiet_sync(second, store)
    assert store.users()["user_id"].tolist() == ["person-0@example.org", "person-2@example.org"]


def test_a_service_that_fails_leaves_the_store_without_the_person_and_says_so(app, store, fill):
    fill(store)
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
    fill(store)
    store.export(tmp_path / "out")
    who = someone(app)
    report = nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"]).set_index("place")
    assert report.loc["exports", "left"] == 1
    assert str(tmp_path / "out") in report.loc["exports", "detail"]


def exports_in(report):
    return report.set_index("place").loc[lambda rows: rows.index == "exports", "detail"].tolist()


def test_an_export_is_reported_once_and_only_while_it_exists(app, store, fill, tmp_path):
    fill(store)
    store.export(tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone")
    for _ in range(2):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        store.export(tmp_path / "out")
    who = someone(app)
    report = nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    assert exports_in(report) == [f"not erased: delete and export again: {tmp_path / 'out'}"]
    assert report["left"].sum() == 1


def test_an_export_that_failed_is_not_reported(app, store, fill, tmp_path, monkeypatch):
    fill(store)

    def fails(*_):
        raise OSError(28, "No space left on device", str(tmp_path / "out" / "about.json"))

    monkeypatch.setattr(export, "write_private", fails)
    with pytest.raises(nu.StoreError):
        store.export(tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    who = someone(app)
    assert exports_in(nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])) == []


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
    fill(store)
    who = someone(app)
    asked = Asked(app.service)
    asked.new()
    with pytest.raises(ValueError, match="so nobody was erased"):
        nu.forget_user(app, who["user_id"], store=store, confirm="yes")
    assert asked.new() == []
    assert who["user_id"] in set(store.users()["user_id"])


def test_an_answer_that_was_lost_is_made_good_by_calling_again(app, store, fill):
    fill(store)
    who = someone(app)
    lost = []

    def hook(method, target):
        if method == "DELETE" and not lost:
            lost.append(app.service._ledger.erase(app.service._routes().user(who["user_id"])))
            return (400, {"error": "erased, but nobody hears of it"})
        return None

    app.service.hook = hook
    with pytest.raises(nu.ServiceError):
        nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    report = nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    assert report["left"].sum() == 0
    assert_gone(app, store, who)


def test_the_other_kind_of_id_erases_nobody_and_says_which_is_wanted(app, store, fill):
    fill(store)
    who = someone(app)
    with pytest.raises(ValueError, match="requires the user_id"):
        nu.forget_user(app, who["user_db_id"], store=store, confirm=who["user_db_id"])
    assert who["user_id"] in set(store.users()["user_id"])
    quiet_sync(app, store)
    assert who["user_id"] in set(store.users()["user_id"])


@pytest.mark.parametrize("with_store", [True, False])
def test_an_id_that_nobody_knows_erases_nobody(app, store, fill, with_store):
    fill(store)
    who = someone(app)["user_id"].upper()
    with pytest.raises(nu.NotFoundError, match="letter by letter"):
        nu.forget_user(app, who, store=store if with_store else None, confirm=who)
    assert not erased_file(store).exists()


def test_a_store_that_does_not_exist_is_told_before_anybody_is_erased(app, tmp_path):
    who = someone(app)["user_id"]
    with pytest.raises(nu.StoreError, match="There is no store at"):
        nu.forget_user(app, who, store=nu.EventStore(tmp_path / "typo.duckdb"), confirm=who)
    assert who in set(nu.load_users(app)["user_id"])


def test_who_is_gone_at_the_service_is_erased_from_the_store(app, store, fill):
    fill(store)
    who = someone(app)["user_id"]
    app.delete_user(who, confirm=who)
    report = nu.forget_user(app, who, store=store, confirm=who).set_index("place")
    assert report["left"].sum() == 0
    assert "does not know the user" in report.loc["service", "detail"]
    assert who not in set(store.users()["user_id"])


def test_an_anonymous_user_is_forgotten_by_the_service_s_id(app, store, fill):
    fill(store)
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
    with pytest.warns(nu.IncompleteDataWarning, match="The events of 1 session could not be loaded"):
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


# What the service does not confirm


@pytest.mark.parametrize("payload", [{"error": "no"}, {"ok": False}, {}])
def test_a_success_that_erased_nobody_is_an_error_and_the_store_is_clean(app, store, fill, payload):
    fill(store)
    who = someone(app, 0)
    app.service.hook = answer_to_delete(200, payload)
    with pytest.raises(
        nu.ServiceError, match=r"still has the user.* deleted from the store .* each sync tries"
    ) as caught:
        nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    assert who["user_id"] not in str(caught.value)
    assert who["user_id"] not in set(store.users()["user_id"])
    assert app.cache_info().entries == 0
    with store.database.reading() as connection:
        assert sum(rows_with(connection, [who["user_id"], who["user_db_id"]]).values()) == 0


@pytest.mark.parametrize(("status", "payload"), [(200, {"ok": False}), (400, {"error": "no"}), (403, {})])
def test_each_sync_asks_again_and_warns_until_the_service_has_erased(app, store, fill, status, payload):
    fill(store)
    who = someone(app, 0)
    app.service.hook = answer_to_delete(status, payload)
    with pytest.raises(nu.NucleusError, match="has not confirmed"):
        nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    for _ in range(2):
        with pytest.warns(nu.IncompleteDataWarning, match="has not confirmed the erasure of 1 user,") as caught:
            report = quiet_sync(app, store)
        assert who["user_id"] not in str(caught[0].message)
        assert who["user_id"] not in set(store.users()["user_id"])
        assert report.requests > 0
    app.service.hook = None
    asked = Asked(app.service)
    asked.new()
    quiet_sync(app, store)
    assert [method for method, _ in list(app.service.requests)[-len(asked.new()) :]].count("DELETE") == 1
    assert_gone(app, store, who)


def test_whoever_is_not_on_a_whole_list_is_erased(app, store, fill):
    fill(store)
    who = someone(app, 0)
    app.service.hook = answer_to_delete(403, {"error": "no"})
    with pytest.raises(nu.AuthenticationError, match="the service has not confirmed the erasure"):
        nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    app.service._ledger.erase(app.service._routes().user(who["user_id"]))
    quiet_sync(app, store)  # sends no DELETE, which would be refused
    assert_gone(app, store, who)


@pytest.mark.parametrize(
    "listing",
    [
        {"total": 0, "data": []},
        {"data": [{"_id": "5f3e-bo"}]},
        {"total": 2, "data": [{"_id": "5f3e-bo"}, {"_id": "5f3e-bo"}]},
        {"total": 2, "data": [{"_id": "5f3e-bo"}, {"props": {}}]},
    ],
)
def test_a_list_that_does_not_show_all_users_confirms_nothing(scripted, store, fill, listing):
    fill(store)
    app = scripted(cache=False)
    who = store.users().iloc[0]
    app.service.hook = answer_to_delete(403, {"error": "no"})
    with pytest.raises(nu.AuthenticationError):
        nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    app.service.hook = lambda _, target: (200, listing) if target.endswith("/users") else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quiet_sync(app, store)
    assert any("its list of users is incomplete" in str(each.message) for each in caught)


def test_a_list_that_is_incomplete_confirms_nothing(scripted, store, fill):
    fill(store)
    app = scripted(cache=False, page_size=5)
    who = store.users().iloc[0]
    app.service.hook = answer_to_delete(403, {"error": "no"})
    with pytest.raises(nu.AuthenticationError):
        nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    app.service._ledger.erase(app.service._routes().user(who["user_id"]))
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            quiet_sync(app, store)
        assert any("its list of users is incomplete" in str(each.message) for each in caught)
    app.service.page_size = None
    quiet_sync(app, store)
    assert_gone(app, store, who)


@pytest.mark.parametrize("status", [404, 204])
def test_a_service_that_wants_the_other_kind_of_id_has_erased_nobody(scripted, store, fill, status):
    fill(store)
    app = scripted(user_path="_id")  # while the service goes by the app's ids
    app.service.hook = answer_to_delete(status, {} if status == 404 else None)
    who = store.users().iloc[0]
    with pytest.raises(nu.ServiceError, match="set user_path of Client") as caught:
        nu.forget_user(app, who["user_db_id"], store=store, confirm=who["user_db_id"])
    assert who["user_db_id"] not in str(caught.value)
    assert who["user_db_id"] not in set(store.users()["user_db_id"])
    assert who["user_db_id"] in set(nu.load_users(app)["user_db_id"])


def test_somebody_who_came_back_is_erased_again_by_forget_user(app, store, fill):
    fill(store)
    app.service.hook = answer_to_delete(204, None)
    who = forget_one(app, store)
    app.service.hook = None
    with pytest.warns(nu.IncompleteDataWarning, match="forget_user erases them again"):
        quiet_sync(app, store)
    nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    assert_gone(app, store, who)


def test_a_user_who_takes_on_the_id_of_somebody_erased_is_deleted(scripted, store):
    ana, bo = (user("a-long-id-1", "ana@example.org", "10-24 10:00"), user("a-long-id-2", None, "10-24 10:00"))
    session(ana, "1", "10-24 10:00")
    session(bo, "2", "10-24 11:00")
    app = scripted(app=app_of(ana, bo))
    quiet_sync(app, store)
    nu.forget_user(app, "ana@example.org", store=store, confirm="ana@example.org")
    renamed = {"_id": "a-long-id-2", "userId": "ana@example.org", **DATES, "devices": [], "props": {}}
    listing = {"total": 1, "data": [renamed]}
    app.service.hook = lambda _, target: (200, listing) if target.endswith("/users") else None
    with pytest.warns(nu.IncompleteDataWarning, match="lists 1 user whose erasure it confirmed"):
        quiet_sync(app, store)
    assert len(store.users()) == len(store.sessions()) == 0


def test_a_file_that_cannot_be_rewritten_is_reported_and_tried_again_by_each_sync(app, store, fill, monkeypatch):
    fill(store)
    who = someone(app, 0)

    def full(_):
        raise nu.StoreError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "rewrite", full)
        with pytest.raises(nu.StoreError, match=r"full\. .* may still contain them; the service has erased the person"):
            nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
        with pytest.warns(nu.IncompleteDataWarning, match="the file may still contain them"):
            quiet_sync(app, store)
    assert who["user_id"] not in set(store.users()["user_id"])
    quiet_sync(app, store)
    assert_gone(app, store, who)


def test_nobody_is_erased_when_it_cannot_be_written_down(app, store, fill, monkeypatch):
    fill(store)
    who = someone(app, 0)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tombstones.os, "fsync", full)
    with pytest.raises(nu.StoreError, match="No space left on device"):
        nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    assert who["user_id"] in set(store.users()["user_id"])
    assert app.service._routes().user(who["user_id"])
    assert not erased_file(store).exists()


# The file beside the store


def test_the_file_is_private_and_holds_no_id(app, store, fill):
    fill(store)
    who = forget_one(app, store)
    assert stat.S_IMODE(erased_file(store).stat().st_mode) == 0o600
    text = erased_file(store).read_text()
    assert who["user_id"] not in text
    assert who["user_db_id"] not in text
    salt = kept(store, "SELECT value FROM kept.meta WHERE key = 'salt'")["value"][0]
    assert salt not in text
    assert not Path(f"{erased_file(store)}.new").exists()


def test_a_hash_takes_long_to_try_and_cannot_be_asked_for_in_sql(app, store, fill):
    fill(store)
    who = forget_one(app, store)
    people = json.loads(erased_file(store).read_text())["people"]
    salt = bytes.fromhex(kept(store, "SELECT value FROM kept.meta WHERE key = 'salt'")["value"][0])
    slow = hashlib.scrypt(who["user_id"].encode(), salt=salt, n=2**12, r=8, p=1, dklen=32).hex()
    assert slow in people[0]["hashes"]
    with store.database.reading() as connection:
        assert sum(rows_with(connection, people[0]["hashes"]).values()) == 0
    path = erased_file(store)
    for query in (
        f"FROM read_text('{path}')",
        f"FROM read_json_auto('{path}')",
        f"FROM '{path}'",
        "FROM kept.tombstones",
    ):
        with pytest.raises(ValueError, match="query"):
            store.sql(query)


def counted(monkeypatch):
    """Counts the hashes that are made; a list grows by the text of each."""
    made, lock, real = [], threading.Lock(), hashlib.scrypt

    def scrypt(text, **settings):
        with lock:
            made.append(text.decode())
        return real(text, **settings)

    monkeypatch.setattr(tombstones.hashlib, "scrypt", scrypt)
    return made


def test_nothing_is_hashed_as_long_as_nobody_was_erased(app, store, monkeypatch):
    made = counted(monkeypatch)
    quiet_sync(app, store)
    quiet_sync(app, store)
    assert made == []


def test_an_erasure_hashes_the_ids_of_the_person_only(app, store, fill, monkeypatch):
    fill(store)
    made = counted(monkeypatch)
    who = forget_one(app, store)
    assert set(made) == {who["user_id"], who["user_db_id"]}


def test_a_sync_hashes_the_ids_of_new_users_only(app, store, fill, monkeypatch):
    fill(store)
    made = counted(monkeypatch)
    who = forget_one(app, store)
    made.clear()
    quiet_sync(app, store)
    assert made == []
    listed = nu.load_users(app)
    known = set(store.users()["user_id"]) | set(store.users()["user_db_id"])
    new = {"_id": "5f3e-new", "userId": "new@example.org", **DATES, "devices": []}

    def hook(method, target):
        if not target.endswith("/users"):
            return (200, {"user": new, "sessions": []}) if "5f3e-new" in target or "new%40" in target else None
        rows = [{"_id": row.user_db_id, "userId": row.user_id, **DATES, "devices": []} for row in listed.itertuples()]
        return (200, {"total": len(rows) + 1, "data": [*rows, new]})

    app.service.hook = hook
    quiet_sync(app, store)
    assert set(made) == {"5f3e-new", "new@example.org"}
    assert who["user_id"] not in known


@pytest.mark.parametrize("damage", ["lost", "cut", "no JSON", "a list", "another key", "a newer version", "emptied"])
def test_a_file_that_is_lost_or_damaged_stops_syncs_and_erasures_and_nothing_else(app, store, fill, damage):
    fill(store)
    forget_one(app, store)
    path, text = erased_file(store), erased_file(store).read_text()
    broken = {
        "cut": text[:-30],
        "no JSON": "hello",
        "a list": "[]",
        "another key": text.replace("hashes", "other"),
        "a newer version": text.replace('"version": 1', '"version": 2'),
        "emptied": json.dumps(json.loads(text) | {"people": []}),
    }
    path.unlink() if damage == "lost" else path.write_text(broken[damage])
    before = store.events()
    who = someone(app, 0)
    for act in (
        lambda: quiet_sync(app, store),
        lambda: nu.plan_sync(app, store, **ALL),
        lambda: nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"]),
    ):
        with pytest.raises(nu.StoreError, match=r"app\.duckdb\.erased"):
            act()
    assert who["user_id"] in set(nu.load_users(app)["user_id"])
    pd.testing.assert_frame_equal(store.events(), before)
    assert not path.exists() if damage == "lost" else path.read_text() == broken[damage]


@pytest.mark.parametrize("damage", ["lost", "damaged"])
def test_to_accept_the_loss_is_a_step_of_its_own(app, store, fill, damage):
    fill(store)
    app.service.hook = answer_to_delete(204, None)
    who = forget_one(app, store)
    erased_file(store).unlink() if damage == "lost" else erased_file(store).write_text("?")
    with pytest.raises(nu.StoreError, match=r"EventStore\.reset_erased\(\) lets a sync take in everybody"):
        quiet_sync(app, store)
    store.reset_erased()
    quiet_sync(app, store)
    assert who["user_id"] in set(store.users()["user_id"])
    assert not erased_file(store).exists()


def test_a_store_that_does_not_exist_has_nothing_to_reset(store):
    with pytest.raises(nu.StoreError, match="There is no store at"):
        store.reset_erased()
    assert not store.path.exists()


def test_the_file_of_another_store_is_refused(app, store, fill, tmp_path):
    fill(store)
    forget_one(app, store)
    other = nu.EventStore(tmp_path / "other.duckdb")
    shutil.copy(erased_file(store), erased_file(other))
    for _ in range(2):  # the store does not exist the first time
        with pytest.raises(nu.StoreError, match="belongs to another store"):
            quiet_sync(app, other)
        erased_file(other).rename(tmp_path / "aside")
        quiet_sync(app, other)
        (tmp_path / "aside").rename(erased_file(other))


def test_an_older_copy_of_the_store_gives_nobody_back(app, store, fill, tmp_path):
    fill(store)
    shutil.copy(store.path, tmp_path / "backup")
    app.service.hook = answer_to_delete(204, None)
    who = forget_one(app, store)
    shutil.copy(tmp_path / "backup", store.path)
    assert who["user_id"] in set(store.users()["user_id"])
    with pytest.warns(nu.IncompleteDataWarning, match="lists 1 user whose erasure it confirmed"):
        report = quiet_sync(app, store)
    assert who["user_id"] not in set(store.users()["user_id"])
    assert report.table.set_index("item").loc["users deleted", "count"] == 1


def test_a_store_without_a_salt_is_damaged(app, store, fill):
    fill(store)
    with store.database.writing() as connection:
        connection.execute("DELETE FROM kept.meta WHERE key = 'salt'")
    who = someone(app, 0)["user_id"]
    with pytest.raises(nu.StoreError, match="holds no valid salt"):
        nu.forget_user(app, who, store=store, confirm=who)
    assert who in set(nu.load_users(app)["user_id"])


# What is left


def test_a_copy_that_cannot_be_removed_is_reported(app, store, fill):
    fill(store)
    copy = store.path.parent / f".{store.path.name}.unfinished"
    (copy / "something else").mkdir(parents=True)
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


def test_rows_of_a_person_whom_the_app_renamed_are_deleted(scripted, store):
    ana = user("a-long-id-1", "ana@example.org", "10-24 10:00")
    session(ana, "1", "10-24 10:00")
    app = scripted(app=app_of(ana))
    quiet_sync(app, store)
    with store.database.writing() as connection:
        connection.execute("UPDATE kept.users SET user_id = 'anna@example.org'")
    nu.forget_user(app, "ana@example.org", store=store, confirm="ana@example.org")
    assert len(store.users()) == len(store.sessions()) == len(store.events()) == 0


def test_the_answer_about_somebody_else_deletes_nobody_else(app, store, fill):
    fill(store)
    who, other = someone(app, 0), someone(app, 1)
    wrong = {"user": {"_id": other["user_db_id"], "userId": other["user_id"]}, "sessions": []}
    app.service.hook = lambda method, target: (200, wrong) if method == "GET" and "/users/" in target else None
    nu.forget_user(app, who["user_id"], store=store, confirm=who["user_id"])
    assert other["user_id"] in set(store.users()["user_id"])


def test_an_id_that_no_path_can_hold_is_refused_before_anything_is_done(app, store, fill):
    fill(store)
    for user_id in ("", "..", "\ud800"):
        with pytest.raises(ValueError, match="user_id"):
            nu.forget_user(app, user_id, store=store, confirm=user_id)
    assert not erased_file(store).exists()


def test_an_erasure_that_the_service_has_not_confirmed_is_counted_until_it_is(app, store, fill):
    fill(store)
    who = someone(app, 0)["user_id"]
    assert store.info().pending_erasures == 0
    app.service.hook = lambda method, target: (400, {}) if method == "DELETE" else None
    with pytest.raises(nu.ServiceError):
        nu.forget_user(app, who, store=store, confirm=who)
    assert store.info().pending_erasures == 1
    app.service.hook = None
    quiet_sync(app, store)
    assert store.info().pending_erasures == 0


@pytest.mark.filterwarnings("ignore::nucleus_pandas.IncompleteDataWarning")
@pytest.mark.parametrize("user_path", ["user_id", "_id"])
def test_somebody_whose_id_holds_a_character_that_no_table_can_is_erased(scripted, store, user_path):
    ids = {"user_id": "an\x00a@example.org", "_id": "a\x00-long-id"}
    ana, bo = user(ids["_id"], ids["user_id"], "10-24 10:00"), user("b-long-id", "bo@example.org", "10-24 10:00")
    for who in (ana, bo):
        session(who, "1", "10-24 10:00")
    app = scripted(app=app_of(ana, bo), user_path=user_path)
    app.service.user_path = user_path
    quiet_sync(app, store)
    assert len(store.users()) == 2
    nu.forget_user(app, ids[user_path], store=store, confirm=ids[user_path])
    assert store.users()["user_id"].tolist() == ["bo@example.org"]
