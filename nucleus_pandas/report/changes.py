"""How a number changed, in words, and how often such a change comes about from one period to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd

from nucleus_pandas.core.text import percent
from nucleus_pandas.stats.intervals import student_tails
from nucleus_pandas.stats.significance import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

# With fewer pairs of periods nobody knows what is usual.
_FEWEST = 4


@dataclass(frozen=True)
class Measured:
    """A number of a period: a count, and of how many sessions or days; or a mean, without a base."""

    value: float
    base: float | None = None

    @property
    def known(self) -> bool:
        """Whether there is a rate, which has a logarithm."""
        return self.value >= 0 and (self.base is None or self.base > 0)

    @property
    def log(self) -> float:
        """The logarithm of the rate; half a count more keeps it away from that of 0."""
        return math.log((self.value + 0.5) / self.base) if self.base else math.log(max(self.value, 1e-9))

    @property
    def variance(self) -> float:
        """What chance alone makes of the logarithm of a count."""
        return 1 / (self.value + 0.5) if self.base else 0.5


def change_of(now: float, before: float, *, written: str, verdict: Verdict) -> str:
    """Say how a number differs from the one before, which is written so."""
    if math.isnan(now) or math.isnan(before):
        return "nothing to compare with"
    if now == before:
        return f"= as before: {written}"
    if verdict is not Verdict.CLEAR:
        return f"{verdict} ({written} before)"
    arrow, way = ("▲", "up") if now > before else ("▼", "down")
    return f"{arrow} {way}{f' {percent(abs(now / before - 1), decimals=None)}' if before > 0 else ''} from {written}"


def p_of_change(now: Measured, before: Measured, earlier: Sequence[Measured]) -> float:
    """How often periods that follow on each other differ as much as these two; NaN if there are too few.

    Two periods differ by more than single counts would by chance, as one user does many things. How many times as much
    is learned from the periods before: from how much each of them differs from the next one. Those without anything,
    as before the app was there, say nothing.
    """
    pairs = [(one, other) for one, other in pairwise(earlier) if one.known and other.known and one.value * other.value]
    if len(pairs) < _FEWEST or not (now.known and before.known):
        return math.nan
    times = sum(_squared(one, other) for one, other in pairs) / len(pairs)
    squared = _squared(now, before)
    usual = student_tails(math.sqrt(squared / times) if times else math.inf if squared else 0.0, len(pairs))
    # Weeks can be alike by luck: what chance alone makes of counts is there all the same.
    return usual if now.base is None else max(usual, math.erfc(math.sqrt(squared / 2)))


def _squared(one: Measured, other: Measured) -> float:
    """How far apart two are, squared, in parts of what chance alone makes of counts; of means, in any one unit."""
    return (one.log - other.log) ** 2 / (one.variance + other.variance)


def words_of(compared: pd.DataFrame) -> list[str]:
    """Say of each difference of a table which way it goes if it is a clear change, or what its verdict is."""
    words = []
    for verdict, difference in zip(compared["verdict"], compared["difference"], strict=True):
        if pd.isna(verdict):
            words.append("–")
        elif verdict == Verdict.CLEAR:
            words.append("higher" if difference > 0 else "lower")
        else:
            words.append(str(verdict))
    return words
