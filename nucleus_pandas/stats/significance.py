"""Whether a change is clear: several comparisons judged together, and the words for the three possible verdicts."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nucleus_pandas.stats.intervals import difference_of, equal_rates, holm, newcombe, normal_tails
from nucleus_pandas.stats.kaplan_meier import survival_bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: A change is clear where chance alone would make one as large less often than this.
LEVEL = 0.05


class Verdict(StrEnum):
    """What a test of a change came to."""

    CLEAR = "clear change"
    NORMAL = "within normal variation"
    UNTESTED = "too little history"


def verdicts_of(p_values: Any) -> list[Verdict]:
    """Judge several changes together by their p-values (Holm); NaN is a change that could not be tested."""
    return [_verdict(p) for p in np.atleast_1d(holm(p_values)).tolist()]


def holm_confidence(p_values: Any) -> Floats:
    """Confidence of the interval beside each comparison that matches Holm's adjustment of its p-value.

    The smallest p-value is judged at 0.05 / m, the next one at 0.05 / (m − 1), and so on; from the first that is not
    below its level, all are judged at that level.
    """
    given = np.asarray(p_values, dtype=np.float64)
    confidence = np.full(given.shape, 1 - LEVEL)
    order = np.argsort(given, kind="stable")[: np.count_nonzero(~np.isnan(given))]
    left, level = len(order), LEVEL / max(1, len(order))
    for number, place in enumerate(order.tolist()):
        # Of two shares that add up to 1 both have the same p-value, and the same bounds.
        if number and not np.isclose(given[place], given[order[number - 1]], rtol=1e-9, atol=0):
            level = LEVEL / left
        confidence[place] = 1 - level
        left -= given[place] < level and left > 1
    return confidence


class Compared(NamedTuple):
    """Differences of rates, b − a, with the bounds, p-values and verdicts of all of them together."""

    difference: Floats
    difference_low: Floats
    difference_high: Floats
    p_value: Floats
    p_adjusted: Floats
    verdict: list[str]


def compare_rates(hits_a: Any, trials_a: Any, hits_b: Any, trials_b: Any) -> Compared:
    """Compare the rates of two groups, row by row, and judge all rows together.

    Parameters
    ----------
    hits_a, trials_a, hits_b, trials_b : array-like, shape (rows,)
        Of two groups that have nobody in common; effective numbers where users have several trials.

    Returns
    -------
    Compared
        `p_value` is that of the score test, `p_adjusted` is Holm's. The bounds are Newcombe's, with the confidence that
        matches the adjustment. A change is clear if `p_adjusted` is below 0.05 and 0 is outside the bounds. Where both
        groups are so small that even none against all would not be clear, nothing can be tested.
    """
    p_value = equal_rates(hits_a, trials_a, hits_b, trials_b)
    trials_a, trials_b = (np.asarray(trials, dtype=np.float64) for trials in (trials_a, trials_b))
    testable = equal_rates(np.zeros_like(trials_a), trials_a, trials_b, trials_b) < LEVEL
    bounds = newcombe(hits_a, trials_a, hits_b, trials_b, confidence=holm_confidence(p_value))
    return _judged(p_value, testable, *bounds)


def compare_survival(survival_a: Any, error_a: Any, survival_b: Any, error_b: Any) -> Compared:
    """Compare two survival estimates at the same times, row by row, and judge all rows together.

    Parameters
    ----------
    survival_a, error_a, survival_b, error_b : array of float, shape (rows,)
        Of two groups that have nobody in common: the estimate, and the standard error of its log(−log survival).

    Returns
    -------
    Compared
        As `compare_rates`; `p_value` is that of the test on the log(−log) scale, which keeps its level better than one
        of the difference itself (Klein et al. 2007).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.log(-np.log(survival_b)) - np.log(-np.log(survival_a))
        p_value = normal_tails(np.asarray(apart / np.hypot(error_a, error_b)))
    confidence = holm_confidence(p_value)
    a, b = (
        (survival, *survival_bounds(survival, error, confidence=confidence))
        for survival, error in ((survival_a, error_a), (survival_b, error_b))
    )
    return _judged(p_value, ~np.isnan(p_value), *difference_of(a, b))


def _judged(p_value: Floats, testable: Any, difference: Floats, low: Floats, high: Floats) -> Compared:
    p_adjusted = holm(p_value)
    clear = (p_adjusted < LEVEL) & ((low > 0) | (high < 0))
    found = np.where(testable, np.where(clear, Verdict.CLEAR, Verdict.NORMAL), Verdict.UNTESTED).tolist()
    return Compared(difference, low, high, p_value, p_adjusted, found)


def _verdict(p_adjusted: float) -> Verdict:
    if np.isnan(p_adjusted):
        return Verdict.UNTESTED
    return Verdict.CLEAR if p_adjusted < LEVEL else Verdict.NORMAL
