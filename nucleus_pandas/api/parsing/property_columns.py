"""The properties that an app makes up, as columns."""

from __future__ import annotations

import heapq
import itertools
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.values import ParseProblems, clean, property_column, text_column
from nucleus_pandas.core.dtypes import TEXT
from nucleus_pandas.core.warnings import warn

#: How many properties, the most frequent, get a column each unless the caller names them.
MOST_PROPERTIES = 200


def property_columns(
    prefix: str,
    objects_: Iterable[Any],
    problems: ParseProblems,
    properties: Collection[str] | None = None,
    weights: Any = None,
) -> dict[str, Any]:
    """Turn keys of the objects into columns, in alphabetical order.

    Parameters
    ----------
    prefix : str
        What the names of the columns begin with.
    objects_ : iterable
        One a row, read twice unless `properties` are given. Whoever can send events can make up keys, so there
        can be any number of them.
    problems : ParseProblems
    properties : collection of str, optional
        Keys to turn into columns; the others are left out, and the column of a key that no object has is missing
        throughout. By default the 200 most frequent. If there are more, the others stay together as JSON in a column
        named `prefix`, with a warning.
    weights : array of int, optional
        How many rows each object stands for.
    """
    total = 0
    if properties is None:
        keys, total = most_frequent(objects_, weights)
    else:
        keys = _as_shown(properties)
    by_name = properties is not None and any("\N{REPLACEMENT CHARACTER}" in name for name in keys)
    found: dict[str, tuple[list[int], list[Any]]] = {}
    rest: dict[int, str] = {}
    length = 0
    for length, row in enumerate(objects_, 1):
        if not row:
            continue
        if type(row) is not dict:
            problems.add("{} [property list was no object|property lists were no objects] and [is|are] left out")
            continue
        chosen = [key for key in row if _shown(key) in keys] if by_name else keys.intersection(row)
        for key in chosen:
            if row[key] is not None:
                rows, values = found.setdefault(key, ([], []))
                rows.append(length - 1)
                values.append(row[key])
        if total > len(keys):
            others = {key: value for key, value in row.items() if key not in keys and value is not None}
            if others:
                rest[length - 1] = json.dumps(others, ensure_ascii=False, separators=(",", ":"))
    shown = dict(zip(found, clean(list(found), problems), strict=True))
    columns: dict[str, Any] = {}
    for key in sorted(found, key=lambda key: (str(shown[key]), key)):
        name = f"{prefix}.{shown[key]}"
        while name in columns:  # two keys that differ only in characters that cannot be shown
            name += "_"
        columns[name] = property_column(*found[key], length, problems)
    if rest:
        place = np.full(length, -1)
        place[list(rest)] = np.arange(len(rest))
        columns[prefix] = text_column(rest.values(), problems).take(place, allow_fill=True)
        warn_of_rest(prefix, total)
    if properties is None:
        return columns
    nothing = pd.array([None] * length, dtype=TEXT)
    return {name: columns.get(name, nothing) for name in sorted(f"{prefix}.{key}" for key in properties)}


def most_frequent(objects_: Iterable[Any], weights: Any) -> tuple[set[str], int]:
    """Count the keys of the objects: the 200 that most rows have, and how many different ones there are."""
    counts: Counter[str] = Counter()
    numbers = itertools.repeat(1) if weights is None else weights.tolist()
    for row, number in zip(objects_, numbers, strict=False):
        if type(row) is dict:
            for key, value in row.items():
                if value is not None:
                    counts[key] += number
    ranked = heapq.nsmallest(MOST_PROPERTIES, counts.items(), key=lambda item: (-item[1], item[0]))
    return {key for key, _ in ranked}, len(counts)


def _shown(key: str) -> str:
    return str(clean([key], ParseProblems(""))[0] or "")


def warn_of_rest(column: str, total: int) -> None:
    """Warn that there are more properties than columns."""
    warn(
        f"{column}: there are {total:,} different properties. The {MOST_PROPERTIES} most frequent have a column each; "
        f"the other {total - MOST_PROPERTIES:,} are in the column {column!r} as JSON. To choose the columns, pass "
        'properties=["name", ...].',
        UserWarning,
    )


def checked_properties(properties: object, prefix: str) -> list[str] | None:
    """Check the names of properties, which may be written as those of their columns; None for all."""
    if properties is None:
        return None
    names = [properties] if isinstance(properties, str) else properties
    if isinstance(names, Mapping) or not isinstance(names, Iterable):
        names = [None]
    given = list(names)
    if not all(isinstance(name, str) for name in given):
        raise TypeError('properties must be a list of names, for example properties=["plan", "locale"].')
    return list(dict.fromkeys(name.removeprefix(f"{prefix}.") for name in given))


def _as_shown(properties: Collection[str]) -> set[str]:
    """The names, and those to which an underscore was added as another key looks the same."""
    return {*properties, *(name.rstrip("_") for name in properties if "\N{REPLACEMENT CHARACTER}" in name)}
