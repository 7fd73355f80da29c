"""The steps of a funnel: what a person writes, checked, and the rows of a log that it means."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.schemas import EVENT_LOG
from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.checks import is_whole
from nucleus_pandas.core.text import did_you_mean, is_utf8, near_names, shown
from nucleus_pandas.events.eventlog import CONTEXT, EventLog
from nucleus_pandas.events.log_columns import unknown_column
from nucleus_pandas.events.row_checks import warn_of_variants
from nucleus_pandas.store.eventstore import EventStore

#: A condition on properties: values by name, or a function of a frame that gives a truth value a row.
Where = Mapping[str, Any] | Callable[[pd.DataFrame], Any]

MOST_STEPS = 30
#: In any order, where it matters which event was which step.
MOST_TANGLED = 10


@dataclass(frozen=True)
class Step:
    """One or several events, any of which will do, on a condition; made by `step`."""

    events: tuple[str, ...]
    where: Where | None = None

    @property
    def label(self) -> str:
        """How tables name it."""
        name = " or ".join(self.events)
        if self.where is None:
            return name
        if isinstance(self.where, Mapping):
            return f"{name} [{', '.join(f'{key}={wanted}' for key, wanted in self.where.items())}]"
        condition = getattr(self.where, "__name__", "<lambda>")
        return f"{name} [{'condition' if condition == '<lambda>' else condition}]"


#: What stands for a step: a name, several names, or what `step` makes.
StepLike = str | Sequence[str] | Step
#: What stands for events that spoil an attempt.
ExcludeLike = StepLike | Mapping[str, Any] | Sequence[StepLike | Mapping[str, Any]]


@dataclass(frozen=True)
class Exclusion:
    """Events that spoil an attempt between two steps, counted from 0."""

    step: Step
    after: int
    before: int


def step(event: str | Sequence[str], *, where: Where | None = None) -> Step:
    """Get a step of a funnel that is more than a name: events on a condition.

    Parameters
    ----------
    event : str or list of str
        The event's name, or a list of alternatives.
    where : mapping or callable, optional
        A mapping from names of columns (``"version"``) or of properties (``"format"`` for the column data.format) to
        the value that is wanted, or a list of alternative values; None is a missing one, or an empty text. All
        of them must hold. Or a function that takes a frame, the rows of these events, and returns a truth value for
        each: a Series, which is aligned on the index of the frame, or an array in the order of its rows; missing is
        false. The index is that of the log or, where labels repeat in it, the number of each row in the log. Of a
        store, the frame has columns for the 200 most frequent properties.

    Returns
    -------
    Step
        To be put among the `steps` of `funnel`, or to be excluded.

    Raises
    ------
    TypeError
        If `event` is no name, or `where` neither mapping nor function, or a value in it a tuple.

    Notes
    -----
    What comes with `init` and errors only, such as the version, is filled forward within a session, see `EventLog`.

    Examples
    --------
    >>> nu.step("EXPORT_PDF", where={"format": "A4"}).label
    'EXPORT_PDF [format=A4]'
    >>> many = nu.step("EXPORT_PDF", where=lambda events: events["data.pages"].isin([2, 3]))
    """
    if where is not None and not isinstance(where, Mapping) and not callable(where):
        raise TypeError(
            f'where is of type {type(where).__name__}; write a mapping such as where={{"format": "A4"}}, or a function '
            "of a frame that gives a truth value a row."
        )
    if isinstance(where, Mapping):
        where = dict(where)
        for name, wanted in where.items():
            if isinstance(wanted, tuple):
                raise TypeError(
                    f"where: the value for {shown(name)} is a tuple. Write a list of values of which any will do. For "
                    "a comparison, pass a function of a frame that returns True or False for each row."
                )
    return Step(_names(event, "event"), where)


def read_steps(steps: object) -> list[Step]:
    """Check the steps of a funnel."""
    if isinstance(steps, pd.Index | pd.Series | np.ndarray):
        steps = steps.tolist()
    if isinstance(steps, str | Step | Mapping) or not isinstance(steps, Sequence):
        raise TypeError(
            f"steps is of type {type(steps).__name__}; write a list of event names in order, for example "
            '["init", "PROJECT_CREATED"].'
        )
    if not 1 <= len(steps) <= MOST_STEPS:
        raise ValueError(f"steps has {len(steps)} steps; a funnel has from 1 to {MOST_STEPS}.")
    return [read_step(one, f"step {number}") for number, one in enumerate(steps, 1)]


def share_events(steps: Sequence[Step]) -> bool:
    """Say whether one event could be more than one of the steps."""
    named = [name for one in steps for name in one.events]
    return len(set(named)) < len(named)


def read_exclusions(exclude: object, steps: int) -> list[Exclusion]:
    """Check what spoils an attempt."""
    if exclude is None:
        return []
    if isinstance(exclude, str | Step | Mapping):
        exclude = [exclude]
    if not isinstance(exclude, Sequence):
        raise TypeError(f"exclude is of type {type(exclude).__name__}; {_EXCLUDE_FORMS}")
    return [_read_exclusion(one, steps) for one in exclude]


_EXCLUDE_FORMS = (
    'write names, exclude=["CANCEL"], or between which steps, '
    'exclude=[{"event": "CANCEL", "from_step": 1, "to_step": 2}].'
)


def _read_exclusion(one: object, steps: int) -> Exclusion:
    if not isinstance(one, Mapping):
        return Exclusion(read_step(one, "exclude"), 0, steps - 1)
    if unknown := set(one) - {"event", "from_step", "to_step"}:
        raise ValueError(f"exclude has no {shown(min(map(str, unknown)))}; {_EXCLUDE_FORMS}")
    if "event" not in one:
        raise ValueError(f"exclude lacks an event; {_EXCLUDE_FORMS}")
    after, before = one.get("from_step", 1), one.get("to_step", steps)
    if not (is_whole(after) and is_whole(before)) or not 1 <= after < before <= steps:
        raise ValueError(
            f"exclude is from step {after!r} to step {before!r}; steps count from 1 to {steps}, and the first of the "
            "two must be the lower."
        )
    return Exclusion(read_step(one["event"], "exclude"), int(after) - 1, int(before) - 1)


def read_step(one: object, place: str) -> Step:
    """Check what stands for a step; `place` names it in the message of an error."""
    return one if isinstance(one, Step) else Step(_names(one, place))


def _names(given: object, place: str) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        raise TypeError(
            f"{place} is {given!r:.60}; write the name of an event, a list of names of which any will do, or "
            'nu.step("EXPORT_PDF", where={"format": "A4"}).'
        )
    return tuple(dict.fromkeys(names))


def rows_of(one: Step, log: EventLog, place: str) -> Ints:
    """Give the rows of a log that a step means, in order.

    Raises
    ------
    ValueError
        For an event or a property that the log does not have, with the nearest names; a log without any event has
        no rows of any. For any event of a log of sessions.
    TypeError
        For a condition that gives no truth values.
    """
    if log.holds_sessions:
        raise ValueError(
            f"{place}: a table of sessions has no events. Pass the table of load_session_events, an EventLog or an "
            "EventStore."
        )
    code_of = {name: code for code, name in enumerate(log.names) if log.counts[code]}
    for name in one.events if code_of else ():
        if name not in code_of:
            order = np.argsort(-log.counts, kind="stable")
            raise unknown_event(name, [log.names[code] for code in order if log.counts[code]], place)
        if not log.is_part:
            warn_of_variants(name, code_of.keys() - set(one.events), place)
    lists = [log.rows_of(code_of[name]) for name in one.events if code_of]
    rows = lists[0] if len(lists) == 1 else np.sort(np.concatenate([log.order[:0], *lists]))
    if one.where is None:
        return rows
    if isinstance(one.where, Mapping):
        for name, wanted in one.where.items():
            rows = rows[_holds(log, str(name), wanted, rows)]
        return rows
    return rows[_answers(one.where, log, rows, place)]


def columns_of(one: Step) -> list[str]:
    """Give the columns that a condition may look at by name; a function may look at any."""
    return [str(name) for name in one.where] if isinstance(one.where, Mapping) else []


def unknown_event(name: str, frequent: Sequence[str], place: str) -> ValueError:
    """Make the error for an event that is not among those there are, the most frequent first."""
    hint = did_you_mean(near_names(name, frequent))
    most = "The events are" if len(frequent) <= 10 else f"The most frequent of {len(frequent):,} are"
    return ValueError(f"{place}: there is no event {shown(name)}.{hint} {most} {', '.join(map(shown, frequent[:10]))}.")


def _holds(log: EventLog, name: str, wanted: object, rows: Ints) -> Bools:
    """In which rows a property has one of the values that are wanted."""
    column = find_column(log, name, "where")
    values = log.values(column, rows)
    if isinstance(wanted, str | bytes | Mapping) or not isinstance(wanted, Collection):
        wanted = [wanted]
    found = np.zeros(len(rows), dtype=np.bool_)
    for value in wanted:
        if value is None or value is pd.NA or value is pd.NaT or value != value or value == "":
            found |= values.isna().to_numpy(dtype=np.bool_) | _equal(values, "")
        else:
            _check_type(log, column, value)
            found |= _equal(values, value)
    return found


def _check_type(log: EventLog, column: str, wanted: object) -> None:
    """Raise where a value cannot be in a column for its type, and so would never be found."""
    holds = _kind_of(log, column)
    flag, number = isinstance(wanted, bool | np.bool_), isinstance(wanted, int | float | np.number)
    fits, right = {
        "True and False": (flag, "True or False"),
        "numbers": (number and not flag, "a number"),
        "instants": (isinstance(wanted, dt.datetime) and wanted.tzinfo is not None, "a datetime with a zone"),
        "text": (isinstance(wanted, str), "a text"),
    }.get(holds, (True, ""))
    if not fits:
        raise ValueError(
            f"where: the column {shown(column)} holds {holds}, so {wanted!r:.60} ({type(wanted).__name__}) is never "
            f"found. Pass {right}."
        )


def _kind_of(log: EventLog, column: str) -> str:
    """What all values of a column are, by its type or, where that can be anything, by the values; "" if they differ."""
    values = log.frame[column]
    dtype = values.cat.categories.dtype if isinstance(values.dtype, pd.CategoricalDtype) else values.dtype
    if values.dtype == object and not log.is_part:  # other parts of the same column may hold something else
        inferred = pd.api.types.infer_dtype(values, skipna=True)
        if inferred in ("boolean", "integer", "floating", "mixed-integer-float", "decimal"):
            return "True and False" if inferred == "boolean" else "numbers"
    if pd.api.types.is_bool_dtype(dtype):
        return "True and False"
    if pd.api.types.is_numeric_dtype(dtype):
        return "numbers"
    if isinstance(dtype, pd.DatetimeTZDtype):
        return "instants"
    return "text" if isinstance(dtype, pd.StringDtype) else ""


def _equal(values: pd.Series, wanted: object) -> Bools:
    """Where a value is the one that is wanted; True is not 1."""
    flag = isinstance(wanted, bool | np.bool_)
    if isinstance(values.dtype, pd.CategoricalDtype):
        found = np.append(_equal(pd.Series(values.cat.categories), wanted), False)
        return found[values.cat.codes.to_numpy()]
    if values.dtype == object:
        return np.array(
            [
                isinstance(value, bool | np.bool_) == flag and not pd.isna(value) and bool(value == wanted)
                for value in values
            ],
            dtype=np.bool_,
        )
    if flag != pd.api.types.is_bool_dtype(values.dtype):
        return np.zeros(len(values), dtype=np.bool_)
    if _is_beyond_arrays(wanted):
        return np.array([value is not pd.NA and value == wanted for value in values.tolist()], dtype=np.bool_)
    if (narrow := _NARROW.get(str(values.dtype))) is not None and not isinstance(wanted, str):
        # 0.1 is another number in 64 bits. Arrow cannot look numbers of 16 bits up.
        numbers = values.to_numpy(dtype=narrow, na_value=np.nan)
        return np.asarray(numbers == narrow(wanted), dtype=np.bool_)
    return values.isin([wanted]).to_numpy(dtype=np.bool_, na_value=False)


#: Types of numbers that hold another 0.1 than 64 bits do.
_NARROW: dict[str, Any] = {
    **dict.fromkeys(("float16", "halffloat[pyarrow]"), np.float16),
    **dict.fromkeys(("float32", "Float32", "float[pyarrow]"), np.float32),
}


def _is_beyond_arrays(value: object) -> bool:
    """Whether pandas and Arrow cannot convert a value: an integer beyond 64 bits, or a text that is not valid UTF-8."""
    if isinstance(value, str):
        return not is_utf8(value)
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _answers(where: Callable[[pd.DataFrame], Any], log: EventLog, rows: Ints, place: str) -> Bools:
    frame = log.rows_frame(rows)
    if not frame.index.is_unique:
        frame.index = pd.Index(log.order[rows])
    elif isinstance(frame.index, pd.RangeIndex):
        frame.index = pd.Index(frame.index.to_numpy())  # so that a reset index differs from it
    labels = frame.index
    given = where(frame)
    if np.ndim(given) > 1:
        raise TypeError(
            f"{place}: where gave a {type(given).__name__} of several columns; it must give one value a row."
        )
    answer = pd.Series(given)
    if len(answer) != len(rows):
        raise ValueError(f"{place}: where gave {len(answer):,} values for {len(rows):,} rows; it must give one a row.")
    if not pd.api.types.is_bool_dtype(answer.dtype) and not all(
        isinstance(value, bool | np.bool_) for value in answer.dropna()
    ):
        raise TypeError(f"{place}: where gave values of type {answer.dtype}; it must give True or False a row.")
    if isinstance(given, pd.Series):
        answer = _aligned(answer, labels, place)
    return answer.astype("boolean").fillna(False).to_numpy(dtype=np.bool_)


def _aligned(answer: pd.Series, labels: pd.Index, place: str) -> pd.Series:
    """Put an answer in the order of the rows that were passed: a function may have sorted them."""
    other = answer.index
    # A reset index has the labels of other rows where the rows were sorted before.
    reset = isinstance(other, pd.RangeIndex) and len(other) > 0
    if reset or not other.is_unique or other.nlevels != labels.nlevels or not labels.isin(other).all():
        raise ValueError(
            f"{place}: where gave a Series with another index than its frame. Keep the index, or return an array in "
            "the order of the rows."
        )
    return answer.reindex(labels)


def find_column(log: EventLog, name: str, argument: str) -> str:
    """Give the column of a log that a name means: its own, or that of the property."""
    column = log.find(name)
    if column is None:
        raise unknown_column(log.known_columns, name, argument, prefix="data", whose="the log")
    return column


def properties_of(steps: Iterable[Step], *named: str | None) -> list[str] | None:
    """Return the properties that steps and other arguments name; None if a function may look at any of them."""
    asked = list(steps)
    if any(callable(one.where) for one in asked):
        return None
    names = {*(name for one in asked for name in columns_of(one)), *(name for name in named if name is not None)}
    names -= set(EVENT_LOG)
    return sorted(names | {name.removeprefix("data.") for name in names})


def enough(events: object, asked: list[Step], by: str | None) -> set[str] | None:
    """Give the events that a question looks at, None if it may have to look at all of them."""
    if any(callable(one.where) for one in asked):
        return None
    looked_at = {by, *(name for one in asked for name in columns_of(one))}
    sessions = isinstance(events, EventStore) or (isinstance(events, pd.DataFrame) and "session_id" in events.columns)
    if sessions and looked_at & set(CONTEXT):
        return None  # filled forward from other events of the session
    return {name for one in asked for name in one.events}
