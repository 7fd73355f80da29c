"""Sessions and users without errors, crashes, and the errors that trouble most; counted by hand."""

import pandas as pd
import pytest

import nucleus_pandas as nu
from tests.events.split import FrameBucket

TEXT = pd.StringDtype("python")


def log_of(*rows, **columns):
    """Make an event log of (user, session, time, event), with `kind` as the loaders tell it."""
    user, session, time, event = zip(*rows, strict=True)
    kinds = {"error": "error", "init": "init", "nucleus": "system"}
    return pd.DataFrame(
        {
            "user_id": pd.array(user, dtype=TEXT),
            "session_id": pd.array(session, dtype=TEXT),
            "time": pd.to_datetime([f"2026-09-{one}Z" for one in time]).as_unit("us"),
            "event": pd.array(event, dtype=TEXT),
            "kind": pd.array([kinds.get(one.split(":")[0], "custom") for one in event], dtype=TEXT),
            **columns,
        }
    )


LOG = log_of(
    ("ana", "1", "01T10:00", "init"),
    ("ana", "1", "01T10:05", "error:uncaughtException"),
    ("ana", "1", "02T00:05", "error:uncaughtException"),
    ("ana", "2", "01T20:00", "init"),
    ("ben", "3", "01T11:00", "init"),
    ("ben", "3", "01T11:01", "error:ExportFailed"),
    ("cem", "4", "02T09:00", "init"),
    ("cem", "4", "02T09:01", "open"),
    ("cem", "5", "05T09:00", "init"),
    version=["1.0", None, None, "1.1", "1.0", None, "1.1", None, "1.1"],
)
NOW = "2026-09-05T10:00Z"

SESSIONS = pd.DataFrame(
    {
        "user_id": pd.array(["ana", "ana", "ben", "cem", "cem"], dtype=TEXT),
        "device_id": "d",
        "session_id": pd.array(list("12345"), dtype=TEXT),
        "start": LOG.loc[LOG["event"] == "init", "time"].array,
        "errors": pd.array([2, 0, 1, 0, 0], dtype="Int64"),
        "version": ["1.0", "1.1", "1.0", "1.1", "1.1"],
    }
)


@pytest.mark.parametrize("activity", [LOG, SESSIONS], ids=["events", "sessions"])
def test_a_session_with_errors_counts_once_and_on_the_day_on_which_it_starts(activity):
    table = nu.error_free(activity, as_of=NOW, freq="D")
    assert table["period"].dt.day.tolist() == [1, 2, 3, 4, 5]
    assert table["sessions"].tolist() == [3, 1, 0, 0, 1]
    assert table["error_sessions"].tolist() == [2, 0, 0, 0, 0]
    assert table["users"].tolist() == [2, 1, 0, 0, 1]
    assert table["error_users"].tolist() == [2, 0, 0, 0, 0]
    assert table["error_free_sessions"].tolist()[:2] == pytest.approx([1 / 3, 1])
    assert table["error_free_users"].tolist()[:2] == [0, 1]
    # Nobody on the 3rd and 4th; the 5th is not over.
    assert table["error_free_sessions"].isna().tolist() == [False, False, True, True, True]
    assert table["complete"].tolist() == [True, True, True, True, False]
    assert table["settled"].tolist() == [True, True, False, False, False]
    assert table["low_n"].all()


@pytest.mark.parametrize("activity", [LOG, SESSIONS], ids=["events", "sessions"])
def test_each_session_has_one_version_and_users_of_two_count_in_both(activity):
    table = nu.error_free(activity, freq=None, by="version", as_of=NOW)
    assert table["segment"].tolist() == ["1.1", "1.0"]
    assert table["sessions"].tolist() == [3, 2]
    assert table["error_sessions"].tolist() == [0, 2]
    assert table["users"].tolist() == [2, 2]
    assert "period" not in table
    assert table.columns[-1] == "sample"


def test_only_what_nobody_caught_is_a_crash():
    table = nu.crash_free(LOG, freq=None, as_of=NOW)
    assert table[["sessions", "crash_sessions", "users", "crash_users"]].iloc[0].tolist() == [5, 1, 3, 1]
    assert table["crash_free_sessions"].iloc[0] == 0.8
    assert table["crash_free_users"].iloc[0] == pytest.approx(2 / 3)


def test_what_came_after_as_of_does_not_count():
    table = nu.error_free(LOG, freq=None, as_of="2026-09-01T10:04Z")
    assert table[["sessions", "error_sessions"]].iloc[0].tolist() == [1, 0]


def test_days_are_those_of_the_zone():
    table = nu.error_free(SESSIONS, tz="+05:45", as_of=NOW, freq="D")
    # 20:00 in UTC is 01:45 of the next day.
    assert table["sessions"].tolist() == [2, 2, 0, 0, 1]


def test_a_session_of_which_it_is_not_known_whether_it_had_errors_is_left_out():
    sessions = SESSIONS.assign(errors=pd.array([2, None, 1, 0, 0], dtype="Int64"))
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 5 sessions is left out"):
        table = nu.error_free(sessions, freq=None, as_of=NOW)
    assert table["sessions"].tolist() == [4]


def test_events_without_a_session_are_left_out_and_told():
    log = pd.concat([LOG, LOG.iloc[[7]].assign(session_id=pd.array([None], dtype=TEXT))], ignore_index=True)
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 10 events has no session"):
        assert nu.error_free(log, freq=None, as_of=NOW)["sessions"].tolist() == [5]


def test_start_and_end_bound_the_starts_of_sessions():
    table = nu.error_free(SESSIONS, start="2026-09-02", end="2026-09-03", as_of=NOW, freq="D")
    assert table["sessions"].tolist() == [1, 0]


@pytest.mark.parametrize("of", [nu.error_free, nu.crash_free])
def test_nothing_in_gives_the_same_columns_and_dtypes(of):
    for arguments in ({}, {"freq": None}, {"by": "version"}):
        full, empty = of(LOG, as_of=NOW, **arguments), of(LOG.iloc[:0], as_of=NOW, **arguments)
        pd.testing.assert_series_equal(empty.dtypes, full.dtypes)
        assert len(empty) == (1 if arguments == {"freq": None} else 0)


def test_the_log_is_left_as_it_was():
    before = LOG.copy(deep=True)
    nu.error_free(LOG, by="version", freq="D")
    nu.top_errors(LOG)
    pd.testing.assert_frame_equal(LOG, before)


@pytest.mark.parametrize("as_of", [NOW, None])
def test_a_session_counts_under_the_first_value_that_any_of_its_events_has(as_of):
    log = log_of(
        ("ana", "1", "01T10:00", "open"),
        ("ana", "1", "01T10:01", "init"),
        ("ana", "1", "01T10:02", "error:E"),
        ("ben", "2", "01T10:00", "init"),
        ("cem", "3", "01T10:00", "init"),
        version=[None, "1.0", "1.1", "1.0", None],
        **{"data.plan": [None, "pro", "free", None, None]},
    )
    by = {column: nu.error_free(log, freq=None, by=column, as_of=as_of) for column in ("version", "plan")}
    assert by["version"][["segment", "sessions", "error_sessions"]].to_numpy().tolist() == [
        ["1.0", 2, 1],
        ["(none)", 1, 0],
    ]
    assert by["plan"][["segment", "sessions", "error_sessions"]].to_numpy().tolist() == [
        ["pro", 1, 1],
        ["(none)", 2, 0],
    ]


@pytest.mark.parametrize("freq", ["D", None])
def test_a_clock_that_is_years_behind_counts_nowhere(freq):
    many = pd.concat([SESSIONS.assign(user_id=f"u{number}") for number in range(40)], ignore_index=True)
    behind = SESSIONS.iloc[[0]].assign(start=pd.Timestamp("1970-01-01", tz="UTC"))
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 201 sessions lie before .* clocks that are behind"):
        table = nu.error_free(pd.concat([many, behind]).astype(many.dtypes), freq=freq, as_of=NOW)
    assert table["sessions"].sum() == 200


def test_only_sessions_of_the_interval_are_said_to_be_left_out():
    sessions = SESSIONS.assign(errors=pd.array([None, 0, 1, 0, 0], dtype="Int64"))
    assert nu.error_free(sessions, freq=None, start="2026-09-02", as_of=NOW)["sessions"].tolist() == [2]


@pytest.mark.parametrize("errors", [["2", "0", "1", "0", "0"], [True, "x", None, 0, 1]])
def test_errors_that_are_no_numbers_say_how_to_make_some(errors):
    with pytest.raises(TypeError, match=r"the column errors is of type .*pd\.to_numeric"):
        nu.error_free(SESSIONS.assign(errors=errors), freq="D")
    with pytest.raises(ValueError, match="1 of 5 numbers in the column errors is below 0"):
        nu.error_free(SESSIONS.assign(errors=[0, 0, -1, 0, 0]), freq="D")


def test_what_lacks_says_what_to_pass():
    with pytest.raises(ValueError, match="crash_free needs events"):
        nu.crash_free(SESSIONS, freq="D")
    with pytest.raises(ValueError, match="no column errors"):
        nu.error_free(SESSIONS.drop(columns="errors"), freq="D")
    with pytest.raises(ValueError, match="no column session_id"):
        nu.error_free(LOG.drop(columns="session_id"), freq="D")
    with pytest.raises(ValueError, match=r"no column \"versoin\".*Did you mean \"version\""):
        nu.error_free(LOG, by="versoin", freq="D")
    with pytest.raises(ValueError, match='freq="H" is not known'):
        nu.error_free(LOG, freq="H")


def test_top_errors_are_those_of_most_users_not_of_most_reports():
    table = nu.top_errors(LOG, as_of=NOW)
    # One user each, one session each: the count decides.
    assert table["error"].tolist() == ["uncaughtException", "ExportFailed"]
    assert table["count"].tolist() == [2, 1]
    more = log_of(("dan", "6", "03T10:00", "error:ExportFailed"), version=["1.2"])
    table = nu.top_errors(pd.concat([LOG, more], ignore_index=True), as_of=NOW)
    assert table["error"].tolist() == ["ExportFailed", "uncaughtException"]
    assert table["users"].tolist() == [2, 1]
    assert table["crash"].tolist() == [False, True]
    assert table["versions"].tolist() == [2, 1]
    assert table["first_version"].tolist() == ["1.0", "1.0"]
    assert table["last_version"].tolist() == ["1.2", "1.0"]
    assert table["first_seen"].dt.strftime("%d %H:%M").tolist() == ["01 11:01", "01 10:05"]
    assert table["last_seen"].dt.strftime("%d %H:%M").tolist() == ["03 10:00", "02 00:05"]


def test_errors_are_told_apart_by_hash_and_without_one_by_message_apart_from_its_numbers():
    rows = [(f"u{number}", "1", "01T10:00", "error:Failed") for number in range(5)]
    messages = ["timeout of 5 ms", "timeout of 70 ms", "no\n\n  disk", "timeout of 5 ms", None]
    log = log_of(*rows, **{"data.message": messages})
    table = nu.top_errors(log, as_of=NOW)
    assert table["users"].tolist() == [3, 1, 1]
    assert table["message"].tolist()[:2] == ["timeout of 5 ms", "no disk"]
    assert table["message"].isna().tolist() == [False, False, True]
    hashed = nu.top_errors(log.assign(error_hash=["a", "a", "b", "b", "b"]), as_of=NOW)
    assert hashed["error_hash"].tolist() == ["b", "a"]
    assert hashed["users"].tolist() == [3, 2]


def test_without_a_hash_addresses_and_ids_count_as_alike_and_words_do_not():
    messages = [
        "at 0x7ffa12", "at 0x00b1f3", "no a1b2c3d4", "no 99f0e1aa", "in 8e2f4c6a-0b1d-4e3f-9a5b-7c8d9e0f1a2b",
        "in aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "a facade", "a decade", "obj_7ffa12", "obj_7ffa13",
    ]  # fmt: skip
    rows = [(f"u{number}", "1", "01T10:00", "error:E") for number in range(len(messages))]
    table = nu.top_errors(log_of(*rows, **{"data.message": messages}), as_of=NOW)
    assert table["users"].tolist() == [2, 2, 2, 2, 1, 1]
    assert table["message"].tolist()[-2:] == ["a decade", "a facade"]


def test_a_message_is_never_taken_for_a_hash():
    log = log_of(("a", "1", "01T10:00", "error:E"), ("b", "2", "01T10:00", "error:E"), error_hash=["abc", None])
    table = nu.top_errors(log.assign(**{"data.message": [None, "abc"]}), as_of=NOW)
    assert table["users"].tolist() == [1, 1]


def test_an_error_without_a_name_is_none():
    table = nu.top_errors(log_of(("a", "1", "01T10:00", "error:"), ("b", "2", "01T10:00", "error:E")), as_of=NOW)
    assert table["error"].tolist() == ["(none)", "E"]
    assert table["users"].tolist() == [1, 1]


def test_a_message_does_not_turn_the_reading_direction():
    log = log_of(("u", "1", "01T10:00", "error:E"), **{"data.message": ["a\u202ecba\u200bd"]})
    assert nu.top_errors(log, as_of=NOW)["message"].tolist() == ["a\ufffdcba\ufffdd"]


def test_a_hostile_message_is_one_short_line():
    message = "\x1b[31m" + "x" * 500 + "\nend"
    [shown] = nu.top_errors(log_of(("u", "1", "01T10:00", "error:E"), **{"data.message": [message]}), as_of=NOW)[
        "message"
    ]
    assert len(shown) == 120
    assert shown.isprintable()
    assert shown.endswith("…")


def test_without_errors_the_table_of_top_errors_is_empty_and_its_dtypes_stay():
    full, empty = nu.top_errors(LOG, as_of=NOW), nu.top_errors(LOG[LOG["kind"] != "error"], as_of=NOW)
    assert len(empty) == 0
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)
    bare = nu.top_errors(LOG[["user_id", "time", "event"]], as_of=NOW)
    pd.testing.assert_series_equal(bare.dtypes, full.dtypes)
    assert bare["sessions"].isna().all()
    assert bare["users"].tolist() == [1, 1]


def test_the_sessions_of_the_made_up_app_have_the_errors_of_the_build(shared_app, autumn_app):
    users = nu.load_users(shared_app).head(150)
    sessions = nu.load_sessions(shared_app, users)
    who = set(users["user_db_id"])
    now = int(shared_app.now().timestamp() * 1000)
    failed = [
        any(event.is_error and event.received_ms <= now for event in session.events)
        for session in autumn_app.sessions
        if session.user.db_id in who and session.events[0].received_ms <= now and not session.clock_ms
    ]
    table = nu.error_free(sessions, freq=None, start="2026-01-01", end="2026-12-31", as_of=shared_app.now())
    assert table[["sessions", "error_sessions"]].iloc[0].tolist() == [len(failed), sum(failed)]


def alike(users, each, failing):
    """A session a row: `failing` of the users fail in all of their sessions, the others in none."""
    rows = [(f"user {user}", number, user < failing) for user in range(users) for number in range(each)]
    user, number, failed = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            "user_id": pd.array(user, dtype=TEXT),
            "device_id": "d",
            "session_id": pd.array([str(one) for one in number], dtype=TEXT),
            "start": pd.Timestamp("2026-09-01T00:00Z") + pd.to_timedelta(number, unit="min"),
            "errors": pd.array([int(one) for one in failed], dtype="Int64"),
        }
    )


def test_sessions_of_users_who_always_fail_or_never_have_the_bounds_of_about_as_many_users():
    many = nu.error_free(alike(40, 25, 10), freq=None).iloc[0]
    once = nu.error_free(alike(40, 1, 10), freq=None).iloc[0]
    assert many["error_free_sessions"] == once["error_free_sessions"] == 0.75
    assert many["error_free_sessions_low"] <= once["error_free_sessions_low"]
    assert many["error_free_sessions_high"] >= once["error_free_sessions_high"]


def test_where_each_user_has_one_session_bounds_of_sessions_are_those_of_users():
    row = nu.error_free(alike(40, 1, 10), freq=None).iloc[0]
    assert row["error_free_sessions_low"] == pytest.approx(row["error_free_users_low"])
    assert row["error_free_sessions_high"] == pytest.approx(row["error_free_users_high"])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"kind": ["custom", "custom"]}, 'kind "error", .*; the kinds of the log are "custom"'),
        ({"kind": ["exception", "custom"]}, 'kind "error", .*; the kinds of the log are "custom", "exception"'),
        ({}, 'the name "error" or a name that begins with "error:"; the events of the log include "JS_ERROR", "A"'),
    ],
    ids=["custom", "kinds", "names"],
)
def test_a_log_without_errors_says_what_is_an_error(columns, words):
    table = pd.DataFrame(
        {
            "user_id": ["ana", "ben"],
            "time": pd.to_datetime(["2026-09-01T10:00Z", "2026-09-01T11:00Z"]),
            "event": ["JS_ERROR", "A"],
            **columns,
        }
    )
    with pytest.warns(UserWarning, match=f"^No event is an error. An error is an event of {words}"):
        assert nu.top_errors(table).empty


@pytest.mark.parametrize("name", ["exception", "Error", "ERROR:x", "error_x"])
@pytest.mark.parametrize("kind", [True, False])
@pytest.mark.parametrize(
    "ask",
    [
        lambda log: nu.error_free(log, freq=None),
        lambda log: nu.crash_free(log, freq="W", start="2026-08-31"),
        lambda log: nu.error_free(nu.Buckets.of([FrameBucket(log)], log.columns)),
        lambda log: nu.crash_free(nu.Buckets.of([FrameBucket(log)], log.columns)),
        lambda log: nu.compare_releases(log),
        lambda log: nu.impact_of_errors(log, as_of="2026-12-31"),
        lambda log: nu.top_errors(log),
    ],
    ids=["error_free", "crash_free", "error_free, Buckets", "crash_free, Buckets", "releases", "impact", "top_errors"],
)
def test_every_analysis_of_errors_warns_of_names_that_are_not_looked_for(ask, kind, name):
    table = pd.DataFrame(
        {
            "user_id": ["ana", "ana", "ben"],
            "session_id": ["1", "1", "2"],
            "version": ["1.0", None, "1.1"],
            "time": pd.to_datetime(["2026-09-01T10:00Z", "2026-09-01T11:00Z", "2026-09-02T10:00Z"]),
            "event": ["init", name, "init"],
        }
    )
    table = table.assign(kind=["init", "custom", "init"]) if kind else table
    with pytest.warns(UserWarning, match=f'^No event is an error. .* events .*include "{name}"'):
        ask(table)


def test_a_log_of_the_service_in_which_nothing_looks_like_an_error_is_a_log_without_errors():
    assert nu.top_errors(LOG.head(0)).empty
    assert nu.top_errors(LOG[LOG["kind"] != "error"]).empty
