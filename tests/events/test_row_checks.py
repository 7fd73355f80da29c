"""Doubtful data is reported, with the count and what to do, and counted as it is."""

import pandas as pd
import pytest

import nucleus_pandas as nu


def log_of(*rows, **more):
    """A log of rows such as ("ana", 5, "OPEN"): user, minute, event."""
    user, minute, event = zip(*rows, strict=True)
    time = pd.Timestamp("2026-09-01", tz="UTC") + pd.to_timedelta(list(minute), unit="min")
    return pd.DataFrame({"user_id": list(user), "time": time, "event": list(event), **more})


CLEAN = [("ana", 0, "OPEN"), ("ana", 5, "SAVE"), ("ben", 0, "OPEN"), ("ben", 0, "SAVE"), ("ben", 0, "OPEN ME")]


def test_a_clean_log_gives_no_warning():
    nu.EventLog(log_of(*CLEAN))
    nu.funnel(log_of(*CLEAN), ["OPEN", "SAVE"], include_pending=True)


def test_a_log_that_was_read_twice_is_reported_and_counted_as_it_is():
    twice = pd.concat([log_of(*CLEAN), log_of(*CLEAN)])
    with pytest.warns(nu.IncompleteDataWarning, match=r"5 of 10 rows repeat another row in every column.*drop_dup"):
        log = nu.EventLog(twice)
    assert len(log) == 10
    nu.EventLog(twice.drop_duplicates())


def test_rows_that_differ_in_any_column_are_no_duplicates():
    nu.EventLog(log_of(("ana", 0, "OPEN"), ("ana", 0, "OPEN"), pages=[1, 2]))


@pytest.mark.parametrize("values", [[["a"], ["a"]], [{"a": 1}, {"a": 1}], [None, None], [float("nan")] * 2])
def test_cells_of_any_kind_can_repeat(values):
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 2 rows repeat"):
        nu.EventLog(log_of(("ana", 0, "OPEN"), ("ana", 0, "OPEN"), cell=pd.Series(values, dtype=object)))


def test_a_funnel_of_a_frame_reports_what_repeats_among_its_events():
    log = log_of(("ana", 0, "OPEN"), ("ana", 0, "OPEN"), ("ana", 5, "SAVE"))
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 3 rows repeat"):
        nu.funnel(log, ["OPEN", "SAVE"], include_pending=True)


def test_sessions_that_were_read_twice_are_reported():
    day = pd.Timestamp("2026-09-01", tz="UTC")
    sessions = pd.DataFrame({"user_id": ["ana", "ana"], "start": [day, day]})
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 2 rows repeat"):
        nu.active_users(sessions)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, "1", "b"], r'that differ in type only, such as 1 and "1": 2 ids in 2 rows.*astype\(str\)'),
        (["ana", "ana ", "\tben"], r"that begin or end with whitespace: 2 ids in 2 rows.*str\.strip\(\)"),
        (["ana", "nan", "None"], r'that spell a missing value, such as "nan": 2 ids in 2 rows.*mask'),
        (["ana", "NULL", "NULL"], r"that spell a missing value.*: 1 ids in 2 rows"),
    ],
)
@pytest.mark.parametrize("column", ["user_id", "user_db_id"])
def test_doubtful_ids_are_reported(ids, message, column):
    log = log_of(*(("ana", minute, "OPEN") for minute in range(3)))
    with pytest.warns(nu.IncompleteDataWarning, match=f"{column} has ids {message}"):
        ready = nu.EventLog(log.assign(**{column: pd.Series(ids, dtype=object)}))
    assert ready.users == len(set(map(repr, ids)))


def test_categories_that_do_not_occur_are_no_ids():
    ids = pd.Categorical(["ana", "ben", "ben"], categories=["ana", "ben", "nan", " cid"])
    nu.EventLog(log_of(*(("ana", minute, "OPEN") for minute in range(3))).assign(user_id=ids))


def test_retention_of_a_log_without_sessions_reports_ids_too():
    log = log_of(("ana", 0, "OPEN"), ("ana ", 60 * 24 * 9, "OPEN"))
    with pytest.warns(nu.IncompleteDataWarning, match="begin or end with whitespace"):
        nu.retention(log)


@pytest.mark.parametrize("variant", ["open", "OPEN ", " Open"])
def test_an_event_that_has_another_spelling_beside_it_is_reported(variant):
    log = log_of(*CLEAN, ("cid", 0, variant))
    with pytest.warns(nu.IncompleteDataWarning, match=f'step 1: the log also has "{variant}".*pass a list of names'):
        table = nu.funnel(log, ["OPEN", "SAVE"], include_pending=True)
    assert table["users"].tolist() == [2, 2]


def test_spellings_that_are_asked_for_together_are_not_reported():
    table = nu.funnel(log_of(*CLEAN, ("cid", 0, "open")), [["OPEN", "open"], "SAVE"], include_pending=True)
    assert table["users"].tolist() == [3, 2]


@pytest.mark.parametrize(
    "ask",
    [
        lambda log: nu.retention(log, return_event="OPEN", as_of="2026-10-01"),
        lambda log: nu.active_users(log, event="OPEN"),
        lambda log: nu.paths(log, after="OPEN", gap=None),
        lambda log: nu.funnel(log, ["SAVE", "SAVE"], exclude=["OPEN"], include_pending=True),
    ],
)
def test_every_analysis_that_takes_a_name_reports_other_spellings(ask):
    with pytest.warns(nu.IncompleteDataWarning, match='the log also has "open"'):
        ask(log_of(*CLEAN, ("cid", 0, "open")))


def test_sessions_that_end_before_they_start_are_reported():
    start = pd.Timestamp("2026-09-01 12:00", tz="UTC")
    sessions = pd.DataFrame(
        {
            "user_id": ["ana", "ben", "cid"],
            "start": [start] * 3,
            "end": [start - pd.Timedelta("1h"), start, pd.NaT],
        }
    )
    with pytest.warns(nu.IncompleteDataWarning, match="1 of 3 sessions end before they start"):
        table = nu.active_users(sessions)
    assert table["dau"].tolist() == [3]
