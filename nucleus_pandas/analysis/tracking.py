"""What arrived beside what a tracking plan says should: missing, unexpected, of another type."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.tracking_plan import EventPlan, TrackingPlan, closest, is_of_service, read_plan, type_of
from nucleus_pandas.api.parsing.schemas import EVENT_LOG
from nucleus_pandas.api.parsing.values import Losses, clean
from nucleus_pandas.core.arrays import Bools, Ints, combine
from nucleus_pandas.core.checks import read_span
from nucleus_pandas.core.dtypes import COUNT, TEXT, Schema, make_frame
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.core.text import counted
from nucleus_pandas.events.error_events import between
from nucleus_pandas.events.eventlog import EventLog, as_event_log
from nucleus_pandas.events.fixed_width import first_places
from nucleus_pandas.events.json_properties import parse_object
from nucleus_pandas.events.log_columns import encode, spelled
from nucleus_pandas.store.eventstore import EventStore
from nucleus_pandas.store.export import EVENT_NO

Problem = Literal[
    "missing event", "unexpected event", "missing property", "wrong type", "value not allowed", "unexpected property"
]

_TABLE: Schema = {
    "event": TEXT,
    "property": TEXT,
    "problem": TEXT,
    "expected": TEXT,
    "found": TEXT,
    "count": COUNT,
    "events": COUNT,
    "users": COUNT,
    "first_version": TEXT,
    "last_version": TEXT,
}
_DATA = "data"
# Kinds of the service's own events; an app may have others in a column of that name.
_SERVICE_KINDS = ("init", "error", "view", "system")
_UNEXPECTED = {"property": "", "problem": "unexpected event", "found": None}
# Objects of so many events are made at a time.
_ROWS = 20_000
# Whoever can send events can make up names: no more of them are compared with those of the plan.
_MOST_COMPARED = 100
# EXPORT_PNG is another event than EXPORT_PDF, exportPdf hardly.
_ALIKE = 0.85


def check_tracking(
    events: pd.DataFrame | EventLog | EventStore,
    plan: Mapping[str, Any] | str | os.PathLike[str],
    *,
    start: When | None = None,
    end: When | None = None,
    tz: Zone | None = None,
) -> pd.DataFrame:
    """Where the events that arrived differ from a tracking plan; empty where the plan is met.

    Parameters
    ----------
    events : DataFrame, EventLog or EventStore
        An event log. Properties are the columns ``data.<name>`` or the JSON in the column data; in a frame that has
        neither, all columns but those of `load_session_events`.
    plan : path or mapping
        A TOML file, or a dict of the same form, see Notes.
    start, end : str, date or datetime, optional
        Only events in [start, end); a date as `end` is that whole day.
    tz : str, int or tzinfo, default "UTC"
        The zone of dates.

    Returns
    -------
    DataFrame
        One row a problem, in the order of the plan; unexpected events and properties follow, the most frequent first.

        - event, property: names; the property is missing where the problem is the event itself
        - problem: ``missing event``, ``unexpected event``, ``missing property``, ``wrong type``, ``value not allowed``
          or ``unexpected property``
        - expected: what the plan says; for what is not in the plan, the most similar name that is
        - found: the types that arrived instead, the most frequent first, or the number of different values that are not
          allowed; never a value
        - count: events with the problem; of a missing event, how many fewer than planned arrived
        - events: events of that name that arrived
        - users: users with the problem; missing for a missing event
        - first_version, last_version: the app's version in the first and the last event with the problem that has one

    Raises
    ------
    ValueError
        For a plan that cannot be, with the place and the closest valid key or type; if columns are missing; for a log
        that was made with some properties only.
    TypeError
        For arguments of another type.
    OSError
        When the plan cannot be read.

    Warns
    -----
    IncompleteDataWarning
        See `EventLog`.

    Notes
    -----
    A plan has a table for each event::

        [events.PROJECT_CREATED]

        [events.EXPORT_PDF]
        required.pages = "integer"
        required.format = ["a4", "letter"]
        optional.watermark = "boolean"

    A property has a type (``string``, ``number``, ``integer``, ``boolean`` or ``any``) or a list of allowed values. An
    event must arrive at least once; ``at_least = 3`` asks for more, ``at_least = 0`` makes it optional. Events and
    properties that are not in the plan are unexpected, unless ``allow_other_events = true`` or
    ``allow_other_properties = true`` precedes the events; the second can also stand in the table of an event. Events of
    the service (init, errors, page views and names that begin with ``nucleus:``) are never unexpected, and can have
    other properties where the plan names them.

    3.0 is an integer, as JavaScript has only one type of numbers; true is no number, and "3" is a string. Missing
    values, null and the empty text are missing. Nested values are of type ``array`` or ``object`` in a store; loaders
    make text of them. Counts of a sample of users are not scaled.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(20))
    >>> log = nu.load_session_events(app, sessions)
    >>> plan = {"allow_other_events": True, "events": {"EXPORT_PDF": {"required": {"pages": "boolean"}}}}
    >>> table = nu.check_tracking(log, plan)
    >>> "wrong type" in set(table["problem"])
    True
    """
    planned = read_plan(plan)
    span = read_span(start, end, tz, None)
    log = as_event_log(events, within=span.within, properties=None)
    if log.lacks_properties:
        raise ValueError(
            "events is a log with some of the properties of its store only. Pass the store, or nu.EventLog(store)."
        )
    inside = between(log.time, span.start, span.end)
    arrived = np.bincount(log.event[inside], minlength=len(log.names))
    counts = dict(zip(log.names, arrived.tolist(), strict=True))
    named = np.array([name in planned.events for name in log.names], dtype=np.bool_)[log.event]
    hits = [_hits_in_properties(log, np.flatnonzero(inside & named), planned)]
    if not planned.allow_other_events:
        hits.append(_unexpected(log, np.flatnonzero(inside & ~named & ~_of_service(log))))
    found = _summary(log, pd.concat(hits, ignore_index=True))
    return _table([*_missing(planned, counts), *found], planned, counts)


def _missing(plan: TrackingPlan, counts: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """One row an event that arrived less often than planned."""
    for name, event in plan.events.items():
        if (lacking := event.at_least - counts.get(name, 0)) > 0:
            yield {
                "event": name,
                "property": None,
                "problem": "missing event",
                "expected": f"at least {event.at_least:,}",
                "count": lacking,
            }


def _unexpected(log: EventLog, rows: Ints) -> pd.DataFrame:
    """The hits of events that are not in the plan."""
    names = np.array([*log.names, None], dtype=object)[log.event[rows]]
    return pd.DataFrame({"row": rows, "event": names}).assign(
        **{name: np.full(len(rows), value, dtype=object) for name, value in _UNEXPECTED.items()}
    )


def _hits_in_properties(log: EventLog, rows: Ints, plan: TrackingPlan) -> pd.DataFrame:
    """The hits in the properties of some events of the plan: row, event, property, problem, found.

    Most events have the same name and properties as others. Each such case is looked at once.
    """
    frame = log.frame[_property_columns(log)].iloc[log.order[rows]]
    case = log.event[rows].astype(np.int64)
    for name in frame.columns:
        case = combine(case, _codes(frame[name]) + 1)
    case = pd.factorize(case)[0]
    first = first_places(case, int(case.max(initial=-1)) + 1)
    events = (log.names[code] for code in log.event[rows][first].tolist())
    found = [
        (number, event, *hit)
        for number, (event, properties) in enumerate(zip(events, _objects(frame.iloc[first]), strict=True))
        for hit in _differences(plan.events[event], properties)
    ]
    hits = pd.DataFrame(found, columns=["case", "event", "property", "problem", "found"], dtype=object)
    return (
        hits.astype({"case": case.dtype})
        .merge(pd.DataFrame({"case": case, "row": rows}), on="case")
        .drop(columns="case")
    )


def _differences(plan: EventPlan, properties: Mapping[str, Any]) -> Iterator[tuple[str, Problem, str | None]]:
    """The problems of one event: the property, the problem, and what was found."""
    types = {name: kind for name, value in properties.items() if (kind := type_of(value)) is not None}
    for name, wanted in plan.properties.items():
        if name not in types:
            if wanted.required:
                yield name, "missing property", None
        elif not wanted.accepts_type(types[name]):
            yield name, "wrong type", types[name]
        elif not wanted.accepts(properties[name], types[name]):
            yield name, "value not allowed", repr(properties[name])
    if not plan.allow_other_properties:
        for name, kind in types.items():
            if name not in plan.properties:
                yield name, "unexpected property", kind


def _property_columns(log: EventLog) -> list[str]:
    """The columns of a log that hold properties."""
    if log.all_in_json:
        return [_DATA]
    columns = [name for name in log.frame.columns if isinstance(name, str)]
    named = [name for name in columns if name == _DATA or name.startswith(f"{_DATA}.")]
    return named or [name for name in columns if name not in EVENT_LOG and name != EVENT_NO]


def _codes(column: pd.Series) -> Ints:
    """The code of each value, -1 where it is missing; of lists and mappings each counts as another one."""
    try:
        return encode(column)[0]
    except TypeError:
        return np.arange(len(column))


def _objects(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The properties of each row."""
    names = [name.removeprefix(f"{_DATA}.") for name in frame.columns if name != _DATA]
    for begin in range(0, len(frame), _ROWS):
        rows = frame.iloc[begin : begin + _ROWS]
        columns = [rows[name].astype(object).tolist() for name in rows.columns if name != _DATA]
        together = rows[_DATA].astype(object).tolist() if _DATA in rows.columns else [None] * len(rows)
        plain = zip(*columns, strict=True) if columns else itertools.repeat(())
        for values, data in zip(plain, together, strict=False):
            yield {**dict(zip(names, values, strict=True)), **_object(data)}


def _object(data: Any) -> Mapping[str, Any]:
    if isinstance(data, str):
        return parse_object(data)
    return data if isinstance(data, Mapping) else {}


def _of_service(log: EventLog) -> Bools:
    """Whether each event is one of the service's own: by its kind, or by its name where it has none."""
    own = np.array([is_of_service(name) for name in log.names], dtype=np.bool_)[log.event]
    if "kind" not in log.frame.columns:
        return own
    codes, kinds = encode(log.frame["kind"])
    is_own = np.array([*(kind in _SERVICE_KINDS for kind in spelled(kinds)), False], dtype=np.bool_)
    return own | is_own[codes[log.order]]


def _summary(log: EventLog, hits: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a problem, with what its hits have in common."""
    rows = hits["row"].to_numpy(dtype=np.intp)
    by_time = np.argsort(log.time[rows], kind="stable")
    hits, rows = hits.iloc[by_time].reset_index(drop=True), rows[by_time]
    versions = log.texts("version", rows) if "version" in log.frame.columns else [None] * len(rows)
    hits = hits.assign(user=log.user[rows], version=pd.Series(versions, dtype=object))
    keys = ["event", "property", "problem"]
    of_problem = hits.groupby(keys, sort=False)
    found = of_problem.agg(
        count=("row", "size"),
        users=("user", "nunique"),
        first_version=("version", "first"),
        last_version=("version", "last"),
    )
    kinds: dict[tuple[str, str, str], list[str]] = {}
    often = hits.groupby([*keys, "found"], sort=True).size().sort_values(ascending=False, kind="stable")
    for *key, kind in often.index:
        kinds.setdefault(tuple(key), []).append(kind)
    return [
        dict(zip([*keys, *found.columns, "found"], [*key, *row, _found(key[-1], kinds.get(key, []))], strict=True))
        for key, row in zip(found.index, found.itertuples(index=False), strict=True)
    ]


def _found(problem: Problem, kinds: list[str]) -> str | None:
    """The types, or how many values there are, which may be personal and are not shown."""
    if problem == "value not allowed":
        return counted(len(kinds), "other value")
    return ", ".join(kinds) or None


def _table(rows: list[dict[str, Any]], plan: TrackingPlan, counts: Mapping[str, int]) -> pd.DataFrame:
    """The problems in order, with what was expected."""
    places = {name: place for place, name in enumerate(plan.events)}
    properties = {
        name: {key: place for place, key in enumerate(event.properties)} for name, event in plan.events.items()
    }

    def place(row: dict[str, Any]) -> tuple[Any, ...]:
        event, name, number = row["event"], row["property"] or "", -row["count"]
        if event not in places:
            return len(places), number, event
        of_event = properties[event]
        where = (-1,) if row["problem"] == "missing event" else (of_event.get(name, len(of_event)), number, name)
        return places[event], 0, "", *where

    rows = sorted(rows, key=place)
    compared = 0
    for row in rows:
        event, name = row["event"], row["property"]
        row["events"] = counts.get(event, 0)
        if row["problem"].startswith("unexpected"):
            compared += 1
            asked, known = (name, properties[event]) if row["problem"] == "unexpected property" else (event, places)
            row["expected"] = closest(asked, known, _ALIKE) if compared <= _MOST_COMPARED else None
        elif name:
            row["expected"] = plan.events[event].properties[name].expected
    columns = {name: [row.get(name) for row in rows] for name in _TABLE}
    columns["property"] = [name or None for name in columns["property"]]
    texts = [name for name, dtype in _TABLE.items() if dtype == TEXT]
    return make_frame(_TABLE, columns | {name: clean(columns[name], Losses("tracking")) for name in texts})
