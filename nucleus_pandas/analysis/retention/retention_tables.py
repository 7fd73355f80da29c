"""The tables of retention, from the counts of users in each cohort and period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.calendar import Unit
from nucleus_pandas.core.checks import checked_columns
from nucleus_pandas.core.dtypes import COUNT, DAY, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.stats.clusters import UserSums, effective_trials
from nucleus_pandas.stats.intervals import LOW_N, score_bounds

Criterion = Literal["on", "on_or_after", "on_or_before"]
Clock = Literal["calendar", "elapsed"]

_RATE: Schema = {
    "eligible": COUNT,
    "retained": COUNT,
    "rate": NUMBER,
    "rate_low": NUMBER,
    "rate_high": NUMBER,
}
_ASKED: Schema = {"freq": TEXT, "clock": TEXT, "criterion": TEXT, "sample": NUMBER}
#: With segments there is `segment` in front, with brackets `bracket` after `age`.
RETENTION: Schema = {
    "cohort": DAY,
    "age": np.dtype("int64"),
    "users": COUNT,
    **_RATE,
    "complete": np.dtype(bool),
    "low_n": np.dtype(bool),
    **_ASKED,
}
#: The same, pooled over cohorts.
CURVE: Schema = {
    "age": np.dtype("int64"),
    "cohorts": COUNT,
    "users": COUNT,
    **_RATE,
    "low_n": np.dtype(bool),
    **_ASKED,
}


@dataclass(frozen=True)
class Cells:
    """The counts of a table of retention.

    Attributes
    ----------
    cohorts : array of datetime64[D], shape (cohorts,)
        The first day of each.
    periods : array of int, shape (periods,)
        The number of each; of a bracket, of its last period.
    users : array of int, shape (segments, cohorts)
        Users of each cohort; one row where there are no segments.
    eligible, retained : array of int, shape (segments, cohorts, periods)
        Those for whom the period was over, and those of them who are retained.
    complete : array of bool, shape (cohorts, periods)
        Whether the period was over for everybody who could be of the cohort, and no interval cuts the cohort.
    segments : list of str, optional
    brackets : list of str, optional
        The name of each bracket, where there are any.
    pooled : UserSums, optional
        The starts of all cohorts, summed over users, of each segment and period, shape (segments, periods); where a
        user can have several.
    """

    cohorts: Any
    periods: Ints
    users: Ints
    eligible: Ints
    retained: Ints
    complete: Bools
    segments: list[str] | None = None
    brackets: list[str] | None = None
    pooled: UserSums | None = None


def retention_table(cells: Cells, *, freq: Unit, clock: Clock, criterion: str, sample: float) -> pd.DataFrame:
    """Give the table of `retention`: a row for each segment, cohort and period, those not over yet included."""
    segments, cohorts, periods = cells.retained.shape
    rows = cells.retained.size
    columns: dict[str, Any] = {
        "cohort": np.tile(np.repeat(cells.cohorts, periods), segments).astype(DAY),
        "age": np.tile(cells.periods, segments * cohorts),
        "users": np.repeat(cells.users, periods),
        **rates(cells.eligible.reshape(-1), cells.retained.reshape(-1)),
        "complete": np.tile(cells.complete.reshape(-1), segments),
        **_same({"freq": freq, "clock": clock, "criterion": criterion}, rows),
        "sample": np.full(rows, sample),
    }
    if cells.pooled is not None:
        with np.errstate(invalid="ignore"):
            effect = cells.pooled.trials / effective_trials(cells.pooled)
        effect = np.where(cells.pooled.trials > 0, effect, 1.0)
        columns["design_effect"] = np.repeat(effect[:, None, :], cohorts, axis=1).reshape(-1)
    if cells.brackets is not None:
        columns["bracket"] = np.tile(np.array(cells.brackets, dtype=object), segments * cohorts)
    if cells.segments is not None:
        of_row = np.repeat(np.arange(segments), cohorts * periods)
        columns["segment"] = pd.array(cells.segments, dtype=TEXT).take(of_row)
    return make_frame(_with_names(RETENTION, columns), columns)


def rates(eligible: Ints, retained: Ints, effect: Any = 1.0) -> dict[str, Any]:
    """Give the columns from eligible to low_n; where nobody is eligible nothing is known: missing, and never 0.

    `effect` is how many times as many as independent ones the eligible have to be for the same bounds.
    """
    nobody = eligible == 0
    made = pd.array(retained, dtype=COUNT)
    made[nobody] = pd.NA
    hits = np.where(nobody, 0, retained)
    with np.errstate(invalid="ignore"):
        rate = hits / eligible
    low, high = score_bounds(rate, eligible / effect)
    return {
        "eligible": eligible,
        "retained": made,
        "rate": rate,
        "rate_low": low,
        "rate_high": high,
        "low_n": eligible < LOW_N,
    }


def require_retention(table: object, function: str) -> None:
    """Raise where this is no table of retention, or one of several questions."""
    table = checked_columns("table", table, list(RETENTION), f"{function} takes the table of nu.retention.")
    for name in ("age", "users", "eligible", "retained"):
        if not pd.api.types.is_numeric_dtype(table[name].dtype) and len(table):
            raise ValueError(
                f"{function}: the column {name} has dtype {table[name].dtype} and must hold whole numbers: "
                f'table.assign({name}=pd.to_numeric(table["{name}"])).'
            )
    for name in _ASKED:
        values = list(dict.fromkeys(table[name].tolist()))
        if len(values) > 1:
            raise ValueError(
                f"table is of several questions, with {name} {values[0]!r} and {values[1]!r}, which are not to be put "
                f'together: pass one, for example table[table["{name}"] == {values[0]!r}].'
            )


def pooled(table: pd.DataFrame) -> pd.DataFrame:
    """Give the table of `retention_curve`: the cohorts of each segment and period put together."""
    by = [name for name in ("segment", "age", "bracket") if name in table.columns]
    # By number and not by name: pandas 2 takes one text for another where they hold a NUL or half a surrogate pair.
    place = _places(table, by)
    first = np.unique(place, return_index=True)[1]
    groups = len(first)
    eligible, retained, users = (_sums(table[name], place, groups) for name in ("eligible", "retained", "users"))
    counted = table["eligible"].gt(0).to_numpy(dtype=np.bool_, na_value=False)
    columns: dict[str, Any] = {name: table[name].array.take(first) for name in [*by, *_ASKED]}
    effect = np.ones(groups)
    if "design_effect" in table.columns:
        np.maximum.at(effect, place, table["design_effect"].to_numpy(dtype="float64", na_value=1.0))
    columns |= {"cohorts": np.bincount(place[counted], minlength=groups), "users": users}
    columns |= rates(eligible, retained, effect)
    return make_frame(_with_names(CURVE, columns), columns)


def _with_names(schema: Schema, columns: Mapping[str, Any]) -> Schema:
    """The schema with the columns that are there for some questions only."""
    made: Schema = {"segment": TEXT} if "segment" in columns else {}
    for name, dtype in schema.items():
        made[name] = dtype
        if name == "age" and "bracket" in columns:
            made["bracket"] = TEXT
        if name == "rate_high" and "design_effect" in columns:
            made["design_effect"] = NUMBER
    return made


def _places(table: pd.DataFrame, by: Sequence[str]) -> Ints:
    """For each row the number of its group: segments in the order in which they come, periods in their own."""
    keys = list(zip(*(table[name].tolist() for name in by), strict=True))
    at = by.index("age")
    segments = {front: place for place, front in enumerate(dict.fromkeys(key[:at] for key in keys))}
    groups = sorted(dict.fromkeys(keys), key=lambda key: (segments[key[:at]], key[at]))
    number = {key: place for place, key in enumerate(groups)}
    return np.fromiter((number[key] for key in keys), dtype=np.intp, count=len(keys))


def _sums(column: pd.Series, place: Ints, groups: int) -> Ints:
    counts = column.to_numpy(dtype="float64", na_value=0)
    return np.bincount(place, weights=counts, minlength=groups).astype(np.int64)


def _same(values: dict[str, str], rows: int) -> dict[str, Any]:
    return {name: pd.array([value], dtype=TEXT).take(np.zeros(rows, dtype=np.intp)) for name, value in values.items()}
