"""Whose an event is: users who sign in, change, share a device or have several."""

import contextlib

import pytest

import nucleus_pandas as nu
from tests.sandbox.conftest import APP, HOUR, MINUTE, Tracker, log_of


def users(app):
    """The ids of the users, in the order in which they came."""
    return nu.load_users(app).sort_values("created_at")["user_id"].tolist()


def test_an_anonymous_user_who_signs_in_stays_the_same_user(tracker, app, clock):
    client = tracker(anonId="abcdefghijkl")
    client.track("init")
    (before,) = nu.load_users(app)["user_db_id"]
    clock.forward(MINUTE)
    client.track("userid", userId="ana")
    client.track("event", "A", userId="ana")
    table = nu.load_users(app)
    assert table[["user_id", "user_db_id"]].to_numpy().tolist() == [["ana", before]]
    assert log_of(app)["event"].tolist() == ["init", "A"]


@pytest.mark.parametrize("fields", [{"anonId": "abcdefghijkl"}, {}], ids=["anonId", "device"])
def test_what_came_before_and_after_without_a_user_is_theirs_too(tracker, app, clock, fields):
    for session, user in (("1", None), ("2", "ana"), ("3", None)):
        client = tracker(session=session, **fields)
        client.track("init")
        client.track("event", "A", userId=user)
        clock.forward(HOUR)
    assert users(app) == ["ana"]
    assert len(log_of(app)) == 6


def test_an_anonymous_user_who_turns_out_to_be_known_is_merged_into_that_user(tracker, app, clock):
    tracker(device="laptop", anonId="laptop-anon1", userId="ana").track("init")
    (known,) = nu.load_users(app)["user_db_id"]
    clock.forward(HOUR)
    client = tracker(device="desktop", session="2", anonId="desktop-anon")
    client.track("init")
    assert len(nu.load_users(app)) == 2
    client.track("userid", userId="ana")
    assert nu.load_users(app)[["user_id", "user_db_id", "devices"]].to_numpy().tolist() == [["ana", known, 2]]
    assert sorted(nu.load_devices(app)["device_id"]) == ["desktop", "laptop"]


def test_a_second_user_at_the_same_device_is_another_user(tracker, app, clock):
    for session, user in (("1", "ana"), ("2", "ben")):
        client = tracker(session=session, anonId="abcdefghijkl")
        client.track("init")
        client.track("userid", userId=user)
        client.track("event", f"OF_{user.upper()}", userId=user)
        clock.forward(HOUR)
    log = log_of(app)
    assert log.groupby("user_id")["event"].agg(sorted).to_dict() == {
        "ana": ["OF_ANA", "init"],
        "ben": ["OF_BEN", "init"],
    }


def test_somebody_else_who_signs_in_begins_a_session_of_their_own(tracker, app, clock):
    client = tracker()
    client.track("init", userId="ana")
    clock.forward(MINUTE)
    client.track("event", "A", userId="ben")
    clock.forward(MINUTE)
    client.track("event", "B")  # nobody is named: it is still ben
    log = log_of(app)
    assert log.groupby("user_id")["event"].agg(list).to_dict() == {"ana": ["init"], "ben": ["A", "B"]}


def test_anonymous_users_go_by_the_service_id(tracker, app):
    tracker(device="d1", anonId="abcdefghijkl").track("init")
    tracker(device="d2").track("init")
    table = nu.load_users(app)
    assert table["user_id"].tolist() == table["user_db_id"].tolist()
    assert table["user_db_id"].str.fullmatch("[0-9a-f]{24}").all()
    assert len(log_of(app)) == 2


def test_a_client_without_a_device_gets_one(tracker, app):
    client = tracker(userId="ana", device=None)
    client.track("init")
    client.track("event", "A")
    assert len(nu.load_devices(app)) == 1
    assert len(log_of(app)) == 2


def test_numbers_as_user_ids_are_text(tracker, app):
    tracker(userId=42).track("init")
    assert users(app) == ["42"]


def test_deleted_users_are_gone_and_new_when_they_come_back(tracker, app, clock):
    ana, ben = tracker(device="d1", userId="ana"), tracker(device="d2", userId="ben")
    ana.track("init")
    ben.track("init")
    before = nu.load_users(app).set_index("user_id")["user_db_id"]
    app.delete_user("ana", confirm="ana")
    assert users(app) == ["ben"]
    ana.track("event", "A")  # of a session whose init is erased
    assert users(app) == ["ben"]
    clock.forward(HOUR)
    ana.track("init", sessionId=2)
    after = nu.load_users(app).set_index("user_id")["user_db_id"]
    assert after["ben"] == before["ben"]
    assert after["ana"] != before["ana"]
    with pytest.raises(nu.NotFoundError):
        app.delete_user("nobody", confirm="nobody")


def test_deleting_a_user_deletes_what_they_did_before_they_signed_in(tracker, app, sandbox):
    client = tracker(anonId="abcdefghijkl")
    client.track("init")
    client.track("userid", userId="ana")
    app.delete_user("ana", confirm="ana")
    client.track("init", sessionId=2)
    assert nu.load_users(app)["user_id"].tolist() == nu.load_users(app)["user_db_id"].tolist()
    assert len(log_of(app)) == 1


def test_a_store_follows_an_anonymous_user_who_is_merged_into_another(tracker, app, clock, tmp_path):
    store = nu.EventStore(tmp_path / "store.duckdb")
    tracker(device="laptop", userId="ana").track("init")
    client = tracker(device="desktop", session="2", anonId="desktop-anon")
    client.track("init")
    clock.forward(MINUTE)
    nu.sync(app, store, "2026-11-20", "2026-11-20")
    assert len(store.users()) == 2
    client.track("event", "A", userId="ana")
    clock.forward(MINUTE)
    nu.sync(app, store, "2026-11-20", "2026-11-20")
    assert store.users()["user_id"].tolist() == ["ana"]
    assert sorted(store.events()["event"]) == ["A", "init", "init"]


def test_erasing_a_user_leaves_the_service_ids_of_others_alone(clock, tmp_path):
    path = tmp_path / "sandbox.db"
    before = None
    for erased in ("ana", "carl", None):
        with nu.Sandbox(path, clock=clock) as sandbox, sandbox.client(APP) as app:
            if before is None:
                for session, user in (("1", "ana"), ("2", "carl"), ("3", "ben")):
                    with contextlib.closing(Tracker(sandbox, clock, session=session)) as client:
                        client.track("init")
                        client.track("event", "A", userId=user)
                    clock.forward(HOUR)
                before = nu.load_users(app).set_index("user_id")["user_db_id"]["ben"]
            if erased:
                app.delete_user(erased, confirm=erased)
            assert nu.load_users(app).set_index("user_id")["user_db_id"]["ben"] == before


def test_erasing_a_user_leaves_the_service_id_of_an_anonymous_one_alone_who_then_signs_in(tracker, app, clock):
    client = tracker()
    client.track("init", anonId="first-anon-1")  # of ana, who signs in within this run
    client.track("event", "A", anonId="other-anon-2", userId="ana")
    clock.forward(HOUR)
    again = tracker(session="2", anonId="first-anon-1")
    again.track("init")
    table = nu.load_users(app).set_index("user_id")["user_db_id"]
    before = table.drop("ana").item()
    app.delete_user("ana", confirm="ana")
    assert nu.load_users(app)["user_db_id"].tolist() == [before]
    again.track("event", "B", userId="ben")
    assert nu.load_users(app)[["user_id", "user_db_id"]].to_numpy().tolist() == [["ben", before]]


def test_a_user_without_init_can_be_erased(clock, tmp_path):
    with nu.Sandbox(tmp_path / "sandbox.db", clock=clock) as sandbox, sandbox.client(APP) as app:
        with contextlib.closing(Tracker(sandbox, clock, userId="ghost@example.org")) as client:
            client.track("event", "A")
        assert len(nu.load_users(app)) == 0
        app.delete_user("ghost@example.org", confirm="ghost@example.org")
        assert not any(b"ghost@" in file.read_bytes() for file in tmp_path.iterdir())
        with pytest.raises(nu.NotFoundError):
            app.delete_user("ghost@example.org", confirm="ghost@example.org")
