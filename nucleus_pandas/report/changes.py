"""How a number changed, in words with an arrow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nucleus_pandas.analysis.intervals import wilson

if TYPE_CHECKING:
    import pandas as pd

# A difference is told where chance alone would make one as large less often than this.
_CERTAIN = 0.05


@dataclass(frozen=True)
class Counted:
    """How many there were, and of how many days or sessions."""

    count: float
    base: float


def change_of(now: float, before: float, *, written: str, chance: bool = False, so_far: bool = False) -> str:
    """Say how a number differs from the one before, which is written so.

    `chance`: the difference may be chance; `so_far`: the number may still grow.
    """
    if math.isnan(now) or math.isnan(before):
        return "nothing to compare with"
    if now == before:
        return f"= as before: {written}"
    arrow, way = ("▲", "up") if now > before else ("▼", "down")
    part = f" {percent_of(abs(now / before - 1))}" if before > 0 else ""
    return f"{arrow} {'so far ' if so_far else ''}{way}{part} from {written}{' (may be chance)' if chance else ''}"


def may_be_chance(now: Counted, before: Counted) -> bool:
    """Say whether two counts differ no more than those of two equal periods would in 19 of 20 cases.

    That is so of counts that have nothing to do with each other (Poisson), of which each is of the later period with
    the share that this has of both bases. Where they come in bursts, as errors of one session do, chance does more, so
    that False is no proof.
    """
    numbers = [before.count, before.base, now.count, now.base]
    if any(math.isnan(number) for number in numbers) or not (before.base and now.base and before.count + now.count):
        return False
    low, high = wilson(now.count, before.count + now.count)
    return bool(low <= now.base / (before.base + now.base) <= high)


def percent_of(part: float) -> str:
    """Write a share as per cent, with a digit behind the point where it is small."""
    if 0 < part < 0.0005:
        return "less than 0.1 %"
    return f"{100 * part:,.1f} %" if part < 0.0995 else f"{100 * part:,.0f} %"


def words_of(compared: pd.DataFrame) -> list[str]:
    """Say which differences are more than chance, after allowing for how many there are."""
    return [
        "unclear" if not p < _CERTAIN else "higher" if difference > 0 else "lower"
        for p, difference in zip(compared["p_adjusted"], compared["difference"], strict=True)
    ]
