"""Whole numbers as arguments."""

from __future__ import annotations

import numpy as np


def checked_number(name: str, value: object, most: int | None, meaning: str) -> int:
    """Give back a whole number from 1 to `most`, or raise; `meaning` says in the message what it is for."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not value >= 1 or (most is not None and value > most):  # type: ignore[operator]
        upto = "on" if most is None else f"to {most}"
        raise ValueError(f"{name}={value!r} must be a whole number from 1 {upto}: {meaning}.")
    return int(value)  # type: ignore[call-overload,no-any-return]
