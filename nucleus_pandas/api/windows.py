"""From dates and a zone to the instants and UTC offsets that the service is asked for.

The service knows fixed offsets only, people live in zones. A window is therefore cut into runs of days
that share one offset. A day on which the offset changes is a run of its own: it is asked for with the
offset that it starts with, and what then comes back under the next date belongs to it as well.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np

from nucleus_pandas.core.calendar import Freq, WeekStart, period_states, read_calendar
from nucleus_pandas.core.instants import (
    When,
    Zone,
    _parse_when,
    _shown,
    end_instant,
    first_second,
    instant_of,
    microseconds,
    next_date,
    next_midnight,
    parse_zone,
    start_instant,
    wrong_order,
)
from nucleus_pandas.core.units import ONE_SECOND

Sign = Literal["east", "west"]


_FIRST_YEAR = 2000


@dataclass(frozen=True)
class Day:
    """A local day as far as it lies in a window: `start` and `end` are UTC instants."""

    date: dt.date
    start: dt.datetime
    end: dt.datetime
    whole: bool


@dataclass(frozen=True)
class Run:
    """One request: UTC instants, the offset to ask with, and which answered date belongs to which day."""

    start: dt.datetime
    end: dt.datetime
    offset_minutes: int
    labels: Mapping[dt.date, dt.date]


@dataclass(frozen=True)
class Period:
    """A day, week or month as far as it lies in a window; `label` is its first date."""

    label: dt.date
    start: dt.datetime
    end: dt.datetime
    offset_minutes: int
    whole: bool


@dataclass(frozen=True)
class Window:
    """A half-open interval of UTC instants, seen in a zone."""

    start: dt.datetime
    end: dt.datetime
    zone: dt.tzinfo

    @cached_property
    def days(self) -> tuple[Day, ...]:
        """The local days that the window touches, in order; a date that a zone skipped is not among them."""
        return tuple(Day(*span) for span in self._cut("D", None))

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The requests that give exact counts per local day."""
        return tuple(self._runs(split_changes=False))

    @cached_property
    def hour_runs(self) -> tuple[Run, ...]:
        """The requests that give exact counts per local hour: a changing day is cut where it changes."""
        return tuple(self._runs(split_changes=True))

    @property
    def offset_minutes(self) -> int:
        """The offset at the start, for questions about the window as a whole."""
        return _offset(self.start, self.zone)

    def begun(self, as_of: dt.datetime) -> Window:
        """The window without the days that had not begun at an instant."""
        end = next_midnight(as_of, self.zone)
        if end <= self.start:
            raise ValueError(
                f"The interval begins in the future: by the service's clock it is {as_of:%Y-%m-%d %H:%M} UTC. Check "
                "the clock of this machine."
            )
        return self if end >= self.end else Window(self.start, end, self.zone)

    def periods(self, freq: Freq, week_start: WeekStart | None = None) -> tuple[Period, ...]:
        """Cut the window into calendar periods, see `read_calendar`."""
        return tuple(
            Period(label, start, end, _offset(start, self.zone), whole)
            for label, start, end, whole in self._cut(freq, week_start)
        )

    def _cut(
        self, freq: Freq, week_start: WeekStart | None
    ) -> Iterator[tuple[dt.date, dt.datetime, dt.datetime, bool]]:
        periods = read_calendar(freq, week_start, self.zone).cut(microseconds(self.start), microseconds(self.end))
        edges = pairwise(map(instant_of, periods.edges.tolist()))
        for label, (start, end), whole in zip(periods.labels, edges, periods.whole.tolist(), strict=True):
            yield label, start, end, whole

    def _runs(self, *, split_changes: bool) -> Iterator[Run]:
        """Days of one offset together, each changing day by itself or in its parts."""
        steady: list[Day] = []
        for day in self.days:
            if steady and _offset(steady[0].start, self.zone) != _offset(day.start, self.zone):
                yield self._steady_run(steady)
                steady = []
            changes = _offset_changes(day, self.zone)
            if not changes:
                steady.append(day)
                continue
            if steady:
                yield self._steady_run(steady)
                steady = []
            if split_changes:
                edges = [day.start, *changes, day.end]
                for start, end in pairwise(edges):
                    yield Run(start, end, _offset(start, self.zone), {day.date: day.date})
            else:
                labels = {day.date: day.date, next_date(day.date): day.date}
                yield Run(day.start, day.end, _offset(day.start, self.zone), labels)
        if steady:
            yield self._steady_run(steady)

    def _steady_run(self, days: list[Day]) -> Run:
        labels = {day.date: day.date for day in days}
        return Run(days[0].start, days[-1].end, _offset(days[0].start, self.zone), labels)


def make_window(start: When, end: When, tz: Zone, *, now: dt.datetime) -> Window:
    """Turn what a person writes into a window.

    Parameters
    ----------
    start, end : str, date, datetime, Timestamp or datetime64
        A bare date is a local day of `tz`: as `start` from its first instant, as `end` the whole day. A
        datetime with a UTC offset is an instant; as `end` it is not part of the window. Fractions of a
        second are cut off, the service counts in seconds.
    tz : str, int or tzinfo
        See `parse_zone`.
    now : datetime
        Tz-aware. Days that have not begun by then are left out of the window.

    Raises
    ------
    ValueError
        For a date that cannot be read, a naive datetime with a clock time, a start after the end or in
        the future; the message says what to write instead.
    TypeError
        For anything that is neither a date nor a datetime.
    """
    zone = parse_zone(tz)
    first, last = _parse_when("start", start), _parse_when("end", end)
    if first.year < _FIRST_YEAR or last.year < _FIRST_YEAR:
        raise ValueError(f"An interval cannot begin or end before {_FIRST_YEAR}; there are no data from then.")
    today = now.astimezone(zone).date()
    begins = start_instant(first, zone).replace(microsecond=0)
    ends = end_instant(last if isinstance(last, dt.datetime) else min(last, today), zone).replace(microsecond=0)
    if begins > now.astimezone(dt.UTC):
        raise ValueError(
            f"start={_shown(start)} lies in the future: it is {now:%Y-%m-%d %H:%M} UTC now. "
            f'Write a start up to today, for example start="{today}".'
        )
    if begins >= ends:
        raise wrong_order(start, end)
    return Window(begins, min(ends, next_midnight(now, zone)), zone)


def utc_offset_parameter(minutes_east: int, sign: Sign) -> int:
    """Give the number that goes on the wire as ``utcOffset``; nothing else decides its sign."""
    return minutes_east if sign == "east" else -minutes_east


def states(spans: Sequence[Day | Period], as_of: dt.datetime) -> dict[str, list[bool]]:
    """Give the columns complete and settled of days or periods.

    A span is complete when all of it lies in the window and it was over at `as_of`, see `period_states`.
    """
    ends = np.array([microseconds(span.end) for span in spans], dtype=np.int64)
    whole = np.array([span.whole for span in spans], dtype=np.bool_)
    return {name: values.tolist() for name, values in period_states(ends, whole, microseconds(as_of)).items()}


def _offset_changes(day: Day, zone: dt.tzinfo) -> list[dt.datetime]:
    """The instant within a day at which its offset changes, if there is one."""
    old, last = _offset(day.start, zone), day.end - ONE_SECOND
    if _offset(last, zone) == old:
        return []
    return [first_second(day.start, last, lambda moment: _offset(moment, zone) != old)]


def _offset(instant: dt.datetime, zone: dt.tzinfo) -> int:
    """Minutes east of Greenwich."""
    offset = instant.astimezone(zone).utcoffset() or dt.timedelta()
    minutes, rest = divmod(offset, dt.timedelta(minutes=1))
    if rest:
        raise ValueError(
            f"On {instant:%Y-%m-%d} the offset of {zone} was no whole number of minutes, which the service "
            "cannot be asked for. Write a later start."
        )
    return minutes
