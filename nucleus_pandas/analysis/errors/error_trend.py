"""Errors per day from counts: how many, what was to be expected, and which are new."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.values import ParseProblems, clean
from nucleus_pandas.core import units
from nucleus_pandas.core.checks import check_choice, checked_columns, checked_number
from nucleus_pandas.core.dtypes import COUNT, DAY, FLAG, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.text import MISSING, OTHER, counted, worded
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.stats.series_baseline import expected_range

Per = Literal["sessions", "active_users"]

#: How many of the base a rate is of, and what the column `per` calls that.
_PER = {"sessions": (100, "100 sessions"), "active_users": (1, "active user")}

_TREND: Schema = {
    "day": DAY,
    "error": TEXT,
    "count": COUNT,
    "base": COUNT,
    "rate": NUMBER,
    "expected": NUMBER,
    "expected_low": NUMBER,
    "expected_high": NUMBER,
    "spike": FLAG,
    "weeks": COUNT,
    "per": TEXT,
    "complete": np.dtype(bool),
    "settled": np.dtype(bool),
}
_NEW: Schema = {
    "error": TEXT,
    "first_seen": DAY,
    "last_seen": DAY,
    "days_seen": COUNT,
    "count": COUNT,
    "days_before": COUNT,
}


def error_trend(
    errors: pd.DataFrame, daily: pd.DataFrame | None = None, *, per: Per | None = None, top: int = 8
) -> pd.DataFrame:
    """How often each error was reported on each day, and whether that was more than to be expected.

    Parameters
    ----------
    errors : DataFrame
        The table of `load_error_counts`. For a day to be judged it must reach back at least four weeks before it,
        better eight, and have every day, also those without errors: a day that is not there is not known. An error that
        is not listed on a day that is there was not reported on it.
    daily : DataFrame, optional
        The table of `load_daily` of the same days and zone. Without it there are counts and no rates, and nothing is
        judged: twice the errors of twice the sessions are no spike.
    per : {"sessions", "active_users"}, optional
        What the rate is per: 100 sessions (the default), or one active user.
    top : int, default 8
        How many errors get rows of their own, the most frequent of the whole table; beyond, ``(other)``.

    Returns
    -------
    DataFrame
        One row a day of `errors` and error, the most frequent error first in each day, ``(other)`` last.

        - day, error: as in `load_error_counts`
        - count: how often it was reported; not a number of broken sessions
        - base: sessions or active users of the day
        - rate: 100 × count / sessions, or count / active users; missing where the base is 0 or not known, and of days
          that are not complete
        - expected: the median of the rates of the same weekday of the weeks before (of two in the middle the lower),
          see Notes
        - expected_low, expected_high: the range in which the rate was to be expected
        - spike: the rate lies above `expected_high`; missing where it is too early to say
        - weeks: from how many weeks `expected` comes, at most 8; with less than 4 it is missing
        - per: ``100 sessions`` or ``active user``; missing without `daily`
        - complete, settled: as in `load_daily`, of both tables

        expected, its range and spike are of settled days only. Days that are in `daily` only are not added.

    Raises
    ------
    ValueError
        If columns are missing, a day stands there twice, has a zone or a time of day, the two tables have no day in
        common, or for counts, or a `per` or `top`, that cannot be.
    TypeError
        If `errors` or `daily` is no DataFrame, or its days or counts are none.

    Warns
    -----
    IncompleteDataWarning
        When `daily` lacks days of `errors`: they have no rate. When `errors` lacks days that lie between its own and
        are in `daily`. When rows have no day: they are left out.

    Notes
    -----
    Definition: docs/definitions.md#errors-and-releases.

    A spike is judged on the rate, against the same weekday of the up to eight weeks before, of which four must be
    there, on settled days only, by nothing that came after it.

    The range is the wider of two: the median and z times the MAD (the spread that the weeks have had), and what chance
    alone leaves where nothing has changed. Chance is that of counts that come in bursts, as one session can report an
    error many times: how much more days a week apart differ than Poisson counts do is measured on the eight weeks, all
    weekdays, and allowed for. It is taken from one of the quieter of the eight weeks, so that an incident does not hide
    the next one. The range of a rare error is not zero: of an error never seen before, from three reports on (if it is
    the only row of the day) to five (of thirty rows) make a spike, one does not.

    z grows with the number of rows a day, as more errors give chance more tries: of 500 quiet days one has a false
    spike in any of its rows. Where bursts are wild it happens more often, up to a few days in a hundred; most often
    with an error that comes in a burst every ten days or less, as its quiet weeks say nothing about bursts.

    What rises and stays is a spike until the weeks before have risen as well, for four to five weeks; after that it is
    what is to be expected. In the weeks after a bad release the range is still wide, and of another incident as bad
    some days are found and others not. A day on which everything failed has no sessions, no rate and no spike: look at
    `daily`, too.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> span = {"start": "2026-07-01", "end": "2026-11-15"}
    >>> trend = nu.error_trend(nu.load_error_counts(app, **span), nu.load_daily(app, **span))
    >>> spikes = trend[trend["spike"].fillna(False)]
    >>> planted = nu.demo.truth(as_of=app.now())
    >>> str(planted.spike_day) in spikes.loc[spikes["error"] == planted.spike_error, "day"].astype(str).tolist()
    True
    """
    errors = checked_days(errors, ("error",), "count", "errors", "load_error_counts")
    check_choice("per", per, (*get_args(Per), None))
    if per is not None and daily is None:
        raise ValueError(f"per={per!r} needs the table of load_daily: error_trend(errors, daily, per={per!r}).")
    top = checked_number("top", top, None, "how many errors get rows of their own")
    unit = per or "sessions"
    counts, state = _by_day(errors)
    counts = _largest(counts, top)
    base = pd.Series(np.nan, index=counts.index) if daily is None else _base(daily, unit, state)
    return _trend(counts, base, state, unit, judged=daily is not None)


def new_errors(errors: pd.DataFrame, *, days: int = 7) -> pd.DataFrame:
    """Errors that were first reported in the last days of the table.

    Parameters
    ----------
    errors : DataFrame
        The table of `load_error_counts`. The more days it has before the last ones, the surer it is that an error is
        new.
    days : int, default 7
        How many days at the end of the table count as the last ones, those included that may still grow.

    Returns
    -------
    DataFrame
        One row an error, the most frequent first; empty if none is new.

        - error: its name
        - first_seen, last_seen: first and last day with a report
        - days_seen: days with a report
        - count: how often it was reported since
        - days_before: days of the table before `first_seen`, on none of which it was reported

    Raises
    ------
    ValueError
        If columns are missing, a day stands there twice, has a zone or a time of day, for counts that cannot be, if
        `days` is no number of days, or the table has no other days: everything would be new.
    TypeError
        If `errors` is no DataFrame, or its days or counts are none.

    Warns
    -----
    IncompleteDataWarning
        When rows have no day: they are left out.

    Notes
    -----
    One report is enough. An error that comes once in two months seems new in a table of four weeks: see `days_before`.
    Where a number is missing, it is taken that the error was not reported.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> errors = nu.load_error_counts(app, "2026-06-01", "2026-09-30")
    >>> nu.new_errors(errors)["error"].tolist()
    []
    """
    errors = checked_days(errors, ("error",), "count", "errors", "load_error_counts")
    days = checked_number("days", days, None, "how many days at the end of the table are the last ones")
    counts, _ = _by_day(errors)
    if not len(counts):
        return make_frame(_NEW, {name: [] for name in _NEW})
    known = counts.index < counts.index[-1] - pd.Timedelta(days=days - 1)
    if not known.any():
        raise ValueError(
            f"errors has no day before the last {counted(days, 'day')}, so that every error would be new: load more "
            "days, such as eight weeks, or ask for fewer."
        )
    seen = counts.fillna(0).to_numpy() > 0
    new = seen.any(axis=0) & ~seen[known].any(axis=0)
    found, seen = counts.loc[:, new], seen[:, new]
    first = seen.argmax(axis=0)
    columns = {
        "error": found.columns.array,
        "first_seen": counts.index[first],
        "last_seen": counts.index[len(seen) - 1 - seen[::-1].argmax(axis=0)],
        "days_seen": seen.sum(axis=0),
        "count": found.sum().to_numpy(dtype="float64"),
        "days_before": first,
    }
    table = make_frame(_NEW, columns)
    return table.sort_values(["count", "error"], ascending=[False, True], ignore_index=True)


def _by_day(errors: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The counts with a row a day and a column an error, and the states of the days, in order."""
    names = _named(errors["error"])
    twice = pd.DataFrame({"day": errors["day"].array, "error": names}).duplicated()
    if twice.any():
        raise ValueError(
            f"errors holds {counted(int(twice.sum()), 'day')} of an error twice, as of tables that overlap; keep one: "
            'errors.drop_duplicates(["day", "error"]).'
        )
    day, state = _days(errors)
    code, unique = pd.factorize(names)
    # What is not listed on a day was not reported; what is listed without a number is not known.
    wide = np.zeros((len(state), len(unique)))
    wide[state.index.get_indexer(day), code] = errors["count"].to_numpy()
    return pd.DataFrame(wide, index=state.index, columns=pd.Index(unique, dtype=object)), state


def _named(column: pd.Series) -> Any:
    names: list[str | None] = [MISSING if pd.isna(name) else str(name) for name in column.array]
    # Before pandas 3, names are taken for one another behind a NUL or half of a surrogate pair.
    return np.array([name or "" for name in clean(names, ParseProblems("errors"))], dtype=object)


def _days(frame: pd.DataFrame) -> tuple[pd.DatetimeIndex, pd.DataFrame]:
    """The day of each row, and of each day, in order, whether it is complete and settled."""
    day = pd.DatetimeIndex(frame["day"])
    states = frame[["complete", "settled"]].set_index(day)
    return day, states.groupby(level=0).all()


def _largest(counts: pd.DataFrame, top: int) -> pd.DataFrame:
    """The most frequent errors, and the sum of the others; a sum of which a part is not known is not known."""
    totals = counts.sum()
    ranked = sorted((name for name in counts.columns if name != OTHER), key=lambda name: (-totals[name], name))
    rest = [name for name in counts.columns if name not in set(ranked[:top])]
    kept = counts[ranked[:top]]
    return kept.assign(**{OTHER: counts[rest].sum(axis=1, skipna=False)}) if rest else kept


def _base(daily: object, unit: Per, state: pd.DataFrame) -> pd.Series:
    """Sessions or active users of each day; a day that is settled in one table only is not settled."""
    daily = checked_days(daily, (), unit, "daily", "load_daily")
    day, of_daily = _days(daily)
    if len(of_daily) < len(day):
        raise ValueError("daily holds days twice, as of tables that overlap; keep one: daily.drop_duplicates('day').")
    lacking = ~state.index.isin(day)
    if len(state) and lacking.all():
        raise ValueError(
            "daily has none of the days of errors; load both with the same start, end and tz, for example span = "
            'dict(start="2026-09-01", end="2026-10-31") and nu.load_daily(app, **span).'
        )
    if lacking.any():
        warn_incomplete(
            f"daily lacks {int(lacking.sum()):,} of the {len(state):,} days of errors; they have no rate. Load both "
            "with the same start and end."
        )
    between = (of_daily.index > state.index.min()) & (of_daily.index < state.index.max())
    if unlisted := int((between & ~of_daily.index.isin(state.index)).sum()):
        warn_incomplete(
            f"errors lacks {counted(unlisted, 'day')} of daily that lie between its own; they are taken as not known, "
            "and other days are not judged by them. If nothing was reported on them, add rows with a count of 0."
        )
    of_daily = of_daily.reindex(state.index, fill_value=False)
    for name in ("complete", "settled"):
        state[name] &= of_daily[name]
    return pd.Series(daily[unit].to_numpy(), index=day).reindex(state.index)


def _trend(counts: pd.DataFrame, base: pd.Series, state: pd.DataFrame, unit: Per, *, judged: bool) -> pd.DataFrame:
    many, name = _PER[unit]
    complete, settled = (state[column].to_numpy()[:, None] for column in ("complete", "settled"))
    exposure = base.where(base > 0).to_numpy()[:, None] / many
    wide = counts.to_numpy()
    rate = np.where(complete, wide / exposure, np.nan)
    found = _judge(counts, np.where(settled, exposure, np.nan)[:, 0])
    spike = pd.array((rate > found["expected_high"]).ravel(), dtype=FLAG)
    spike[(np.isnan(rate) | np.isnan(found["expected_high"])).ravel()] = pd.NA
    rows, errors = wide.shape
    columns = {
        "day": np.repeat(counts.index.to_numpy(), errors),
        "error": np.tile(counts.columns.to_numpy(dtype=object), rows),
        "count": wide.ravel(),
        "base": np.repeat(base.to_numpy(), errors),
        "rate": rate.ravel(),
        **{column: values.ravel() for column, values in found.items()},
        "spike": spike,
        "per": np.full(rows * errors, name if judged else None, dtype=object),
        **{column: np.repeat(state[column].to_numpy(), errors) for column in ("complete", "settled")},
    }
    return make_frame(_TREND, columns)


def _judge(counts: pd.DataFrame, exposure: Any) -> dict[str, Any]:
    """The expected range of each day and error, laid over all days of the calendar in between."""
    if not len(counts):
        return {name: np.empty(counts.shape) for name in ("expected", "expected_low", "expected_high", "weeks")}
    calendar = pd.date_range(counts.index[0], counts.index[-1], freq="D")
    place = calendar.get_indexer(counts.index)
    spread = np.full((len(calendar), counts.shape[1]), np.nan)
    spread[place] = counts.to_numpy()
    at = np.full(len(calendar), np.nan)
    at[place] = exposure
    return {name: values[place] for name, values in expected_range(spread, at)._asdict().items()}


def checked_days(frame: object, more: tuple[str, ...], count: str, name: str, loader: str) -> pd.DataFrame:
    """Give the rows of a table that have a day, or raise where it cannot be read.

    Parameters
    ----------
    frame : DataFrame
        With the columns day, complete and settled.
    more : tuple of str
        Other columns that it must have.
    count : str
        The column of counts.
    name, loader : str
        The argument that it was, and the loader that makes such a table, for messages.

    Returns
    -------
    DataFrame
        With day in microseconds, the count as float64 (missing as NaN), and complete and settled as bool; missing ones
        are False.
    """
    needed = ("day", *more, count, "complete", "settled")
    frame = checked_columns(name, frame, needed, f"Pass the DataFrame of nu.{loader}.")
    day = _dates_of(frame["day"], name)
    known = day.notna().to_numpy()
    if lack := int(np.count_nonzero(~known)):
        left_out = f"{{}} of {counted(len(frame), 'row')} of {name} [has|have] no day and [is|are] left out."
        warn_incomplete(worded(left_out, lack))
        frame, day = frame[known], day[known]
    states = {column: frame[column].astype("boolean").fillna(False).astype(bool) for column in ("complete", "settled")}
    return frame.assign(day=day, **{count: _counts(frame[count], name)}, **states)


def _dates_of(column: pd.Series, name: str) -> pd.Series:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        raise ValueError(
            f"the days of {name} have a zone; they are calendar days without one: {name}.assign(day="
            f'{name}["day"].dt.tz_localize(None)).'
        )
    if getattr(column.dtype, "kind", "") != "M":
        raise TypeError(
            f"the column day of {name} is of type {column.dtype}, not of days: {name}.assign(day="
            f'pd.to_datetime({name}["day"])).'
        )
    day = column.astype(DAY)
    late = day.notna() & (day.to_numpy().astype(np.int64) % units.DAY != 0)
    if late.any():
        raise ValueError(
            f"{counted(int(late.sum()), 'row')} of {name} have a time of day, and a day is one at midnight: sum the "
            f'counts by {name}["day"].dt.normalize().'
        )
    return day


def _counts(column: pd.Series, name: str) -> pd.Series:
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise TypeError(
            f"the column {column.name} of {name} is of type {column.dtype}, not of counts: {name}.assign({column.name}="
            f'pd.to_numeric({name}["{column.name}"])).'
        )
    values = column.to_numpy(dtype="float64", na_value=np.nan)
    odd = ~np.isnan(values) & ((values < 0) | ~np.isfinite(values) | (np.floor(values) != values))
    if odd.any():
        raise ValueError(
            worded(f"{{}} of {counted(len(values), 'number')} in the column {column.name} of {name} ", int(odd.sum()))
            + worded("[is no count|are no counts]: whole numbers from 0, or missing.", int(odd.sum()))
        )
    return pd.Series(values, index=column.index)
