"""Two funnels, or the segments of one, side by side: differences of rates that come with their bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from nucleus_pandas.core.dtypes import COUNT, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.text import MISSING, OTHER
from nucleus_pandas.stats.intervals import LOW_N
from nucleus_pandas.stats.significance import compare_rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rate = Literal["from_start", "from_previous"]

_COMPARED: Schema = {
    "step": np.dtype("int64"),
    "event": TEXT,
    "users_a": COUNT,
    "base_a": COUNT,
    "rate_a": NUMBER,
    "users_b": COUNT,
    "base_b": COUNT,
    "rate_b": NUMBER,
    "difference": NUMBER,
    "low": NUMBER,
    "high": NUMBER,
    "p_value": NUMBER,
    "p_adjusted": NUMBER,
    "verdict": TEXT,
    "low_n": np.dtype(bool),
}
# What both funnels must have been asked in the same way.
_ASKED = ("order", "window", "include_pending")
# Of names from the data in a message: how many, and how much of each.
_SHOWN, _WIDTH = 10, 42


def compare_funnels(
    a: pd.DataFrame, b: pd.DataFrame | None = None, *, rate: Rate = "from_start", reference: str | None = None
) -> pd.DataFrame:
    """Differences between the rates of two funnels with the same steps, or between the segments of one.

    Parameters
    ----------
    a : DataFrame
        A table of `funnel`.
    b : DataFrame, optional
        Another, of the same steps. Where both have segments, each segment is compared with the one of the same
        name. Without `b`, each segment of `a` is compared with its `reference`.
    rate : {"from_start", "from_previous"}
        What is compared: the share of those who entered, or of those who reached the step before.
    reference : str, optional
        The segment that the others are compared with; by default the one with most entrants, ``(other)`` and ``(none)``
        aside.

    Returns
    -------
    DataFrame
        One row for each step from the second on, and for each segment where there are any: `a` is the first
        table or the reference, `b` the second table or the segment.

        - ``segment``, and without a second table ``reference`` (text): only where there are segments.
        - ``step``, ``event``: as in the funnel.
        - ``users_a``, ``base_a``, ``rate_a``: users who reached the step; the users whom the rate is a share of,
          those of step 1 (``from_start``) or of the step before (``from_previous``); users / base, NaN where
          the base is 0. ``users_b``, ``base_b``, ``rate_b``: likewise.
        - ``difference``: rate_b − rate_a, so positive where b's is higher. 0.05 are five percentage points.
        - ``low``, ``high``: bounds of the difference, 95 % for all rows of this table together: adjusted as
          ``p_adjusted`` is.
        - ``p_value``: how often a difference at least as large comes about by chance where there is none.
        - ``p_adjusted``: `p_value` raised for being one of several (Holm, over all rows of this table): the more
          you compare, the more differences chance will show you.
        - ``verdict``: ``clear change`` if ``p_adjusted`` is below 0.05 and 0 is outside the bounds, else
          ``within normal variation``; ``too little history`` where a base is 0, or both are so small that no
          difference could be clear.
        - ``low_n``: a base below 30 users.
        - ``sample``: the fraction of users in the log, the smaller one of two.

    Raises
    ------
    ValueError
        If columns are missing, the steps are not the same or were asked for in another way (order, window, pending
        users), or there is nothing to compare with.
    TypeError
        If `a` or `b` is no DataFrame.

    Notes
    -----
    A difference tells what a rate goes with, not what makes it: who is on another plan differs in more than the plan.
    The two groups must have nobody in common; two periods do where some entered in both.
    Newcombe's interval, score test of equal rates (chi-squared without correction). Leave out segments before comparing
    rather than after, as ``p_adjusted`` counts the rows.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(60))
    >>> log = nu.EventLog(nu.load_session_events(app, sessions), as_of=app.now())
    >>> by_plan = nu.funnel(log, ["init", "PROJECT_CREATED"], by="plan")
    >>> compared = nu.compare_funnels(by_plan, reference="free")
    >>> compared[["segment", "reference", "event", "users_b", "base_b"]]
      segment reference            event  users_b  base_b
    0     pro      free  PROJECT_CREATED        9      12
    >>> bool(compared["difference"].between(compared["low"], compared["high"]).all())
    True
    """
    if rate not in get_args(Rate):
        raise ValueError(f"rate must be one of {', '.join(get_args(Rate))}, not {rate!r}.")
    one = _read(a, "a")
    if b is None:
        return _with_reference(one, reference, rate).assign(sample=one.sample)
    if reference is not None:
        raise ValueError("reference is for the segments of one table: leave it out, or leave out b.")
    other = _read(b, "b")
    return _side_by_side(one, other, rate).assign(sample=min(one.sample, other.sample))


class _Counts(NamedTuple):
    """The users of a funnel: a row for each segment (one row, None, without segments), a column for each step."""

    segments: list[str | None]
    steps: list[tuple[int, str]]
    users: NDArray[np.float64]
    asked: dict[str, str]
    sample: float


def _read(table: pd.DataFrame, name: str) -> _Counts:
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"{name} is of type {type(table).__name__}; compare_funnels takes tables of nu.funnel.")
    missing = [column for column in ("step", "event", "users") if column not in table.columns]
    if missing:
        raise ValueError(f"{name} is no table of nu.funnel: it has no column {', '.join(missing)}.")
    if "period" in table.columns:
        raise ValueError(f'{name} has periods; pick one: {name}[{name}["period"] == …].drop(columns="period").')
    segments = table["segment"].astype(TEXT).tolist() if "segment" in table.columns else [None] * len(table)
    steps = list(zip(table["step"].astype(int).tolist(), table["event"].astype(TEXT).tolist(), strict=True))
    names = dict.fromkeys(segments) if "segment" in table.columns else [None]
    rows = {segment: row for row, segment in enumerate(names)}
    columns = {step: column for column, step in enumerate(sorted(set(steps)))}
    if not len(table) == len(rows) * len(columns) == len(set(zip(segments, steps, strict=True))):
        raise ValueError(f"{name} must hold each step once, or once a segment: pass a whole table of nu.funnel.")
    users = np.zeros((len(rows), len(columns)))
    places = [rows[segment] for segment in segments], [columns[step] for step in steps]
    users[places] = table["users"].to_numpy(dtype="float64", na_value=np.nan)
    sample = float(table["sample"].min()) if "sample" in table.columns and len(table) else 1.0
    asked = {column: str(table[column].iloc[0]) for column in _ASKED if column in table.columns and len(table)}
    return _Counts(list(rows), list(columns), users, asked, sample)


def _with_reference(counts: _Counts, reference: str | None, rate: Rate) -> pd.DataFrame:
    """Each segment of one funnel beside the reference."""
    if None in counts.segments:
        raise ValueError("a has no segments: pass a second table as b, or make a with nu.funnel(…, by=…).")
    if reference is not None and reference not in counts.segments:
        known = ", ".join(repr(segment)[:_WIDTH] for segment in counts.segments[:_SHOWN])
        raise ValueError(f"reference={reference!r} is no segment of a; there are {known or 'none'}.")
    if not counts.segments:
        return _table({"segment": [], "reference": []}, counts.steps, counts.users, counts.users, rate)
    row = _largest(counts) if reference is None else counts.segments.index(reference)
    others = [other for other in range(len(counts.segments)) if other != row]
    names = {"segment": [counts.segments[other] for other in others], "reference": [counts.segments[row]] * len(others)}
    return _table(names, counts.steps, counts.users[[row] * len(others)], counts.users[others], rate)


def _largest(counts: _Counts) -> int:
    """The segment with most entrants; what is put together of several or missing only where there is no other."""
    entrants = np.nan_to_num(counts.users[:, 0]).tolist()
    named = [segment not in (OTHER, MISSING) for segment in counts.segments]
    return max(range(len(named)), key=lambda row: (named[row], entrants[row]))


def _side_by_side(a: _Counts, b: _Counts, rate: Rate) -> pd.DataFrame:
    """Two funnels, segment by segment; a segment that only one of them has is empty in the other."""
    if (a.segments == [None]) != (b.segments == [None]):
        raise ValueError("one of a and b has segments and the other has none: make both with the same by.")
    if a.steps and b.steps and a.steps != b.steps:
        told = [" > ".join(repr(event)[:_WIDTH] for _, event in counts.steps[:_SHOWN]) for counts in (a, b)]
        raise ValueError(f"a and b have other steps: {told[0]} and {told[1]}.")
    for name in _ASKED:
        one, other = a.asked.get(name), b.asked.get(name)
        if one and other and one != other:
            raise ValueError(
                f"a was made with {name}={one!r}, b with {name}={other!r}: their rates mean different things. Make "
                "both in the same way."
            )
    segments, steps = list(dict.fromkeys([*a.segments, *b.segments])), a.steps or b.steps
    users_a, users_b = (np.zeros((len(segments), len(steps))) for _ in "ab")
    for counts, users in ((a, users_a), (b, users_b)):
        if counts.steps:
            users[[segments.index(segment) for segment in counts.segments]] = counts.users
    return _table({} if segments == [None] else {"segment": segments}, steps, users_a, users_b, rate)


def _table(
    names: dict[str, list[str | None]],
    steps: list[tuple[int, str]],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    rate: Rate,
) -> pd.DataFrame:
    """The differences between the rows of `a` and `b`, step by step from the second on."""
    later = steps[1:]
    base = slice(0, 1) if rate == "from_start" else slice(0, len(later))
    (users_a, base_a), (users_b, base_b) = (
        [part.ravel() for part in np.broadcast_arrays(users[:, 1:], users[:, base])] if later else [np.zeros(0)] * 2
        for users in (a, b)
    )
    compared = compare_rates(users_a, base_a, users_b, base_b)
    with np.errstate(invalid="ignore"):
        rates = users_a / base_a, users_b / base_b
    columns = {
        **{name: [value for value in values for _ in later] for name, values in names.items()},
        "step": [step for step, _ in later] * len(a),
        "event": [event for _, event in later] * len(a),
        "users_a": users_a,
        "base_a": base_a,
        "rate_a": rates[0],
        "users_b": users_b,
        "base_b": base_b,
        "rate_b": rates[1],
        **compared._asdict(),
        "low_n": ~((base_a >= LOW_N) & (base_b >= LOW_N)),
    }
    return make_frame(dict.fromkeys(names, TEXT) | _COMPARED, columns)
