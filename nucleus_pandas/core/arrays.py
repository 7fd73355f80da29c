"""Helpers for arrays of integer codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Ints = NDArray[Any]
Bools = NDArray[np.bool_]


def combine(codes: Ints, others: Ints) -> Ints:
    """Give one code for each pair of codes; pairs in which either is missing are missing."""
    width = int(others.max(initial=0)) + 1
    pairs = np.where((codes < 0) | (others < 0), -1, codes.astype(np.int64) * width + others)
    found = pd.factorize(pairs)[0]
    return np.where(pairs < 0, -1, found)


def distinct(values: Ints) -> Ints:
    """Give the different values in order; unlike `numpy.unique`, which hashes, in the time that sorting takes."""
    ordered = np.sort(values)
    kept: Ints = ordered[is_group_start(ordered)]
    return kept


def is_group_start(values: Ints) -> Bools:
    """Say where in a row of values a new one begins."""
    new = np.ones(len(values), dtype=np.bool_)
    new[1:] = values[1:] != values[:-1]
    return new


def small(codes: Ints, highest: int) -> Ints:
    """Give codes in the smallest type that holds them."""
    for dtype in (np.int8, np.int16, np.int32):
        if highest <= np.iinfo(dtype).max:
            return codes.astype(dtype, copy=False)
    return codes.astype(np.int64, copy=False)
