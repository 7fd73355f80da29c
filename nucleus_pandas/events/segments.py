"""One value a user to break a table down by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.text import MISSING, OTHER
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.log_columns import encode, spelled
from nucleus_pandas.events.steps import find_column

#: What `top` is for, in messages.
TOP = "how many values get rows of their own"


@dataclass(frozen=True)
class Segments:
    """The names of segments in the order of their rows, and the code of each attempt's."""

    names: list[str]
    code: Ints


def find_segments(log: EventLog, by: str, entry: Ints, counted: Bools, top: int) -> Segments:
    """Give each attempt the value of a column at its entry: the most frequent, the others, missing."""
    return rank_segments(log.values(find_column(log, by, "by"), entry), counted, top)


@dataclass(frozen=True)
class Values:
    """The different values of a column as text, and for each row which of them it has."""

    names: list[str]
    code: Ints

    def and_also(self, other: Values) -> Values:
        """Put the rows of another part behind these."""
        place = {name: number for number, name in enumerate(dict.fromkeys([*self.names, *other.names]))}
        moved = np.array([place[name] for name in other.names], dtype=self.code.dtype)
        return Values(list(place), np.concatenate([self.code, moved[other.code]]))


def read_values(column: pd.Series) -> Values:
    """Read the values of a column."""
    codes, values = encode(column)
    return Values(*_named(codes, spelled(values)))


def rank_segments(column: pd.Series, counted: Bools, top: int) -> Segments:
    """Give each value of a column its segment: the most frequent of those that count, the others, missing."""
    return rank_values(read_values(column), counted, top)


def rank_values(values: Values, counted: Bools, top: int) -> Segments:
    """Give each row the segment of its value."""
    names, code = values.names, values.code
    entrants = np.bincount(code[counted], minlength=len(names))
    present = np.bincount(code, minlength=len(names))
    names_of = rank_names(names, entrants, present, top)
    return Segments(names_of, place_names(names, names_of)[code])


def rank_names(names: list[str], entrants: Ints, present: Ints, top: int) -> list[str]:
    """Give the segments in the order of their rows, by how many rows count and are there of each name."""
    ranked = sorted(
        (place for place, name in enumerate(names) if present[place] and name not in (MISSING, OTHER)),
        key=lambda place: (-entrants[place], -present[place], names[place]),
    )
    kept = [names[place] for place in ranked[:top]]
    there = {name for place, name in enumerate(names) if present[place]}
    return kept + [OTHER] * bool(ranked[top:] or OTHER in there) + [MISSING] * (MISSING in there)


@dataclass(frozen=True)
class LargestSegments:
    """The segments with the most rows that count, asked of each part of a log; `values` gives those of one part."""

    values: Callable[[EventLog], Values]
    top: int

    def partial(self, log: EventLog) -> Counter[str]:
        """Count the rows of each value in one part."""
        found = self.values(log)
        rows = np.bincount(found.code, minlength=len(found.names))
        return Counter(dict(zip(found.names, rows.tolist(), strict=True)))

    def merge(self, one: Counter[str], other: Counter[str]) -> Counter[str]:
        """Add two parts up."""
        return one + other

    def finish(self, state: Counter[str]) -> list[str]:
        """Rank them."""
        rows = np.array(list(state.values()), dtype=np.int64)
        return rank_names(list(state), rows, rows, self.top)


def place_names(names: list[str], segments: list[str]) -> Ints:
    """Give the segment of each name."""
    rank = {name: place for place, name in enumerate(segments)}
    return np.array([rank.get(name, rank.get(OTHER, 0)) for name in names], dtype=np.int64)


def _named(codes: Ints, texts: list[str]) -> tuple[list[str], Ints]:
    """The different names and the code of each value's; values that are written alike have one name."""
    place = {text: number for number, text in enumerate(dict.fromkeys([*texts, MISSING]))}
    return list(place), np.array([*(place[text] for text in texts), place[MISSING]])[codes]
