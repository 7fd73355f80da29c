"""The tables of funnels: counted part by part, as users add up, and put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.funnel.attempts import (
    EXCLUDED,
    NEVER,
    PENDING,
    STATUSES,
    BestAttempts,
    Found,
    find_best_attempts,
    look_up,
    merge_attempts,
)
from nucleus_pandas.analysis.funnel.funnel_question import FunnelQuestion
from nucleus_pandas.analysis.funnel.walks import LeftOut
from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.calendar import Periods
from nucleus_pandas.core.dtypes import COUNT, DAY, INSTANT, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.durations import spell_duration
from nucleus_pandas.core.units import SECOND, SETTLING, TIMEOUT
from nucleus_pandas.events.clock_errors import Times, days_of_utc
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.pending import warn_all_pending
from nucleus_pandas.events.segments import Segments, Values, rank_values, read_values
from nucleus_pandas.events.steps import find_column
from nucleus_pandas.stats.intervals import LOW_N, wilson

FUNNEL: Schema = {
    "step": np.dtype("int64"),
    "event": TEXT,
    "users": COUNT,
    "from_start": NUMBER,
    "from_start_low": NUMBER,
    "from_start_high": NUMBER,
    "from_previous": NUMBER,
    "from_previous_low": NUMBER,
    "from_previous_high": NUMBER,
    "median_seconds": NUMBER,
    "mean_seconds": NUMBER,
    "excluded": COUNT,
    "pending": COUNT,
    "low_n": np.dtype(bool),
}
_STATES: Schema = {"complete": np.dtype(bool), "settled": np.dtype(bool)}
_ASKED: Schema = {"order": TEXT, "window": TEXT, "include_pending": np.dtype(bool), "sample": NUMBER}
# The columns that a period has only when all of it is known.
_JUDGED = [name for name in FUNNEL if name.startswith("from_") or name.endswith("_seconds")]


@dataclass(frozen=True)
class Entrants:
    """The attempt that stands for each user, the value of a column at its entry, and what has no session."""

    best: BestAttempts
    segment: Values | None
    left_out: LeftOut


@dataclass(frozen=True)
class FunnelTable:
    """The table of `funnel`, or with periods that of `funnel_trend`.

    The times of steps are kept for each user who entered: medians of parts say nothing about that of the whole.
    """

    asked: FunnelQuestion
    by: str | None
    top: int
    sample: float
    periods: Periods | None = None

    def partial(self, log: EventLog) -> Entrants:
        """Find who entered, and how far they came."""
        return self.count(log, look_up(log, self.asked))

    def count(self, log: EventLog, found: Found) -> Entrants:
        """The same for events that were looked up."""
        best = find_best_attempts(found, self.asked, None if self.periods is None else self.periods.edges)
        segment = None
        if self.by is not None:
            segment = read_values(log.values(find_column(log, self.by, "by"), best.entry))
        return Entrants(best, segment, LeftOut(found.line.left_out, len(log)))

    def merge(self, one: Entrants, other: Entrants) -> Entrants:
        """Put the users of two parts together."""
        both = None if one.segment is None or other.segment is None else one.segment.and_also(other.segment)
        left_out = LeftOut(*(sum(pair) for pair in zip(one.left_out, other.left_out, strict=True)))
        return Entrants(merge_attempts(one.best, other.best), both, left_out)

    def finish(self, state: Entrants) -> pd.DataFrame:
        """Count them."""
        state.left_out.warn()
        warn_if_all_pending(state.best, self.asked)
        counted = who_counts(state.best, self.asked)
        segments = None if state.segment is None else rank_values(state.segment, counted, self.top)
        return summary(self.sample, self.asked, state.best, segments, self.periods)


@dataclass(frozen=True)
class EntryTimes:
    """When users entered, as far as it is needed to lay out periods."""

    asked: FunnelQuestion

    def partial(self, log: EventLog) -> Times:
        """Give the entries that can count."""
        return entry_times(look_up(log, self.asked), self.asked).thinned(days_of_utc)

    def merge(self, one: Times, other: Times) -> Times:
        """Put the entries of two parts together."""
        return one.and_also(other).thinned(days_of_utc)

    def finish(self, state: Times) -> Times:
        """Give them as they are."""
        return state


def entry_times(found: Found, asked: FunnelQuestion) -> Times:
    """Give the times of entries that can count."""
    time = found.entries.time
    inside = time <= asked.as_of
    inside &= True if asked.start is None else time >= asked.start
    inside &= True if asked.end is None else time < asked.end
    return Times(time[inside])


def who_counts(found: BestAttempts, asked: FunnelQuestion) -> Bools:
    """Who counts: not those whose every attempt is spoiled, nor, unless asked for, those who are pending."""
    counts = found.depth > 0
    return counts if asked.include_pending else counts & (found.status != PENDING)


def warn_if_all_pending(found: BestAttempts, asked: FunnelQuestion) -> None:
    """Warn where nobody who entered can be counted yet, and say when the first can be."""
    entered = found.times[0][found.times[0] != NEVER]
    if asked.include_pending or not len(entered) or not (found.status == PENDING).all():
        return
    advice = " Pass include_pending=True to count them now."
    if asked.window is None:
        rule = "a user counts 48 hours after the session of the entry was over, which takes 30 minutes without events."
        warn_all_pending(rule, int(entered.min()) + TIMEOUT + SETTLING, asked.as_of, at_earliest=True, advice=advice)
    else:
        rule = f"a user counts 48 hours after the window of {spell_duration(asked.window)} that follows the entry."
        warn_all_pending(rule, int(entered.min()) + asked.window + SETTLING, asked.as_of, advice=advice)


def summary(
    sample: float, asked: FunnelQuestion, found: BestAttempts, segments: Segments | None, periods: Periods | None
) -> pd.DataFrame:
    """The table of `funnel` and `funnel_trend`: a row for each period, segment and step."""
    names = [""] if segments is None else segments.names
    number = 1 if periods is None else len(periods.labels)
    groups, steps = number * len(names), len(asked.steps)
    group = found.period * len(names) + (0 if segments is None else segments.code)
    counts = _counts(group, groups, found, who_counts(found, asked))
    columns: dict[str, Any] = {} if segments is None else {"segment": np.tile(np.repeat(names, steps), number)}
    schema: Schema = {} if segments is None else {"segment": TEXT}
    columns |= {
        "step": np.tile(np.arange(1, steps + 1), groups),
        "event": np.tile(np.array(_labels(asked), dtype=object), groups),
        **{name: values.reshape(-1) for name, values in counts.items()},
    }
    schema |= FUNNEL
    if periods is not None:
        each = len(names) * steps
        states = _states(periods, asked, found)
        columns |= {name: np.repeat(values, each) for name, values in states.items()}
        unknown = np.repeat(~_known(states, asked), each)
        columns |= {name: np.where(unknown, np.nan, columns[name]) for name in _JUDGED}
        schema = {"period": DAY, **schema, **_STATES}
        columns["period"] = np.repeat(np.array(periods.labels, dtype=DAY), each)
    return make_frame(schema | _ASKED, columns | _asked(sample, asked, groups * steps))


def _asked(sample: float, asked: FunnelQuestion, rows: int) -> dict[str, Any]:
    """What was asked, in every row: it says what the numbers of a saved or drawn table mean."""
    window = "session" if asked.window is None else spell_duration(asked.window)
    values = {"order": asked.order, "window": window}
    same = {name: pd.array([value], dtype=TEXT).take(np.zeros(rows, dtype=np.intp)) for name, value in values.items()}
    flag = np.full(rows, asked.include_pending)
    return {**same, "include_pending": flag, "sample": np.full(rows, sample)}


def _labels(asked: FunnelQuestion) -> list[str]:
    if asked.order != "any":
        return [step.label for step in asked.steps]
    names = ", ".join(step.label for step in asked.steps)
    return [f"any {number} of {names}" for number in range(1, len(asked.steps) + 1)]


def _counts(group: Ints, groups: int, found: BestAttempts, counted: Bools) -> dict[str, Any]:
    """The numbers of the table, each an array of groups by steps."""
    steps = len(found.times)
    users: Ints = np.zeros((groups, steps), dtype=np.int64)
    median, mean = np.full((2, groups, steps), np.nan)
    for number in range(steps):
        made = np.flatnonzero(counted & (found.depth > number))
        users[:, number] = np.bincount(group[made], minlength=groups)
        if number:
            seconds = (found.times[number, made] - found.times[number - 1, made]) / SECOND
            median[:, number], mean[:, number] = _middle(seconds, group[made], groups)
    before = np.concatenate([np.zeros((groups, 1), dtype=np.int64), users[:, :-1]], axis=1)
    start = np.repeat(users[:, :1], steps, axis=1)
    hits = np.minimum(users, before)
    with np.errstate(invalid="ignore"):
        rates = {"from_start": users / start, "from_previous": hits / before}
    for name, made, base in (("from_start", users, start), ("from_previous", hits, before)):
        rates[f"{name}_low"], rates[f"{name}_high"] = wilson(made, base)
    ended = {name: np.bincount(group[found.status == status], minlength=groups) for name, status in _ENDS.items()}
    return {
        "users": users,
        **rates,
        "median_seconds": median,
        "mean_seconds": mean,
        **{name: np.repeat(of_group, steps) for name, of_group in ended.items()},
        "low_n": np.repeat(users[:, :1] < LOW_N, steps, axis=1),
    }


_ENDS = {"excluded": EXCLUDED, "pending": PENDING}


def _middle(seconds: Any, group: Ints, groups: int) -> tuple[Any, Any]:
    """Median and mean of each group, NaN for an empty one."""
    if groups == 1:
        return (np.median(seconds), np.mean(seconds)) if len(seconds) else (np.nan, np.nan)
    by_group = pd.Series(seconds).groupby(group)
    return (by_group.agg(how).reindex(range(groups)).to_numpy() for how in ("median", "mean"))  # type: ignore[return-value]


def _states(periods: Periods, asked: FunnelQuestion, found: BestAttempts) -> dict[str, Bools]:
    """Which periods are complete and settled."""
    window = TIMEOUT if asked.window is None else asked.window
    states = periods.states(asked.as_of + 1, settled_until=asked.as_of + 1 - window)
    # A session may go on for long after the period that it began in.
    states["settled"][found.young] = False
    return states


def _known(states: dict[str, Bools], asked: FunnelQuestion) -> Bools:
    """Which periods have a rate.

    With one attempt a user, those that are old enough are a fair part of all. Of several, the deepest counts: where
    some of them cannot be judged yet, the others come out too low.
    """
    return states["complete"] if asked.first_only or asked.include_pending else states["settled"]


def people(log: EventLog, asked: FunnelQuestion, found: BestAttempts, segments: Segments | None) -> pd.DataFrame:
    """The table of `funnel_users`."""
    entered = log.time[found.entry]
    order = np.lexsort((found.entry, entered))
    entry = found.entry[order]
    user_id = log.values("user_id", entry)
    if user_id.hasnans and "user_db_id" in log.frame.columns:
        user_id = user_id.where(user_id.notna(), log.values("user_db_id", entry))
    columns: dict[str, Any] = {
        "entered_at": _instants(entered[order]),
        "depth": found.depth[order],
        **{f"step_{number}": _instants(times[order]) for number, times in enumerate(found.times, 1)},
        "status": pd.array(STATUSES, dtype=TEXT).take(found.status[order]),
    }
    schema: Schema = {name: INSTANT for name in columns if name != "status"}
    schema |= {"depth": np.dtype("int64"), "status": TEXT}
    if segments is not None:
        columns["segment"] = pd.array(segments.names, dtype=TEXT).take(segments.code[order])
        schema["segment"] = TEXT
    columns |= {"settled": found.settled[order], **_asked(log.sample, asked, len(entry))}
    schema["settled"] = np.dtype(bool)
    table = make_frame(schema | _ASKED, columns)
    table.insert(0, "user_id", user_id)
    return table


def _instants(times: Ints) -> Any:
    return pd.Series(times.astype("datetime64[us]")).dt.tz_localize("UTC").array
