"""Answers about people to frames: the published shapes, empty ones, and ones with missing, extra and null fields."""

import warnings

import pandas as pd
import pytest

from nucleus_pandas.api.parsing import people
from nucleus_pandas.api.parsing import schemas as frames
from nucleus_pandas.api.parsing.values import ParseProblems
from nucleus_pandas.exceptions import IncompleteDataWarning, PayloadError

USER = {
    "_id": "64a0",
    "userId": "ana@example.org",
    "createdAt": "2024-03-09T10:00:00.000Z",
    "lastSeen": "2024-03-10T08:30:00.250Z",
    "devices": [
        {"_id": "d/1+=", "lastSeen": "2024-03-10T08:30:00.250Z", "platform": "win", "osVersion": "6.3", "version": "2"},
        {"_id": "d2", "lastSeen": "2024-03-09T10:00:00.000Z", "platform": "mac", "osVersion": "14", "version": "1"},
    ],
    "props": {"country": "US", "seats": 3, "beta": True},
}
ANOTHER = {**USER, "_id": "64a1"}
EVENT = {
    **{"app_id": "demo", "platform": "win", "user_id": "ana", "machine_id": "d1", "version": "0.4.1"},
    **{"locale": "en", "renderer": None, "module_version": "2.6.0", "avail_ram": 4, "type": "init"},
    **{"time": "2024-03-10T08:30:00.250Z", "country": "US", "arch": "x64", "first_time": False},
    **{"session_id": "48213", "error_hash": None, "os_version": "8.1", "data": {"plan": "pro"}, "duration": None},
}


def dtypes(frame, schema):
    return {name: frame[name].dtype for name in schema}


def stamp(text):
    return pd.Timestamp(text, tz="UTC")


def test_users_read_the_published_shape():
    frame = people.users_frame([USER])
    assert dtypes(frame, frames.USERS) == frames.USERS
    assert list(frame) == [*frames.USERS, "props.beta", "props.country", "props.seats"]
    row = frame.iloc[0]
    assert (row["user_id"], row["user_db_id"], row["devices"]) == ("ana@example.org", "64a0", 2)
    assert row["last_seen"] == stamp("2024-03-10T08:30:00.250")


def test_platform_and_version_are_those_of_the_device_seen_last():
    row = people.users_frame([{**USER, "devices": USER["devices"][::-1]}]).iloc[0]
    assert (row["platform"], row["version"]) == ("win", "2")


SPELLINGS = {
    **dict.fromkeys(["win", "win32", "Windows", "Windows_NT", " WINDOWS "], "win"),
    **dict.fromkeys(["mac", "darwin", "Darwin", "Mac OS", "Mac OS X"], "mac"),
    **dict.fromkeys(["linux", "Linux", "Ubuntu"], "linux"),
    **{"iOS": "ios", "iPadOS": "ios", "Android": "android", "FreeBSD": "FreeBSD"},
}


def test_every_loader_has_one_spelling_for_a_platform_beside_the_one_reported():
    rows = [{"_id": str(n), "platform": reported} for n, reported in enumerate([*SPELLINGS, None])]
    seen = [{**row, "lastSeen": "2024-03-10T08:30:00.250Z"} for row in rows]
    sent = [{**EVENT, "platform": row["platform"]} for row in rows]
    for frame in (
        people.users_frame([{**USER, "_id": row["_id"], "devices": [row]} for row in seen]),
        people.devices_frame([{**USER, "devices": seen}]),
        people.live_users_frame([{**row, "userDbId": row["_id"]} for row in seen]),
        people.live_events_frame({"data": sent}),
    ):
        assert frame["platform"].fillna("missing").tolist() == [*SPELLINGS.values(), "missing"]
        assert frame["platform_raw"].fillna("missing").tolist() == [*SPELLINGS, "missing"]


def test_a_device_that_tells_no_time_is_not_the_one_seen_last():
    odd = {"_id": "d3", "lastSeen": "zzz", "platform": "linux"}
    with pytest.warns(IncompleteDataWarning, match="1 time"):
        row = people.users_frame([{**USER, "devices": [odd, *USER["devices"]]}]).iloc[0]
    assert (row["platform"], row["devices"]) == ("win", 3)


def test_who_has_no_id_of_the_app_goes_by_the_service_s():
    unnamed = {name: value for name, value in USER.items() if name != "userId"}
    rows = [{**USER, "userId": None}, {**USER, "_id": "64a1", "userId": ""}, {**unnamed, "_id": "64a2"}]
    frame = people.users_frame(rows)
    assert frame["user_id"].tolist() == ["64a0", "64a1", "64a2"]


def test_users_whose_id_is_that_of_another_one_in_quotation_marks_are_reported_and_kept():
    ids = ["ana", '"ana"', '"ben"', '"', ""]
    rows = [{**USER, "_id": str(number), "userId": user_id} for number, user_id in enumerate(ids)]
    with pytest.warns(IncompleteDataWarning, match="1 user has the id of another one in quotation marks"):
        frame = people.users_frame(rows)
    assert frame["user_id"].tolist() == ["ana", '"ana"', '"ben"', '"', "4"]


def test_who_has_no_id_at_all_is_left_out_with_a_warning():
    with pytest.warns(IncompleteDataWarning, match="1 row has no id"):
        frame = people.users_frame([{"props": {}}, USER])
    assert len(frame) == 1


def test_a_user_who_comes_twice_counts_once_with_a_warning():
    with pytest.warns(IncompleteDataWarning, match="1 user came twice"):
        frame = people.users_frame([USER, ANOTHER, USER])
    assert frame["user_db_id"].tolist() == ["64a0", "64a1"]


def test_ids_stay_text():
    frame = people.users_frame([{**USER, "userId": "00123"}, {**USER, "_id": "64a1", "userId": 123}])
    assert frame["user_id"].tolist() == ["00123", "123"]


@pytest.mark.parametrize("user", [{"_id": "x"}, {**USER, "devices": None, "props": None, "createdAt": None}])
def test_what_a_user_lacks_is_missing_and_reported(user):
    with pytest.warns(IncompleteDataWarning, match="1 row has no 'createdAt'.*1 row has no list under 'devices'"):
        frame = people.users_frame([user])
    assert dtypes(frame, frames.USERS) == frames.USERS
    assert frame[["created_at", "devices", "platform", "version"]].isna().all(axis=None)


def test_a_user_without_devices_has_zero_of_them():
    assert people.users_frame([{**USER, "devices": []}])["devices"].tolist() == [0]


@pytest.mark.parametrize("devices", [None, {}, "d1", 0, False])
@pytest.mark.parametrize("load", [people.users_frame, people.devices_frame])
def test_devices_that_are_no_list_are_reported(load, devices):
    with pytest.warns(IncompleteDataWarning, match="1 row has no list under 'devices'"):
        load([{**USER, "devices": devices}])


@pytest.mark.parametrize("props", [[], [1], "", 0, False])
def test_properties_that_are_no_object_are_reported(props):
    with pytest.warns(IncompleteDataWarning, match="1 row has something other than an object under 'props'"):
        frame = people.users_frame([{**USER, "props": props}])
    assert list(frame) == list(frames.USERS)


def test_a_user_may_have_no_properties():
    assert list(people.users_frame([{**USER, "props": None}])) == list(frames.USERS)


def test_no_users_are_an_empty_frame_of_the_same_types():
    frame = people.users_frame([])
    assert frame.empty
    assert dtypes(frame, frames.USERS) == frames.USERS


def test_a_bad_user_never_loses_the_others():
    with pytest.warns(IncompleteDataWarning) as caught:
        frame = people.users_frame([None, {**USER, "devices": "two", "createdAt": "soon", "props": [1]}, ANOTHER])
    assert len(caught) == 1
    assert frame["user_id"].tolist() == ["ana@example.org"] * 2
    assert frame["created_at"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["a", None], "string"),
        ([1, None], "Int64"),
        ([1, 2.5], "float64"),
        ([True, None], "boolean"),
        ([1, "1"], "object"),
        ([True, 1], "object"),
        ([{"a": 1}, ["b"]], "string"),
        ([2**70, "x"], "string"),
    ],
)
def test_a_property_has_the_type_of_its_values(values, dtype):
    rows = [{**USER, "_id": str(n), "props": {"key": value}} for n, value in enumerate(values)]
    frame = people.users_frame(rows)
    assert frame["props.key"].dtype == dtype
    assert frame["props.key"].isna().tolist() == [value is None for value in values]


def test_properties_that_differ_only_in_what_cannot_be_shown_both_stay():
    with pytest.warns(IncompleteDataWarning, match="cannot be shown"):
        frame = people.users_frame([{**USER, "props": {"k\x00": 1, "k\x01": 2}}])
    assert frame.filter(like="props").to_numpy().tolist() == [[1, 2]]


def test_properties_of_mixed_types_keep_their_values():
    frame = people.users_frame([{**USER, "props": {"k": 1}}, {**ANOTHER, "props": {"k": "1"}}])
    assert frame["props.k"].tolist() == [1, "1"]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-03-10T08:30:00.250Z", "2024-03-10T08:30:00.250"),
        ("2024-03-10T08:30:00Z", "2024-03-10T08:30:00"),
        ("2024-03-10T10:30:00+02:00", "2024-03-10T08:30:00"),
        ("2024-03-10T08:30:00", "2024-03-10T08:30:00"),
    ],
)
def test_instants_are_read_in_every_iso_form(text, instant):
    assert people.users_frame([{**USER, "createdAt": text}])["created_at"].tolist() == [stamp(instant)]


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00.000Z"])
def test_clocks_that_are_centuries_off_are_kept(text):
    created = people.users_frame([{**USER, "createdAt": text}, ANOTHER])["created_at"]
    assert created.dtype == "datetime64[us, UTC]"
    assert created.dt.year.tolist() == [int(text[:4]), 2024]


@pytest.mark.parametrize("value", [1710000000, "yesterday", "2024-13-40T00:00:00Z", [], True])
def test_a_time_that_cannot_be_read_is_missing_with_a_warning(value):
    with pytest.warns(IncompleteDataWarning, match="1 time could not be read"):
        assert people.users_frame([{**USER, "createdAt": value}])["created_at"].isna().all()


def test_devices_are_a_row_each():
    frame = people.devices_frame([USER, {**USER, "_id": "none", "devices": []}])
    assert dtypes(frame, frames.DEVICES) == frames.DEVICES
    assert frame["device_id"].tolist() == ["d/1+=", "d2"]
    assert frame["user_id"].tolist() == ["ana@example.org"] * 2


def test_no_devices_are_an_empty_frame_of_the_same_types():
    frame = people.devices_frame([])
    assert frame.empty
    assert dtypes(frame, frames.DEVICES) == frames.DEVICES


def session(start, end, number="48213", **fields):
    return {"device": "d1", "actions": 3, "errors": 0, "start": start, "end": end, "session": number, **fields}


def users(*names):
    frame = pd.DataFrame({"user_id": names, "user_db_id": [f"db-{name}" for name in names]}, dtype="string")
    return frame.astype(pd.StringDtype("python"))


def test_sessions_read_the_published_shape_by_user_and_start():
    rows = [
        [
            session("2024-03-10T10:00:00.000Z", "2024-03-10T10:00:00.000Z"),
            session("2024-03-09T10:00:00.000Z", "2024-03-09T10:01:30.500Z", 7, extra=1),
        ],
        [session("2024-03-08T10:00:00.000Z", "2024-03-08T10:01:00.000Z")],
    ]
    frame = people.sessions_frame(rows, users("ana", "ben"))
    assert dtypes(frame, frames.SESSIONS) == frames.SESSIONS
    assert list(frame) == list(frames.SESSIONS)
    assert frame["user_id"].tolist() == ["ana", "ana", "ben"]
    assert frame["session_id"].tolist() == ["7", "48213", "48213"]
    assert frame["duration_seconds"].tolist() == [90.5, 0, 60]


@pytest.mark.parametrize("key", ["device", "session", "start", "end", "actions", "errors"])
@pytest.mark.parametrize("value", [None, ""])
def test_what_a_session_lacks_is_missing_and_counted(key, value):
    rows = [[session(*SPAN), {**session(*SPAN, number="2"), key: value}]]
    words = "1 row has no" if value is None or key in ("device", "session", "start", "end") else "1 count was no"
    with pytest.warns(IncompleteDataWarning, match=words) as caught:
        frame = people.sessions_frame(rows, users("ana"))
    assert len(caught) == 1
    assert frame.isna().any(axis=1).sum() == 1


def test_a_session_that_ends_before_it_starts_has_no_end_and_no_length():
    rows = [[session(*SPAN[::-1]), session(*SPAN, number="2")]]
    with pytest.warns(IncompleteDataWarning, match="1 session ends before it starts; its end is missing"):
        frame = people.sessions_frame(rows, users("ana"))
    assert frame["end"].isna().tolist() == frame["duration_seconds"].isna().tolist() == [False, True]


@pytest.mark.parametrize("rows", [[], [[]]])
def test_no_sessions_are_an_empty_frame_of_the_same_types(rows):
    frame = people.sessions_frame(rows, users(*["ana"] * len(rows)))
    assert frame.empty
    assert dtypes(frame, frames.SESSIONS) == frames.SESSIONS


def event_log(events, *spans):
    """The log of one answer to the ids that these sessions share."""
    rows = [[session(*span, actions=0) for span in spans]]
    sessions = people.sessions_frame(rows, users("ana"))
    return people.session_events_frame([events], sessions, [0] * len(sessions))


SPAN = ("2024-03-10T08:30:00.250Z", "2024-03-10T09:00:00.000Z")


def test_events_read_the_published_shape():
    frame = event_log([EVENT], SPAN)
    assert dtypes(frame, frames.EVENT_LOG) == frames.EVENT_LOG
    assert list(frame) == [*frames.EVENT_LOG, "data.plan"]
    row = frame.iloc[0]
    assert (row["user_id"], row["user_db_id"], row["device_id"]) == ("ana", "db-ana", "d1")
    assert (row["event"], row["kind"], row["ram_gb"], row["data.plan"]) == ("init", "init", 4, "pro")
    assert row["session_start"] == row["time"] == stamp("2024-03-10T08:30:00.250")


@pytest.mark.parametrize(
    ("fields", "event", "kind"),
    [
        ({"type": "init"}, "init", "init"),
        ({"type": "EXPORT_PDF"}, "EXPORT_PDF", "custom"),
        ({"type": "error:uncaughtException"}, "error:uncaughtException", "error"),
        ({"type": "nucleus:view"}, "nucleus:view", "view"),
        ({"type": "$pageview"}, "$pageview", "view"),
        ({"type": "nucleus:sessionend"}, "nucleus:sessionend", "system"),
        ({"type": "$sessionend"}, "$sessionend", "system"),
        ({"type": "$5_OFF"}, "$5_OFF", "custom"),
        ({"type": "event", "name": "EXPORT_PDF"}, "EXPORT_PDF", "custom"),
        ({"type": "error", "name": "uncaughtException"}, "uncaughtException", "error"),
        ({"type": None, "name": "nucleus:heartbeat"}, "nucleus:heartbeat", "system"),
    ],
)
def test_an_event_is_named_by_its_type_or_by_a_name_should_one_come(fields, event, kind):
    row = event_log([{**EVENT, **fields}], SPAN).iloc[0]
    assert (row["event"], row["kind"]) == (event, kind)


def test_what_an_event_lacks_is_missing():
    with pytest.warns(IncompleteDataWarning, match="1 event has no name; 2 rows have no 'time'"):
        frame = event_log([{}, {"type": "A", "data": None, "first_time": None}], SPAN)
    assert dtypes(frame, frames.EVENT_LOG) == frames.EVENT_LOG
    assert frame["event"].isna().tolist() == [True, False]
    assert frame["time"].isna().all()


def test_a_bad_event_never_loses_the_others():
    with pytest.warns(IncompleteDataWarning) as caught:
        frame = event_log(
            ["text", {**EVENT, "data": "text", "avail_ram": "4", "first_time": 1, "time": 5}, EVENT], SPAN
        )
    assert len(caught) == 1
    assert len(frame) == 2


def test_events_of_sessions_that_share_their_ids_go_to_the_one_they_lie_in():
    early, late = "2024-03-10T08:30:00.250Z", "2024-05-01T12:00:00.000Z"
    events = [{**EVENT, "time": late}, EVENT, {**EVENT, "time": "2024-05-01T12:05:00.000Z"}]
    frame = event_log(events, (late, "2024-05-01T12:10:00.000Z"), (early, early))
    assert frame["time"].dt.month.tolist() == [3, 5, 5]
    assert frame["session_start"].tolist() == [stamp("2024-03-10T08:30:00.250")] + [stamp("2024-05-01T12:00")] * 2


def test_an_event_a_little_before_its_session_belongs_to_it():
    late = "2024-05-01T12:00:00.000Z"
    events = [{**EVENT, "time": "2024-05-01T11:55:00.000Z"}]
    with pytest.warns(IncompleteDataWarning, match="1 session came with fewer events"):  # the first has none
        frame = event_log(events, SPAN, (late, "2024-05-01T12:10:00.000Z"))
    assert frame["session_start"].tolist() == [stamp("2024-05-01T12:00")]


def test_events_of_a_session_that_was_not_asked_for_are_left_out_with_a_warning():
    with pytest.warns(IncompleteDataWarning, match="1 event of another session"):
        frame = event_log([EVENT, {**EVENT, "time": "2024-05-01T12:00:00.000Z"}], SPAN)
    assert len(frame) == 1


def test_a_session_that_ends_before_it_starts_keeps_its_events():
    with pytest.warns(IncompleteDataWarning, match="1 session ends before it starts"):
        frame = event_log([EVENT, {**EVENT, "time": "2024-03-10T12:00:00.000Z"}], SPAN[::-1])
    assert len(frame) == 2


def test_a_negative_duration_is_missing_and_counted():
    with pytest.warns(IncompleteDataWarning, match="1 duration is negative and missing"):
        frame = event_log([{**EVENT, "duration": -4}, {**EVENT, "duration": 0}], SPAN)
    assert frame["duration_seconds"].fillna(-1).tolist() == [-1, 0]


@pytest.mark.parametrize("data", [[], [1], "", 0])
def test_attributes_that_are_no_object_are_counted(data):
    with pytest.warns(IncompleteDataWarning, match="1 row has something other than an object under 'data'"):
        assert list(event_log([{**EVENT, "data": data}], SPAN)) == list(frames.EVENT_LOG)


def test_an_event_that_was_sent_twice_counts_once():
    with pytest.warns(IncompleteDataWarning, match="1 copy of an event is left out"):
        frame = event_log([EVENT, dict(EVENT), {**EVENT, "data": {"plan": "free"}}], SPAN)
    assert frame["data.plan"].tolist() == ["pro", "free"]


@pytest.mark.parametrize("fields", [{"session_id": "7"}, {"session_id": 7}, {"machine_id": "d2"}])
def test_an_event_of_another_session_or_device_is_left_out_and_counted(fields):
    with pytest.warns(IncompleteDataWarning, match="1 event of another device or session is left out"):
        frame = event_log([EVENT, {**EVENT, "type": "FOREIGN", **fields}], SPAN)
    assert frame["event"].tolist() == ["init"]


def test_an_event_that_names_no_session_or_device_is_kept():
    assert len(event_log([{**EVENT, "session_id": None, "machine_id": None, "user_id": None}], SPAN)) == 1


def three_sessions(**fields):
    """A session of each of three users, and an answer to each with one event that has these fields."""
    names = ["ana", "ben", "cleo"]
    sessions = people.sessions_frame([[session(*SPAN)]] * 3, users(*names))
    return [[{**EVENT, "user_id": name, **fields}] for name in names], sessions


def test_an_event_of_another_user_who_was_asked_for_is_left_out_and_counted():
    answers, sessions = three_sessions()
    answers[0].append({**EVENT, "type": "FOREIGN", "user_id": "ben"})
    with pytest.warns(IncompleteDataWarning, match="1 event of other users among those asked for is left out"):
        frame = people.session_events_frame(answers, sessions, range(3))
    assert frame["event"].tolist() == ["init"] * 3


def test_an_event_of_a_user_who_was_not_asked_for_is_kept_and_counted():
    with pytest.warns(IncompleteDataWarning, match="1 event carries the id of a user who was not asked for; it is k"):
        frame = event_log([EVENT, {**EVENT, "type": "A", "user_id": "old-name"}], SPAN)
    assert frame["user_id"].tolist() == ["ana", "ana"]


def test_an_event_may_carry_the_service_s_id_of_its_user():
    assert len(event_log([{**EVENT, "user_id": "db-ana"}], SPAN)) == 1


def test_ids_that_match_in_no_answer_at_all_are_of_another_kind_and_leave_nothing_out():
    answers, sessions = three_sessions(machine_id="a-hash")
    with pytest.warns(IncompleteDataWarning, match="3 events have a machine_id of another kind than their sessions"):
        assert len(people.session_events_frame(answers, sessions, range(3))) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"time": None},
        {"time": "soon"},
        {"type": None},
        {"type": "half \ud83d"},
        {"data": []},
        {"duration": -1},
        {"duration": "long"},
        {"session_id": "7"},
        {"machine_id": "d2"},
        {"user_id": "cleo"},
    ],
)
def test_flaws_are_counted_for_the_session_they_came_with(fields):
    answers, sessions = three_sessions()
    answers[1] += [{**EVENT, "user_id": "ben", "duration": 0}, {**EVENT, "user_id": "ben", **fields}]
    flaws = people.session_event_columns(answers, sessions, range(3), ParseProblems("")).flaws
    assert flaws.tolist() == [0, 1, 0]


def test_rows_that_are_no_objects_are_flaws_of_their_answer():
    answers, sessions = three_sessions()
    answers[2] += [None, "text"]
    assert people.session_event_columns(answers, sessions, range(3), ParseProblems("")).flaws.tolist() == [0, 0, 2]


def test_events_of_a_session_that_is_gone_meanwhile_go_to_nobody_else():
    answers, sessions = three_sessions()
    found = people.session_event_columns(
        answers, sessions.iloc[[0, 2]].reset_index(drop=True), [0, 2], ParseProblems("")
    )
    assert (found.owner.tolist(), found.flaws.tolist()) == ([0, 1], [0, 0])


def test_no_events_are_an_empty_frame_of_the_same_types():
    frame = event_log([])
    assert frame.empty
    assert dtypes(frame, frames.EVENT_LOG) == frames.EVENT_LOG


@pytest.mark.parametrize("payload", [{"data": [EVENT]}, [EVENT], {"events": [EVENT]}, {"count": 1, "rows": [EVENT]}])
def test_live_events_are_found_wherever_the_list_stands(payload):
    frame = people.live_events_frame(payload)
    assert dtypes(frame, frames.EVENT_LOG) == frames.EVENT_LOG
    row = frame.iloc[0]
    assert (row["user_id"], row["device_id"], row["session_id"]) == ("ana", "d1", "48213")


@pytest.mark.parametrize("payload", [{"data": []}, []])
def test_no_live_events_are_an_empty_frame_of_the_same_types(payload):
    frame = people.live_events_frame(payload)
    assert frame.empty
    assert dtypes(frame, frames.EVENT_LOG) == frames.EVENT_LOG


@pytest.mark.parametrize(
    "payload", [{"data": {"a": 1}}, {"data": None}, {"data": None, "errors": []}, {}, "text", None]
)
def test_live_events_without_a_list_are_an_error(payload):
    with pytest.raises(PayloadError, match="live/events"):
        people.live_events_frame(payload)


def test_live_users_read_the_published_shape():
    row = {
        "_id": "other",
        "userDbId": "64a0",
        "userId": None,
        "deviceId": "d1",
        "platform": "win",
        "osVersion": "8.1",
        "country": "US",
    }
    frame = people.live_users_frame([{**row, "lastSeen": "2024-03-10T08:30:00.250Z"}])
    assert dtypes(frame, frames.LIVE_USERS) == frames.LIVE_USERS
    assert frame.iloc[0].tolist()[:7] == ["64a0", "64a0", "d1", "win", "win", "8.1", "US"]
    assert dtypes(people.live_users_frame([]), frames.LIVE_USERS) == frames.LIVE_USERS


@pytest.mark.parametrize(
    ("counts", "names", "short"),
    [
        ({"actions": 2, "errors": 1}, ["init", "SAVE", "error:x"], False),
        ({"actions": 2, "errors": 1}, ["init", "error:x"], True),
        ({"actions": 2, "errors": 1}, ["init", "SAVE", "UNDO"], True),
        ({"actions": 1, "errors": 0}, ["init", "SAVE", "UNDO"], False),
        ({"actions": 1, "errors": 0}, [], True),
        ({"actions": 0, "errors": 0}, [], True),
        ({"actions": None, "errors": None}, ["init"], False),
        ({"actions": 2, "errors": 0}, ["init", "error:x"], True),
    ],
)
def test_a_session_with_fewer_events_than_its_list_counts_is_counted(counts, names, short):
    sessions = people.sessions_frame([[session(*SPAN)]], users("ana")).assign(
        **{name: pd.array([value], dtype="Int64") for name, value in counts.items()}
    )
    events = [{**EVENT, "type": name} for name in names]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        people.session_events_frame([events], sessions, [0])
    assert [str(one.message).split(": ")[1] for one in said] == [
        "1 session came with fewer events than its list of sessions counts."
    ] * short


def test_a_user_with_a_device_and_no_sessions_is_counted():
    with pytest.warns(IncompleteDataWarning, match="1 user has a device, but their list of sessions came empty"):
        people.warn_of_empty_lists([{"devices": [{}]}, {"devices": []}, {"devices": [{}]}], [[], [], [{}]])


def test_a_session_that_comes_twice_is_one():
    rows = [[session(*SPAN), session(*SPAN), session(*SPAN, number="2")]]
    with pytest.warns(IncompleteDataWarning, match="1 copy of a session is left out"):
        frame = people.sessions_frame(rows, users("ana"))
    assert frame["session_id"].tolist() == ["2", "48213"]
