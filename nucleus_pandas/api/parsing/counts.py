"""Counted answers, one function a frame: quick glance, daily, dimensions, events, attributes."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from nucleus_pandas.api.endpoints import PATHS, Endpoint
from nucleus_pandas.api.parsing.schemas import (
    ATTRIBUTE,
    BY_PERIOD,
    DAILY,
    DIMENSIONS,
    ERRORS,
    EVENT_PROPERTIES,
    EVENTS,
    HOURS,
    LIVE_USER_COUNT,
    QUICK_GLANCE,
    TOTALS,
    count_absent,
    inner_list,
    objects,
    optional_part,
    part,
    pick,
    wrong_shape,
)
from nucleus_pandas.api.parsing.values import (
    ParseProblems,
    clean,
    day_column,
    platform_name,
    read_count,
    read_difference,
    read_number,
    text_column,
    texts,
)
from nucleus_pandas.api.windows import Period, Run, Window, states
from nucleus_pandas.core.dtypes import Schema, make_frame
from nucleus_pandas.exceptions import PayloadError

#: An answer and the run of days that it was asked for.
RunAnswer = tuple[Any, Run]
#: An answer and the period that it was asked for; None where it is for the window as a whole.
PeriodAnswer = tuple[Any, Period | None]

#: How often each value occurs.
Counted = dict[str | None, int | None]
#: The lists of one answer by what stands before their values in a row; None for a list that did not come.
Table = tuple[Period | None, dict[tuple[str, ...], Counted | None]]

Number = TypeVar("Number", int, float)
_Pieces = Mapping[dt.date, int | None]
_DailyRow = tuple[int | None, int | None, int | None, int | None, float]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_METRICS = {"installs": "Installs", "users": "Users", "sessions": "AppStarts", "errors": "Errors"}
_DIMENSIONS = {
    "platform": "platforms",
    "version": "versions",
    "country": "countries",
    "language": "languages",
    "ram_gb": "ram",
}


def quick_glance_frame(payload: Any) -> pd.DataFrame:
    """One row a metric: the last 24 hours and the 24 hours before."""
    problems = ParseProblems(PATHS["quick_glance"])
    data = part(payload, "data", dict, "quick_glance")
    rows = []
    for metric, key in _METRICS.items():
        current = _number_under(data, key[0].lower() + key[1:], problems)
        previous = _number_under(data, f"previous{key}", problems)
        change = None if current is None or previous is None else current - previous
        ratio = change / previous if change is not None and previous else float("nan")
        rows.append((metric, current, previous, change, ratio))
    problems.warn()
    return make_frame(QUICK_GLANCE, dict(zip(QUICK_GLANCE, zip(*rows, strict=True), strict=True)))


def daily_frame(answers: Sequence[RunAnswer], window: Window, as_of: dt.datetime) -> pd.DataFrame:
    """One row a day of the window."""
    problems = ParseProblems(PATHS["daily"])
    rows: dict[dt.date, _DailyRow] = {}
    for payload, run in answers:
        data = part(payload, "data", dict, "daily")
        sessions, new, active = (
            _pieces(_field(data, key, problems), run, problems, _read_known_count)
            for key in ("usage", "newUsers", "activeUsers")
        )
        # Below zero in the published example.
        returning = _pieces(_field(data, "nonNewUsers", problems), run, problems, _read_known_difference)
        averages = _pieces(_field(data, "avgSessionDuration", problems), run, problems, read_number)
        total = read_count((optional_part(data, "totalNumbers", dict, "daily") or {}).get("users"), problems)
        for day in dict.fromkeys(run.labels.values()):
            distinct = _distinct(active[day], total, problems)
            rows[day] = (
                _sum(new[day].values()),
                distinct,
                _without_overlap(returning[day], active[day], distinct),
                _sum(sessions[day].values()),
                _mean_duration(averages[day], sessions[day]),
            )
    problems.warn()
    columns = zip(*(rows[day.date] for day in window.days), strict=True)
    return _by_day(DAILY, window, as_of, dict(zip(list(DAILY)[1:6], columns, strict=True)))


def hours_frame(answers: Sequence[RunAnswer], window: Window, as_of: dt.datetime) -> pd.DataFrame:
    """One row a local hour that exists, lies in the window and had begun."""
    problems = ParseProblems(PATHS["daily"])
    totals: dict[tuple[dt.date, int], int | None] = {}
    begun = {day.date for day in window.days}
    for payload, run in answers:
        hours = _field(part(payload, "data", dict, "daily"), "hours", problems)
        fallback = None if hours is None else 0
        for slot in _hours_begun(run, as_of):
            totals.setdefault(slot, fallback)
        for label, counts in _dated(hours or {}, run, problems):
            day = run.labels[label]
            if counts is None:
                problems.add("{} [day of 'hours' is|days of 'hours' are] null; [its|their] counts are missing")
                totals |= dict.fromkeys([slot for slot in totals if slot[0] == day])
                continue
            if not isinstance(counts, list):
                raise wrong_shape("daily", "each day of 'hours'", "a list of at most 24 counts", counts)
            if len(counts) > 24:
                raise PayloadError(
                    f"{PATHS['daily']}: a day of 'hours' has {len(counts)} entries, where at most 24 belong. The "
                    "service may have changed; please report it.",
                    endpoint=PATHS["daily"],
                )
            for hour, value in enumerate(counts):
                count = _read_known_count(value, problems)
                # A zero for an hour that does not exist, or has not come yet, is no row.
                if day in begun and (count or (day, hour) in totals):
                    totals[day, hour] = _sum([totals.get((day, hour), 0), count])
    problems.warn()
    slots = sorted(totals)
    marks = {day.date: states([day], as_of) for day in window.days}
    return make_frame(
        HOURS,
        {
            "day": day_column(day for day, _ in slots),
            "hour": [hour for _, hour in slots],
            "sessions": [totals[slot] for slot in slots],
            "complete": [marks[day]["complete"][0] for day, _ in slots],
            "settled": [marks[day]["settled"][0] for day, _ in slots],
        },
    )


def event_counts_frame(answers: Sequence[RunAnswer], window: Window, as_of: dt.datetime) -> pd.DataFrame:
    """One row a day and event, zeros filled."""
    return _named_counts(answers, window, as_of, "events", "event", EVENTS)


def error_counts_frame(answers: Sequence[RunAnswer], window: Window, as_of: dt.datetime) -> pd.DataFrame:
    """One row a day and error name, zeros filled."""
    return _named_counts(answers, window, as_of, "errors", "error", ERRORS)


def dimensions_frame(answers: Sequence[PeriodAnswer], as_of: dt.datetime) -> pd.DataFrame:
    """One row a dimension and value (and period)."""
    problems = ParseProblems(PATHS["daily"])
    tables: list[Table] = []
    for payload, period in answers:
        data = part(payload, "data", dict, "daily")
        lists = {dimension: optional_part(data, key, list, "daily") for dimension, key in _DIMENSIONS.items()}
        for dimension, rows in lists.items():
            problems.add(
                f"answers without {_DIMENSIONS[dimension]!r}, the counts of which are missing: {{}}", int(rows is None)
            )
        counted = {dimension: _values(rows, problems) for dimension, rows in lists.items()}
        counted = {"platform": None, "platform_raw": counted["platform"]} | counted
        counted["platform"] = _by_platform(counted["platform_raw"])
        tables.append((period, {(dimension,): values for dimension, values in counted.items()}))
    problems.warn()
    return _one_row_a_value(DIMENSIONS, tables, as_of)


def attribute_frame(answers: Sequence[PeriodAnswer], event: str, attribute: str, as_of: dt.datetime) -> pd.DataFrame:
    """One row a value of an event's attribute (and period)."""
    problems = ParseProblems(PATHS["attribute"])
    tables: list[Table] = [
        (period, {(event, attribute): _values(part(payload, "data", list, "attribute"), problems)})
        for payload, period in answers
    ]
    problems.warn()
    return _one_row_a_value(ATTRIBUTE, tables, as_of)


def totals_frame(payload: Any) -> pd.DataFrame:
    """One row: users and installs of the window as a whole."""
    problems = ParseProblems(PATHS["daily"])
    totals = optional_part(part(payload, "data", dict, "daily"), "totalNumbers", dict, "daily") or {}
    columns = {name: [_number_under(totals, name, problems)] for name in TOTALS}
    problems.warn()
    return make_frame(TOTALS, columns)


def event_properties_frame(payload: Any) -> pd.DataFrame:
    """One row an event, attribute and type."""
    problems = ParseProblems(PATHS["event_properties"])
    rows = objects(part(payload, "data", list, "event_properties"), problems)
    count_absent(rows, ("event", "type"), problems)
    found = [
        (row.get("event"), attribute, row.get("type"))
        for row in rows
        for attribute in inner_list(row, "keys", problems)
    ]
    columns = zip(*found, strict=True) if found else [(), (), ()]
    cleaned = [text_column(values, problems) for values in columns]
    problems.warn()
    frame = make_frame(EVENT_PROPERTIES, dict(zip(EVENT_PROPERTIES, cleaned, strict=True)))
    return frame.drop_duplicates().sort_values(list(EVENT_PROPERTIES), ignore_index=True)


def live_user_count_frame(payload: Any, as_of: dt.datetime) -> pd.DataFrame:
    """One row: the instant of asking and the users online."""
    problems = ParseProblems(PATHS["live_user_count"])
    value = payload.get("data") if isinstance(payload, dict) else payload
    if type(value) not in (int, float):
        raise wrong_shape("live_user_count", "the key 'data'", "a number", value)
    users = read_count(value, problems)
    problems.warn()
    return make_frame(LIVE_USER_COUNT, {"time": [pd.Timestamp(as_of).as_unit("us")], "users": [users]})


def _named_counts(
    answers: Sequence[RunAnswer],
    window: Window,
    as_of: dt.datetime,
    endpoint: Endpoint,
    column: str,
    schema: Schema,
) -> pd.DataFrame:
    """Counts per name and day: every name has every day, 0 where the service has no entry."""
    problems = ParseProblems(PATHS[endpoint])
    days = [day.date for day in window.days]
    totals: dict[str | None, dict[dt.date, int | None]] = {}
    for payload, run in answers:
        data = part(payload, "data", dict, endpoint)
        for name, field in zip(clean(list(data), problems), data.values(), strict=True):
            if not isinstance(field, dict | None):
                raise wrong_shape(endpoint, "the entry of each name", "an object of days", field)
            problems.add(
                "{} [name has|names have] null in place of days; [its|their] counts are missing", int(field is None)
            )
            row = totals.setdefault(name, dict.fromkeys(days, 0))
            for day, pieces in _pieces(field, run, problems, _read_known_count).items():
                if day in row:
                    row[day] = _sum([row[day], *pieces.values()])
    problems.warn()
    marks = states(window.days, as_of)
    names = sorted(totals, key=str)
    return make_frame(
        schema,
        {
            "day": np.repeat(day_column(days), len(names)),
            column: names * len(days),
            "count": [totals[name][day] for day in days for name in names],
            "complete": np.repeat(np.array(marks["complete"], dtype=bool), len(names)),
            "settled": np.repeat(np.array(marks["settled"], dtype=bool), len(names)),
        },
    )


def _read_known_count(value: Any, problems: ParseProblems) -> int | None:
    """As `read_count`, but null is a problem, too."""
    return read_count(_known(value, problems), problems)


def _read_known_difference(value: Any, problems: ParseProblems) -> int | None:
    """As `read_difference`, but null is a problem, too."""
    return read_difference(_known(value, problems), problems)


def _known(value: Any, problems: ParseProblems) -> Any:
    problems.add("{} [count is|counts are] null and missing", int(value is None))
    return value


def _number_under(data: Mapping[str, Any], key: str, problems: ParseProblems) -> int | None:
    """The count under a key; that there is none is a problem."""
    if data.get(key) is None:
        problems.add(f"the answer has no {key!r}, it is missing")
    return read_count(data.get(key), problems)


def _field(data: Mapping[str, Any], key: str, problems: ParseProblems) -> dict[str, Any] | None:
    """The object of days under a key; None where the answer has none, so that its counts are missing."""
    field = data.get(key)
    if field is None:
        problems.add(f"the answer has no {key!r}, its column is missing")
    elif not isinstance(field, dict):
        raise wrong_shape("daily", f"the key {key!r}", "an object of days", field)
    return field


def _dated(field: Mapping[str, Any], run: Run, problems: ParseProblems) -> Iterator[tuple[dt.date, Any]]:
    """The entries of an object of days that the run was asked for."""
    for key, value in field.items():
        try:
            label = dt.date.fromisoformat(key) if _DATE.fullmatch(key) else None
        except ValueError:
            label = None
        if label is None:
            problems.add("{} [entry has|entries have] no date as key and [is|are] left out")
        elif label in run.labels:
            yield label, value
        elif value not in (None, 0) and value != [0] * len(value if isinstance(value, list) else ()):
            problems.add(
                "{} [entry is for a day|entries are for days] outside the interval and [is|are] left out. "
                "If days begin at the wrong hour, "
                "the service counts utcOffset the other way: doctor(client) finds out which utc_offset_sign to set"
            )


def _pieces(
    field: Mapping[str, Any] | None,
    run: Run,
    problems: ParseProblems,
    read: Callable[[Any, ParseProblems], Number | None],
) -> dict[dt.date, dict[dt.date, Number | None]]:
    """What the service has for each local day, by the date it puts it under: two where the offset changes."""
    pieces: dict[dt.date, dict[dt.date, Number | None]] = {day: {} for day in run.labels.values()}
    if field is None:
        return {day: {day: None} for day in pieces}
    for label, value in _dated(field, run, problems):
        pieces[run.labels[label]][label] = read(value, problems)
    return pieces


def _sum(pieces: Iterable[int | None]) -> int | None:
    """A sum that is missing as soon as a part of it is."""
    total = 0
    for piece in pieces:
        if piece is None:
            return None
        total += piece
    return total


def _distinct(pieces: _Pieces, total: int | None, problems: ParseProblems) -> int | None:
    """Users of a local day. A day of 25 hours comes in two pieces, and somebody can be in both.

    The total of the answer, which then covers this day alone, is that number. It is used only if it lies
    between the bounds: what else it might count is not documented.
    """
    most = _sum(pieces.values())
    if most is None:
        return None
    least = max((piece for piece in pieces.values() if piece is not None), default=0)
    if least == most:
        return most
    if total is not None and least <= total <= most:
        return total
    problems.add("on {} [day|days] on which the clocks change, the number of active users is not known and missing")
    return None


def _without_overlap(returning: _Pieces, active: _Pieces, distinct: int | None) -> int | None:
    """Take out of the returning users those whom `_distinct` found in both pieces of a day."""
    counted, most = _sum(returning.values()), _sum(active.values())
    if len(active) < 2:
        return counted
    if counted is None or most is None or distinct is None:
        return None
    return counted - (most - distinct)


def _mean_duration(averages: Mapping[dt.date, float | None], sessions: _Pieces) -> float:
    """Mean over the sessions of a day; missing where there were none, or a piece of the day lacks it."""
    if len(sessions) == 1 and None in sessions.values():
        return _nan_if_none(*averages.values()) if len(averages) == 1 else float("nan")
    if len(sessions) == 1 and sessions.keys() == averages.keys() and all(sessions.values()):
        return _nan_if_none(*averages.values())
    total = seconds = 0.0
    for label, count in sessions.items():
        if count:
            total += count
            seconds += count * _nan_if_none(averages.get(label))
    return seconds / total if total else float("nan")


def _nan_if_none(value: float | None) -> float:
    return float("nan") if value is None else value


def _hours_begun(run: Run, as_of: dt.datetime) -> Iterator[tuple[dt.date, int]]:
    """The local hours of a run, as far as they had begun."""
    offset = dt.timedelta(minutes=run.offset_minutes)
    moment = (run.start + offset).replace(tzinfo=None)
    end = (min(run.end, as_of) + offset).replace(tzinfo=None)
    while moment < end:
        if moment.date() in run.labels:
            yield run.labels[moment.date()], moment.hour
        moment = moment.replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=1)


def _values(rows: list[Any] | None, problems: ParseProblems) -> Counted | None:
    """The count of each value in a list of them; None where there is no list."""
    if rows is None:
        return None
    came = objects(rows, problems)
    # As text, since True and 1 are equal.
    kept = list({json.dumps(row, sort_keys=True): row for row in came}.values())
    problems.add("{} [copy of a row is|copies of rows are] left out", len(came) - len(kept))
    again = len(kept) - len({json.dumps(row.get("value"), sort_keys=True) for row in kept})
    problems.add("{} [value|values] came with several counts, which are added up", again)
    totals: Counted = {}
    for value, row in zip(texts(pick(kept, "value"), problems), kept, strict=True):
        totals[value] = _sum([totals.get(value, 0), _read_known_count(row.get("count"), problems)])
    return totals


def _by_platform(reported: Counted | None) -> Counted | None:
    """Add up the counts of the spellings of each platform."""
    if reported is None:
        return None
    totals: Counted = {}
    for value, count in reported.items():
        name = value and platform_name(value)
        totals[name] = _sum([totals.get(name, 0), count])
    return totals


def _by_day(schema: Schema, window: Window, as_of: dt.datetime, columns: Mapping[str, Any]) -> pd.DataFrame:
    """A frame of one row a day, with the days and their states."""
    days = day_column(day.date for day in window.days)
    return make_frame(schema, {"day": days, **columns, **states(window.days, as_of)})


def _one_row_a_value(
    schema: Schema,
    tables: Sequence[Table],
    as_of: dt.datetime,
) -> pd.DataFrame:
    """The counts of each list, the most frequent value first; with periods, every value has every period."""
    values: dict[tuple[str, ...], Counted] = {}
    for _, lists in tables:
        for name, counted in lists.items():
            values.setdefault(name, {}).update(dict.fromkeys(counted or (), 0))
    spans: list[Period | None] = []
    rows: list[tuple[Any, ...]] = []
    for period, lists in tables:
        for name, counted in lists.items():
            # Without a list, nothing is known of the period; without an entry in it, the value did not occur.
            filled = values[name] | counted if counted is not None else dict.fromkeys(values[name])
            ranked = sorted(filled.items(), key=lambda item: (item[1] is None, -(item[1] or 0), str(item[0])))
            rows += [(*name, value, count) for value, count in ranked]
            spans += [period] * len(ranked)
    columns = dict(zip(schema, zip(*rows, strict=True) if rows else [()] * len(schema), strict=True))
    if all(period is None for period, _ in tables):
        return make_frame(schema, columns)
    periods = [span for span in spans if span is not None]
    return make_frame(
        {"period": BY_PERIOD["period"], **schema, **BY_PERIOD},
        {"period": day_column(span.label for span in periods), **columns, **states(periods, as_of)},
    )
