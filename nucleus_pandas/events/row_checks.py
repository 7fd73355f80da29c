"""Rows that an event log leaves out, and doubtful ones that it reports and counts as they are.

See docs/definitions.md#users-sessions-and-events.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.core.arrays import Bools, Ints
from nucleus_pandas.core.text import counted, shown, worded
from nucleus_pandas.core.warnings import warn_incomplete

_SPELLED_MISSING = frozenset({"nan", "none", "null", "<na>", "nat", "n/a", "undefined"})


def checked_sample(sample: object) -> float:
    """Check the fraction of the users that a log holds; by default it holds all."""
    if sample is None:
        return 1.0
    if (
        isinstance(sample, bool)
        or not isinstance(sample, int | float | np.integer | np.floating)
        or not 0 < sample <= 1
    ):
        raise ValueError(f"sample={sample!r} must be above 0 and at most 1: the fraction of users that the log holds.")
    return float(sample)


def warn_left_out(lacking: dict[str, int], left_out: int, of: int, whose: str) -> None:
    """Warn of rows that lack something."""
    if left_out:
        reasons = ", ".join(worded(f"{{}} [has|have] no {what}", number) for what, number in lacking.items() if number)
        rows = worded(f"{{}} of {counted(of, 'row')} of {whose} [is|are] left out", left_out)
        warn_incomplete(f"{rows}: {reasons}.")


def kept_rows(lacks: dict[str, Bools], whose: str | None) -> Ints | None:
    """Give the rows that lack nothing, None for all; one warning reports the others, unless that was done."""
    bad = np.logical_or.reduce(list(lacks.values()))
    if not bad.any():
        return None
    if whose is not None:
        lacking = {what: int(lack.sum()) for what, lack in lacks.items()}
        warn_left_out(lacking, int(bad.sum()), len(bad), whose)
    return np.flatnonzero(~bad)


def warn_of_ids(column: str, codes: Ints, values: Sequence[Any]) -> None:
    """Warn of ids that spell a missing value, have whitespace around them, or differ in type only."""
    spelled = [value if isinstance(value, str) else str(value) for value in values]
    missing = {code for code, text in enumerate(spelled) if text.strip().lower() in _SPELLED_MISSING}
    padded = {code for code, text in enumerate(spelled) if text != text.strip()}
    twice: set[int] = set()
    if any(not isinstance(value, str) for value in values) and len(set(spelled)) < len(spelled):
        _, place, number = np.unique(np.array(spelled, dtype=object), return_inverse=True, return_counts=True)
        twice = set(np.flatnonzero(number[place] > 1).tolist())
    blank = f'frame["{column}"].mask(frame["{column}"].isin(["nan", "None"]))'
    for found, what, clean in (
        (missing, 'that spell a missing value, such as "nan"', blank),
        (padded, "that begin or end with whitespace", f'frame["{column}"].str.strip()'),
        (twice, 'that differ in type only, such as 1 and "1"', f'frame["{column}"].astype(str)'),
    ):
        rows = int(np.isin(codes, list(found)).sum()) if found else 0
        if rows:
            warn_incomplete(
                f"{column} has ids {what}: {len(found & set(codes.tolist())):,} ids in {counted(rows, 'row')}. Each is "
                f"counted as a user of its own. If that is wrong, clean the column: frame.assign({column}={clean})."
            )


def warn_of_duplicates(frame: pd.DataFrame, order: Ints, user: Ints, time: Ints, event: Ints) -> None:
    """Warn of rows that are identical in every column; the arrays are in the order of the log."""
    same = (user[1:] == user[:-1]) & (time[1:] == time[:-1])
    if not same.any():
        return
    candidates = np.flatnonzero(np.append(same, False) | np.append(False, same))
    codes = pd.DataFrame({"user": user[candidates], "time": time[candidates], "event": event[candidates]})
    candidates = candidates[codes.duplicated(keep=False)]
    rows = frame.iloc[order[candidates]]
    try:
        number = int(rows.duplicated().sum())
    except TypeError:  # lists and mappings have no hash
        number = int(rows.astype(str).duplicated().sum())
    if number:
        warn_incomplete(
            f"{number:,} of {len(order):,} rows repeat another row in every column, and each is counted. If the log "
            "was read or sent twice, pass frame.drop_duplicates(). If times are rounded, these can be different events."
        )


def warn_of_backward_sessions(start: Ints, end: Ints, of: int) -> None:
    """Warn of sessions that end before they start; those that lack either are only among all there are."""
    if number := int((end < start).sum()):
        warn_incomplete(
            f"{number:,} of {counted(of, 'session')} end before they start, because a clock was wrong. They count at "
            'their start. If it is wrong, leave them out: frame[~(frame["end"] < frame["start"])].'
        )


def warn_of_variants(name: str, others: Iterable[str], place: str) -> None:
    """Warn where an event that is asked for has others beside it that differ in case or whitespace only."""
    key = _folded(name)
    found = sorted(other for other in others if other != name and _folded(other) == key)
    if found:
        warn_incomplete(
            f"{place}: the log also has {', '.join(map(shown, found[:3]))}, which "
            f"{'differs' if len(found) == 1 else 'differ'} from {shown(name)} only in case or whitespace and "
            f"{'is' if len(found) == 1 else 'are'} not counted. To count {'it' if len(found) == 1 else 'them'}, too, "
            "pass a list of names."
        )


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
