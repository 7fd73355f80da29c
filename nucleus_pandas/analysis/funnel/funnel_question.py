"""The arguments of a funnel: what a person writes, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from nucleus_pandas.core.checks import Span, check_choice, read_span
from nucleus_pandas.core.durations import Duration, read_duration
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.events.buckets import SESSION, Buckets, in_parts
from nucleus_pandas.events.eventlog import EventLog, as_event_log
from nucleus_pandas.events.protocol import Parts
from nucleus_pandas.events.steps import (
    MOST_TANGLED,
    Exclusion,
    Step,
    enough,
    properties_of,
    read_exclusions,
    read_steps,
    share_events,
)

#: How long an attempt may take.
Window = Duration
Order = Literal["ordered", "strict", "any"]
Entry = Literal["any", "first"]
OnExclude = Literal["drop", "stop"]
Ties = Literal["either", "strict"]

_WINDOW_FORMS = 'write a duration such as window="7d", "12h" or "30min", a timedelta, or window="session".'


@dataclass(frozen=True)
class FunnelQuestion:
    """What a funnel is asked for, checked; times in microseconds since 1970, `window` None for a session."""

    steps: list[Step]
    window: int | None
    order: Order
    first_only: bool
    exclusions: list[Exclusion]
    drop_spoiled: bool
    ties_strict: bool
    start: int | None
    end: int | None
    as_of: int
    include_pending: bool


def read_question(
    events: object,
    steps: object,
    *,
    window: Window,
    order: Order,
    entry: Entry,
    exclude: object,
    on_exclude: OnExclude,
    ties: Ties,
    start: When | None,
    end: When | None,
    tz: Zone | None,
    as_of: When | None,
    include_pending: bool,
    by: str | None,
) -> tuple[EventLog | Parts, FunnelQuestion]:
    """Check the arguments of a funnel; give the log that it is asked of, and the question."""
    wanted = read_steps(steps)
    exclusions = read_exclusions(exclude, len(wanted))
    for name, value, choices in (
        ("order", order, get_args(Order)),
        ("entry", entry, get_args(Entry)),
        ("on_exclude", on_exclude, get_args(OnExclude)),
        ("ties", ties, get_args(Ties)),
    ):
        check_choice(name, value, choices)
    if by is not None and not isinstance(by, str):
        raise TypeError(f'by is of type {type(by).__name__}; write the name of one column, for example by="version".')
    if order == "any" and len(wanted) > MOST_TANGLED and (ties == "strict" or share_events(wanted)):
        raise ValueError(
            f'steps has {len(wanted)} steps; with order="any" a funnel has at most {MOST_TANGLED} where steps share an '
            'event, or with ties="strict".'
        )
    span = _read_window(window)
    about = read_span(start, end, tz, as_of)
    # Later steps count after the end, too; a session is not cut off anyway.
    reach = about if about.end is None or span is None else about._replace(end=about.end + span)
    log = _log(events, wanted, exclusions, by, reach, sessions=span is None, strict=order == "strict")
    asked = FunnelQuestion(
        steps=wanted,
        window=span,
        order=order,
        first_only=entry == "first",
        exclusions=exclusions,
        drop_spoiled=on_exclude == "drop",
        ties_strict=ties == "strict",
        start=about.start,
        end=about.end,
        as_of=log.as_of_us if about.as_of is None else about.as_of,
        include_pending=bool(include_pending),
    )
    return log, asked


def _log(
    events: object,
    steps: list[Step],
    exclusions: list[Exclusion],
    by: str | None,
    reach: Span,
    *,
    sessions: bool,
    strict: bool,
) -> EventLog | Parts:
    """The log that a funnel is asked of, with the events and columns that it looks at."""
    every = sessions or strict
    looked_at = [*steps, *(exclusion.step for exclusion in exclusions)]
    events = in_parts(events)
    if isinstance(events, Buckets):
        _check_sessions(events.bare, sessions=sessions)
        columns = [*(SESSION if sessions else ()), *(["kind"] if strict else [])]
        places = [*(f"step {number}" for number in range(1, len(steps) + 1)), *("exclude" for _ in exclusions)]
        named = list(zip(places, looked_at, strict=True))
        return events.parts(as_of=reach.as_of, steps=named, by=by, columns=columns, every=every)
    only = None if every else enough(events, looked_at, by)
    log = as_event_log(
        events, only=only, as_of=reach.as_of, within=reach.within, properties=properties_of(looked_at, by)
    )
    _check_sessions(log, sessions=sessions)
    return log


def _check_sessions(log: EventLog, *, sessions: bool) -> None:
    if sessions and "session_id" not in log.frame.columns:
        raise ValueError('window="session" needs the column session_id, which the log does not have; use a duration.')


def _read_window(window: object) -> int | None:
    """The length of a window in microseconds, None for a session."""
    if isinstance(window, str) and window == "session":
        return None
    return read_duration("window", window, _WINDOW_FORMS)
