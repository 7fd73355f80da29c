"""Checks of arguments: each names the argument, what was given, and what can be given in its place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.instants import When, Zone, instant_of, make_instant, make_interval, microseconds, parse_zone
from nucleus_pandas.core.text import did_you_mean, near_names, shown

_MOST_NAMES = 30


class Span(NamedTuple):
    """What an analysis is about, in microseconds since 1970: [start, end), None where it is open; and until when.

    `as_of` is the last instant that is known; None where the data say so.
    """

    start: int | None
    end: int | None
    as_of: int | None
    zone: dt.tzinfo

    @property
    def within(self) -> tuple[dt.datetime | None, dt.datetime | None]:
        """The interval, as instants."""
        start, end = (None if edge is None else instant_of(edge) for edge in (self.start, self.end))
        return start, end


def read_span(start: When | None, end: When | None, tz: Zone | None, as_of: When | None) -> Span:
    """Check and read the arguments that all analyses have; without `tz`, days are those of UTC."""
    zone = parse_zone("UTC" if tz is None else tz)
    begins, ends = make_interval(start, end, zone)
    known = None if as_of is None else make_instant("as_of", as_of, zone)
    start_us, end_us, as_of_us = (None if one is None else microseconds(one) for one in (begins, ends, known))
    return Span(start_us, end_us, as_of_us, zone)


def check_choice(name: str, value: object, choices: Sequence[object], error: type[Exception] = ValueError) -> None:
    """Raise for what is none of the choices, with all of them and the closest one."""
    if any(value is choice or (_is_plain(value) and _is_plain(choice) and value == choice) for choice in choices):
        return
    near = near_names(value, [one for one in choices if isinstance(one, str)]) if isinstance(value, str) else []
    written = ", ".join(map(_quoted, choices))
    raise error(f"{name}={_quoted(value):.60} is not known; write one of {written}.{did_you_mean(near[:1])}")


def _is_plain(value: object) -> bool:
    return isinstance(value, str) or is_whole(value)


def _quoted(value: object) -> str:
    return shown(value) if isinstance(value, str) else repr(value)


def checked_number(name: str, value: object, most: int | None, meaning: str) -> int:
    """Give back a whole number from 1 to `most`, or raise; `meaning` says in the message what it is for."""
    if not is_whole(value) or not value >= 1 or (most is not None and value > most):  # type: ignore[operator]
        upto = "on" if most is None else f"to {most}"
        raise ValueError(f"{name}={value!r} must be a whole number from 1 {upto}: {meaning}.")
    return int(value)  # type: ignore[call-overload,no-any-return]


def is_whole(value: object) -> bool:
    """Say whether a value is a whole number by its type; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def checked_columns(name: str, frame: object, needed: Sequence[str], advice: str) -> pd.DataFrame:
    """Give back a DataFrame that has some columns, or raise; `advice` is a sentence that says what to pass."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{name} is of type {type(frame).__name__}. {advice}")
    if missing := [column for column in needed if column not in frame.columns]:
        found = ", ".join(map(shown, frame.columns[:_MOST_NAMES])) or "none"
        if set(missing) & set(frame.index.names):
            advice = "What is missing is in the index: call reset_index() first."
        raise ValueError(f"{name}: missing {', '.join(missing)}; found {found}. {advice}")
    return frame
