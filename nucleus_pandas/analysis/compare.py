"""Two rate tables side by side: differences, with bounds and verdicts adjusted for their number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.checks import check_choice
from nucleus_pandas.core.dtypes import COUNT, DAY, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.text import MISSING, OTHER, shown
from nucleus_pandas.stats.intervals import LOW_N, trials_of_bounds
from nucleus_pandas.stats.kaplan_meier import survival_error
from nucleus_pandas.stats.significance import compare_rates, compare_survival

_COMPARED: Schema = {
    "rate": TEXT,
    "count_a": COUNT,
    "base_a": COUNT,
    "rate_a": NUMBER,
    "count_b": COUNT,
    "base_b": COUNT,
    "rate_b": NUMBER,
    "difference": NUMBER,
    "difference_low": NUMBER,
    "difference_high": NUMBER,
    "p_value": NUMBER,
    "p_adjusted": NUMBER,
    "verdict": TEXT,
    "reason": TEXT,
    "low_n": np.dtype(bool),
    "sample": NUMBER,
}
# Columns in which a table can be filtered to one value, and be compared with another value.
_PARTS: Schema = {"period": DAY, "cohort": DAY, "segment": TEXT}
_NUMBERS = ("step", "age", "day")
# How many names from the data a message lists.
_SHOWN = 10

Key = tuple[Any, ...]


class _Row(NamedTuple):
    """A rate and its denominator; `weight` is what its bounds were made of, NaN where there are none."""

    base: float
    rate: float
    weight: float


_ABSENT = _Row(np.nan, np.nan, np.nan)
Rows = dict[Key, _Row]
# Columns that differ between a and b, with the value in a; that in b is in the key of each row.
Fixed = dict[str, Any]


@dataclass(frozen=True)
class _Kind:
    """A kind of rate table.

    Attributes
    ----------
    makers : str
        The functions that return it.
    rates : dict of str to str
        Its rates, each with the column of its denominator.
    keys : tuple of str
        Columns that tell rows apart, besides period, cohort and segment; not all of them need be there.
    asked : tuple of str
        Columns of settings that two tables must have in common.
    """

    makers: str
    rates: dict[str, str]
    keys: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    def describes(self, table: pd.DataFrame) -> bool:
        """Whether a table has the columns of this kind."""
        needed = {"value", *_NUMBERS} & set(self.keys) | set(self.rates.values())
        needed |= {f"{rate}{bound}" for rate in self.rates for bound in ("", "_low", "_high")}
        return needed <= set(table.columns)


_FUNNEL = _Kind(
    "funnel or funnel_trend",
    {"from_start": "users", "from_previous": "users"},
    ("step", "event"),
    ("order", "window", "include_pending"),
)
_BREAKDOWN = _Kind("breakdown", {"share": "count"}, ("dimension", "event", "attribute", "value"))
_SURVIVAL = _Kind("survival", {"survival": "at_risk"}, ("day",), ("gap",))
_KINDS = (
    _FUNNEL,
    _Kind(
        "retention, retention_curve or unbounded_retention",
        {"rate": "eligible"},
        ("age", "bracket"),
        ("freq", "clock", "criterion"),
    ),
    _BREAKDOWN,
    _Kind("error_free", {"error_free_sessions": "sessions", "error_free_users": "users"}),
    _Kind("crash_free", {"crash_free_sessions": "sessions", "crash_free_users": "users"}),
    _SURVIVAL,
)


@dataclass(frozen=True)
class _Table:
    """A rate table: its rows by the values of `columns`."""

    kind: _Kind
    rate: str
    columns: list[str]
    rows: Rows
    asked: dict[str, Any]
    sample: float


def compare(
    a: pd.DataFrame, b: pd.DataFrame | None = None, *, rate: str | None = None, reference: str | None = None
) -> pd.DataFrame:
    """Differences between the rates of two tables of the same kind, or between the segments of one.

    Parameters
    ----------
    a : DataFrame
        A table of `funnel`, `funnel_trend`, `retention`, `retention_curve`, `retention_trend`, `unbounded_retention`,
        `breakdown`, `error_free`, `crash_free` or `survival`.
    b : DataFrame, optional
        Another of the same kind, made with the same settings. Rows are matched by step, age, day, value, segment and
        period. Tables filtered to one period, cohort or segment each are compared across it: ``compare(weekly[is_may],
        weekly[is_june])``. Without `b`, each segment of `a` is compared with its `reference`.
    rate : str, optional
        Which rate, where a table has several: ``"from_start"`` (default) or ``"from_previous"`` of a funnel,
        ``"error_free_sessions"`` (default) or ``"error_free_users"``, and likewise ``crash_free``.
    reference : str, optional
        The segment that the others are compared with; by default the one with most users (or sessions), ``(other)``
        and ``(none)`` aside.

    Returns
    -------
    pandas.DataFrame
        One row for each pair of rates: a is the first table or the reference, b the second table or another segment.

        - period, cohort, segment: only if the tables have them; ``period_a`` and ``period_b`` and so on where each
          table has one value, or `reference` another one
        - step and event, age and bracket, day, or value with its dimension or event and attribute: as in the tables. Of
          a funnel from the second step on
        - rate: the name of the rate that is compared
        - base_a, base_b: the denominator of each rate, as described for the table; of `survival` those at risk
        - count_a, count_b: the numerator; missing for `survival`
        - rate_a, rate_b: the rates
        - difference: rate_b − rate_a. 0.05 is five percentage points, positive where b is higher
        - difference_low, difference_high: bounds of the difference, 95 % for all rows together: adjusted as p_adjusted
        - p_value: how often a difference at least as large occurs by chance where there is none
        - p_adjusted: `p_value` adjusted for the number of rows (Holm)
        - verdict: ``clear change`` if p_adjusted is below 0.05 and 0 is outside the bounds, else ``within normal
          variation``; ``too little history`` where a rate or its bounds are missing, or both bases are so small that no
          difference could be clear; missing for totals
        - reason: why a row has no bounds
        - low_n: a base is below 30, or its users resemble each other so much that it says less than 30 others would
        - sample: the fraction of users in the log, the smaller of two

    Raises
    ------
    ValueError
        If the tables are of different kinds or settings, have no row in common, or hold a row twice.
    TypeError
        If `a` or `b` is not a DataFrame.

    Notes
    -----
    Definitions: docs/definitions.md#bounds-and-verdicts and docs/definitions.md#breakdowns.

    A difference says what goes with b, not what caused it. The two groups must have no users in common; two periods do
    where users are in both, and if these behave alike in both, fewer changes are found than could be.

    Newcombe's interval and the score test of equal rates. Where a table's bounds allow for several sessions or events
    per user, so does the comparison: it takes the number of independent trials that would give the table's bounds.
    Survival is compared on the log(−log) scale. Totals do not say how many users they are of, and get neither bounds
    nor verdict.

    Values that only one of two breakdowns names count towards ``(other)`` if the other table has such a row, which
    thus holds the same values in both. If a change may hide there, make both breakdowns with a larger `top`.

    The number of rows counts in p_adjusted: filter tables before comparing rather than after, except breakdowns, whose
    shares must add up to 1.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> sessions = nu.load_sessions(app, nu.load_users(app).head(60))
    >>> log = nu.EventLog(nu.load_session_events(app, sessions), as_of=app.now())
    >>> by_plan = nu.funnel(log, ["init", "PROJECT_CREATED"], by="plan")
    >>> compared = nu.compare(by_plan, reference="free")
    >>> compared[["segment_a", "segment_b", "event", "count_b", "base_b"]]
      segment_a segment_b            event  count_b  base_b
    0      free       pro  PROJECT_CREATED        9      12
    >>> bool(compared["difference"].between(compared["difference_low"], compared["difference_high"]).all())
    True
    """
    one = _read(a, "a", rate)
    if b is None:
        return _laid_out(one, *_beside_reference(one, reference))
    if reference is not None:
        raise ValueError("reference is for the segments of one table: leave it out, or leave out b.")
    other = _read(b, "b", rate)
    _check_alike(one, other)
    return _laid_out(replace(one, sample=min(one.sample, other.sample)), *_beside(one, other))


def _read(table: object, name: str, rate: str | None) -> _Table:
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"{name} is of type {type(table).__name__}; pass a table such as that of nu.funnel.")
    kind = next((kind for kind in _KINDS if kind.describes(table)), None)
    if kind is None:
        makers = "; ".join(kind.makers for kind in _KINDS)
        raise ValueError(f"{name} is not a rate table that can be compared: pass one of {makers}.")
    rate = next(iter(kind.rates)) if rate is None else rate
    check_choice("rate", rate, list(kind.rates))
    columns = [column for column in (*_PARTS, *kind.keys) if column in table.columns]
    keys = list(zip(*(table[column].tolist() for column in columns), strict=True)) if columns else [()] * len(table)
    if len(set(keys)) < len(keys):
        by = ", ".join(columns) or "columns that tell rows apart"
        raise ValueError(
            f"{name} holds several rows with the same {by}: pass one table, as nu.{kind.makers} returns it."
        )
    asked: dict[str, Any] = {}
    for column in kind.asked:
        found = table[column].unique().tolist() if column in table.columns else []
        if len(found) > 1:
            raise ValueError(f"{name} mixes {column}={found[0]!r} and {column}={found[1]!r}: pass one of them.")
        asked |= {column: found[0]} if found else {}
    sample = float(table["sample"].min()) if "sample" in table.columns and len(table) else 1.0
    return _Table(kind, rate, columns, _rows(table, name, kind, rate, columns, keys), asked, sample)


def _rows(table: pd.DataFrame, name: str, kind: _Kind, rate: str, columns: list[str], keys: list[Key]) -> Rows:
    rates = _floats(table[rate])
    low, high = (_floats(table[f"{rate}_{side}"]) for side in ("low", "high"))
    base = _floats(table[kind.rates[rate]])
    if kind is _FUNNEL:
        base = _bases(keys, columns, base, rate, name)
    elif kind is _BREAKDOWN:
        base = _totals(keys, columns, base, rates, name)
    weight = survival_error(low, high) if kind is _SURVIVAL else np.fmin(trials_of_bounds(rates, low, high), base)
    weight = np.where(np.isnan(low) | np.isnan(high), np.nan, weight)
    rows = zip(base.tolist(), rates.tolist(), weight.tolist(), strict=True)
    return {key: _Row(*row) for key, row in zip(keys, rows, strict=True)}


def _floats(column: pd.Series) -> Any:
    return column.to_numpy(dtype="float64", na_value=np.nan)


def _bases(keys: list[Key], columns: list[str], users: Any, rate: str, name: str) -> Any:
    """Whom each rate of a funnel is a share of."""
    at = columns.index("step")
    reached = {(key[:at], key[at]): number for key, number in zip(keys, users.tolist(), strict=True)}
    steps = [(key[:at], 1 if rate == "from_start" else max(1, key[at] - 1)) for key in keys]
    if not set(steps) <= set(reached):
        raise ValueError(f"{name} lacks steps: pass all steps, as nu.funnel returns them.")
    return np.array([reached[step] for step in steps], dtype=np.float64)


def _totals(keys: list[Key], columns: list[str], counts: Any, shares: Any, name: str) -> Any:
    """What all values of a breakdown add up to; a table that lacks values would pass them off as absent."""
    at = columns.index("value")
    groups = [key[:at] + key[at + 1 :] for key in keys]
    totals: dict[Key, float] = dict.fromkeys(groups, 0.0)
    sums = dict(totals)
    for group, number, share in zip(groups, counts.tolist(), shares.tolist(), strict=True):
        totals[group] += number
        sums[group] += share
    if any(abs(total - 1) > 1e-6 for total in sums.values()):
        raise ValueError(f"the shares of {name} do not add up to 1: pass all values, and filter the result instead.")
    return np.array([totals[group] for group in groups], dtype=np.float64)


def _check_alike(a: _Table, b: _Table) -> None:
    """Raise where two tables are of different questions."""
    if a.kind is not b.kind:
        raise ValueError(f"a is a table of {a.kind.makers}, b one of {b.kind.makers}: pass two of the same kind.")
    for one, other, names in ((a, b, "ab"), (b, a, "ba")):
        if extra := [column for column in one.columns if column not in other.columns]:
            advice = "both with the same by=" if extra[0] == "segment" else "both in the same way"
            raise ValueError(f"{names[0]} has a column {extra[0]}, {names[1]} has none: make {advice}.")
    for name in a.asked.keys() & b.asked.keys():
        if a.asked[name] != b.asked[name]:
            raise ValueError(
                f"a was made with {name}={a.asked[name]!r}, b with {name}={b.asked[name]!r}: their rates mean "
                "different things. Make both in the same way."
            )
    if a.kind is _FUNNEL and a.rows and b.rows and (steps := _steps(a)) != (others := _steps(b)):
        written = [" > ".join(map(shown, events[:_SHOWN])) for events in (steps, others)]
        raise ValueError(f"a and b have different steps: {written[0]} and {written[1]}.")


def _steps(table: _Table) -> list[str]:
    at = table.columns.index("step")
    return [event for _, event in sorted({(key[at], str(key[at + 1])) for key in table.rows})]


def _beside_reference(table: _Table, reference: str | None) -> tuple[Rows, Rows, Fixed]:
    """Each segment beside the reference."""
    if "segment" not in table.columns:
        raise ValueError("a has no segments: pass a second table as b, or make a with by=….")
    at = table.columns.index("segment")
    largest: dict[Any, float] = {}
    for key, row in table.rows.items():
        largest[key[at]] = max(largest.get(key[at], 0.0), np.nan_to_num(row.base))
    if reference is not None:
        check_choice("reference", reference, list(largest))
    elif largest:
        reference = max(largest, key=lambda segment: (segment not in (OTHER, MISSING), largest[segment]))
    a: Rows = {}
    for key in table.rows:
        against = (*key[:at], reference, *key[at + 1 :])
        if key != against:
            a[key] = table.rows.get(against, _ABSENT)
    return a, {key: table.rows[key] for key in a}, {"segment": reference}


def _beside(a: _Table, b: _Table) -> tuple[Rows, Rows, Fixed]:
    """Both tables with the same rows, in the same order."""
    fixed: Fixed = {}
    one, other = a.rows, b.rows
    for at, column in enumerate(a.columns):
        found = [dict.fromkeys(key[at] for key in rows) for rows in (one, other)]
        if column not in _PARTS or found[0].keys() & found[1].keys() or not all(found):
            continue
        if [len(values) for values in found] != [1, 1]:
            raise ValueError(f"a and b have no {column} in common. To compare two of them, pass one in each table.")
        fixed[column] = next(iter(found[0]))
        one = {(*key[:at], *found[1], *key[at + 1 :]): row for key, row in one.items()}
    if a.kind is _BREAKDOWN:
        return *_same_values(one, other, a.columns.index("value")), fixed
    if one and other and not one.keys() & other.keys():
        raise ValueError(f"a and b have no rows in common: compare tables with the same {', '.join(a.columns)}.")
    keys = _ordered({**one, **other}, a.columns)
    return {key: one.get(key, _ABSENT) for key in keys}, {key: other.get(key, _ABSENT) for key in keys}, fixed


def _ordered(rows: Rows, columns: list[str]) -> list[Key]:
    """Numbers and dates in their order, names in the order in which they come."""
    places = [
        {value: place for place, value in enumerate(dict.fromkeys(key[at] for key in rows))}
        for at in range(len(columns))
    ]
    for at, name in enumerate(columns):
        if name in (*_NUMBERS, "period", "cohort"):
            places[at] = {value: place for place, value in enumerate(sorted(places[at]))}
    return sorted(rows, key=lambda key: tuple(known[value] for value, known in zip(key, places, strict=True)))


def _same_values(a: Rows, b: Rows, at: int) -> tuple[Rows, Rows]:
    """Two breakdowns with the same values: absent ones are 0, and what only one names is part of a common (other)."""
    groups: dict[Key, tuple[dict[str, _Row], dict[str, _Row]]] = {}
    for number, rows in enumerate((a, b)):
        for key, row in rows.items():
            groups.setdefault((*key[:at], *key[at + 1 :]), ({}, {}))[number][key[at]] = row
    made: tuple[Rows, Rows] = ({}, {})
    for group, sides in groups.items():
        named = (sides[0].keys() | sides[1].keys()) - {OTHER}
        # Where a table has (other), a value that it does not name is in there; (none) is always named.
        cut = [side for side in sides if OTHER in side]
        kept = {value for value in named if value == MISSING or all(value in side for side in cut)}
        size = {value: -np.nansum([side[value].rate for side in sides if value in side]) for value in kept}
        values = sorted(kept - {MISSING}, key=lambda value: (size[value], value))
        values += [OTHER] * bool(cut) + [MISSING] * (MISSING in kept)
        for rows, side in zip(made, sides, strict=True):
            rows |= {(*group[:at], value, *group[at:]): _share(side, value, kept) for value in values}
    return made


def _share(side: dict[str, _Row], value: str, kept: set[str]) -> _Row:
    """The share of a value; that of (other) is of all that are not kept."""
    rows = [row for name, row in side.items() if (name not in kept if value == OTHER else name == value)]
    if len(rows) == 1 or not side:
        return rows[0] if rows else _ABSENT
    every = list(side.values())
    rate = sum((row.rate for row in rows), 0 * every[0].rate)
    # How alike the users of these values are is not known; as in the most telling row, the fewest trials are taken.
    return _Row(every[0].base, min(rate, 1.0), float(np.min([row.weight for row in every])))


def _laid_out(table: _Table, a: Rows, b: Rows, fixed: Fixed) -> pd.DataFrame:
    """The table of two sides that have the same rows."""
    if table.kind is _FUNNEL:
        # The first step is 1 by itself.
        at = table.columns.index("step")
        a, b = ({key: row for key, row in rows.items() if key[at] > 1} for rows in (a, b))
    base_a, rate_a, weight_a = _columns(a)
    base_b, rate_b, weight_b = _columns(b)
    compared = _judged(table.kind, rate_a, weight_a, rate_b, weight_b)
    schema: Schema = {}
    columns: dict[str, Any] = {}
    for at, name in enumerate(table.columns):
        values = [key[at] for key in b]
        sides = {name: values}
        if name in fixed:
            sides = {f"{name}_a": [fixed[name]] * len(b), f"{name}_b": values}
        dtype = np.dtype("int64") if name in _NUMBERS else _PARTS.get(name, TEXT)
        schema |= dict.fromkeys(sides, dtype)
        columns |= sides
    columns |= {
        "rate": [table.rate] * len(b),
        "count_a": _counts(table.kind, rate_a, base_a),
        "base_a": base_a,
        "rate_a": rate_a,
        "count_b": _counts(table.kind, rate_b, base_b),
        "base_b": base_b,
        "rate_b": rate_b,
        **compared,
        "reason": [_reason(one, other) for one, other in zip(a.values(), b.values(), strict=True)],
        "low_n": _few(table.kind, base_a, weight_a) | _few(table.kind, base_b, weight_b),
        "sample": np.full(len(b), table.sample),
    }
    return make_frame(schema | _COMPARED, columns)


def _columns(rows: Rows) -> Any:
    return np.array(list(rows.values()), dtype=np.float64).reshape(-1, len(_Row._fields)).T


def _counts(kind: _Kind, rate: Any, base: Any) -> Any:
    return np.full(len(rate), np.nan) if kind is _SURVIVAL else np.round(rate * base)


def _few(kind: _Kind, base: Any, weight: Any) -> Any:
    """Where a rate is of fewer than 30, or says as little."""
    return ~(base >= LOW_N) | (kind is not _SURVIVAL and weight.round(6) < LOW_N)


def _judged(kind: _Kind, rate_a: Any, weight_a: Any, rate_b: Any, weight_b: Any) -> dict[str, Any]:
    """The differences, and what the bounds of both tables say about them."""
    if kind is _SURVIVAL:
        compared = compare_survival(rate_a, weight_a, rate_b, weight_b)
    else:
        compared = compare_rates(rate_a * weight_a, weight_a, rate_b * weight_b, weight_b)
    difference = rate_b - rate_a
    verdict: list[str | None] = [*compared.verdict]
    if kind is _BREAKDOWN:
        totals = ~np.isnan(difference) & np.isnan(compared.p_value)
        verdict = [None if total else one for total, one in zip(totals.tolist(), verdict, strict=True)]
    return compared._asdict() | {"difference": difference, "verdict": verdict}


def _reason(a: _Row, b: _Row) -> str | None:
    """Why two rates have no bounds of their difference."""
    sides = {"a": a, "b": b}
    for problem, lacks in (
        ("not in", lambda row: row is _ABSENT),
        ("no rate in", lambda row: np.isnan(row.rate)),
        ("no bounds in", lambda row: np.isnan(row.weight)),
    ):
        if names := [name for name, row in sides.items() if lacks(row)]:
            return f"{problem} {' and '.join(names)}"
    return None
