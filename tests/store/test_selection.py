"""Who is asked about, and who is in a sample."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from nucleus_pandas.api.parsing.values import ParseProblems
from nucleus_pandas.store.sync.selection import (
    StoreState,
    _user_frame,
    ask_listing,
    bucket_of,
    choose,
    decide,
    user_keys,
)
from tests.conftest import AUTUMN
from tests.demo.handmade import app_of, session, user
from tests.store.conftest import Asked, kinds, quiet_sync

START, END = dt.datetime(2026, 10, 1, tzinfo=dt.UTC), dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def weeks(*sizes):
    """Creation dates with so many users a week, one week after another."""
    monday = pd.Timestamp("2026-06-01", tz="UTC")
    moments = [monday + pd.Timedelta(weeks=week, hours=n % 160) for week, size in enumerate(sizes) for n in range(size)]
    return pd.Series(moments, dtype="datetime64[us, UTC]")


def drawn(created, sample, seed=0, *, before=None, out=None):
    keys = np.array([f"_id:{number}" for number in range(len(created))], dtype=object)
    nobody = np.zeros(len(created), dtype=bool)
    return choose(keys, created, nobody if before is None else before, sample, seed, out=nobody if out is None else out)


def test_a_sample_takes_its_share_of_each_week():
    created = weeks(100, 50, 10, 3)
    chosen = pd.Series(drawn(created, 0.1)).groupby(created.dt.tz_localize(None).dt.to_period("W")).sum().tolist()
    assert chosen[:3] in ([10, 5, 1],)
    assert chosen[3] in (0, 1)


def test_small_weeks_add_up_to_the_share():
    chosen = sum(int(drawn(weeks(*[3] * 40), 0.1, seed).sum()) for seed in range(20))
    assert chosen == pytest.approx(20 * 12, abs=40)


@settings(max_examples=30)
@example([29, 3], 0.25, 1 / 64, 47)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 99))
def test_a_larger_sample_of_the_same_seed_holds_the_smaller_one(sizes, one, other, seed):
    created = weeks(*sizes)
    small, large = sorted([one, other])
    assert not (drawn(created, small, seed) & ~drawn(created, large, seed)).any()


def test_everybody_is_in_a_sample_of_one():
    assert drawn(weeks(7, 1, 30), 1.0).all()


def test_another_seed_draws_others():
    created = weeks(200)
    assert (drawn(created, 0.1, 1) != drawn(created, 0.1, 2)).any()


def test_who_was_chosen_stays_when_others_come():
    first = weeks(50)
    before = drawn(first, 0.2)
    grown = pd.concat([first, weeks(50)], ignore_index=True)
    after = drawn(grown, 0.2, before=np.append(before, np.zeros(50, dtype=bool)))
    assert after[:50][before].all()
    assert after.sum() == 20


def test_who_is_out_is_never_drawn():
    assert drawn(weeks(4), 1.0, out=np.array([True, False, False, True])).tolist() == [False, True, True, False]


def test_users_without_a_date_are_a_week_of_their_own():
    created = pd.Series([pd.NaT] * 10, dtype="datetime64[us, UTC]")
    assert drawn(created, 0.5).sum() == 5


def test_buckets_are_the_same_in_every_version():
    assert bucket_of(["_id:a1", "_id:b2", "user_id:ana"]).tolist() == [0, 48, 48]


def test_a_user_is_known_by_the_service_s_id_or_else_by_the_app_s():
    assert user_keys(["ana", "bo"], ["a1", None]).tolist() == ["_id:a1", "user_id:bo"]


def decisions(*users, ledger=(), as_of=AUTUMN):
    listed = [dict(zip(("_id", "createdAt", "lastSeen"), who, strict=True)) for who in users]

    class Answers:
        def now(self):
            return as_of

        def get(self, *_, **__):
            from nucleus_pandas.api.http.api_request import Answer

            return Answer({"total": len(listed), "data": listed}, as_of)

    listing = ask_listing(Answers(), ParseProblems("users"))
    rows = [(number, who, who, True, asked, seen, None) for number, (who, asked, seen) in enumerate(ledger)]
    return decide(listing, StoreState(_user_frame(rows)), START, END, 1.0, 0)["decision"].tolist()


def at(text):
    return dt.datetime.fromisoformat(f"2026-{text}")


@pytest.mark.parametrize(
    ("created", "seen", "decision"),
    [
        ("2026-09-01T00:00:00Z", "2026-09-30T23:59:59.999Z", "not seen"),
        ("2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z", "ask"),
        ("2026-10-31T23:59:59.999Z", "2026-11-03T00:00:00Z", "ask"),
        ("2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z", "created later"),
        ("2031-01-01T00:00:00Z", "2026-11-03T00:00:00Z", "ask"),  # a clock that runs ahead
        (None, None, "ask"),
        ("2026-09-01T00:00:00Z", None, "ask"),
    ],
)
def test_who_cannot_have_a_session_in_the_interval_is_not_asked_about(created, seen, decision):
    assert decisions(("a", created, seen)) == [decision]


@pytest.mark.parametrize(
    ("asked", "asked_seen", "decision"),
    [
        ("10-12T00:00:00", "10-10T00:00:00", "unchanged"),
        ("10-11T23:59:59", "10-10T00:00:00", "ask"),  # an app that was offline may have sent more since
        ("10-12T00:00:00", "10-09T00:00:00", "ask"),  # seen since
        (None, None, "ask"),
    ],
)
def test_who_was_asked_about_48_hours_after_being_seen_last_is_known(asked, asked_seen, decision):
    known = ("a", asked and at(asked), asked_seen and at(asked_seen))
    assert decisions(("a", "2026-09-01T00:00:00Z", "2026-10-10T00:00:00Z"), ledger=[known]) == [decision]


def test_a_sampled_store_follows_whole_users_and_says_so(scripted, store):
    app = scripted(scale=0.1)
    asked = Asked(app.service)
    quiet_sync(app, store, sample=0.2, seed=3)
    everybody, sent = nu.load_users(app), kinds(asked.new())
    followed = store.users()
    assert sent["users"] == len(followed) == pytest.approx(0.2 * len(everybody), abs=15)
    info = store.info()
    assert (info.users, info.followed) == (len(everybody), len(followed))
    assert info.sample == len(followed) / len(everybody)
    loaded = nu.load_sessions(app, followed, progress=False)
    pd.testing.assert_frame_equal(store.sessions(), loaded)
    assert set(store.devices()["user_db_id"]) <= set(followed["user_db_id"])


def test_a_sample_may_be_raised_and_not_lowered_nor_drawn_anew(scripted, store):
    app = scripted(scale=0.05)
    quiet_sync(app, store, sample=0.2)
    few = set(store.users()["user_db_id"])
    quiet_sync(app, store)
    assert set(store.users()["user_db_id"]) == few
    with pytest.raises(ValueError, match=r"less than the share 0\.2 of users that this store follows"):
        quiet_sync(app, store, sample=0.1)
    with pytest.raises(ValueError, match="were drawn with seed=0"):
        quiet_sync(app, store, seed=1)
    quiet_sync(app, store, sample=0.5)
    assert few < set(store.users()["user_db_id"])
    quiet_sync(app, store, sample=1.0)
    pd.testing.assert_frame_equal(store.users(), nu.load_users(app))
    assert store.info().sample == 1.0


def test_a_user_who_gets_another_id_of_the_app_s_stays_the_same_user(scripted, store):
    def app(name):
        who = user("a1", name, "10-24 10:00")
        session(who, "1", "10-24 10:00")
        return app_of(who)

    quiet_sync(scripted(app=app(None)), store)
    quiet_sync(scripted(app=app("ana")), store)
    assert store.users()["user_id"].tolist() == store.events()["user_id"].tolist() == ["ana"]
