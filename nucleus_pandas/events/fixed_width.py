"""Codes for texts of one length in Arrow's layout, as ids are: the service's, UUIDs, hashes.

pandas hashes such texts one by one. Here their bytes are read as 64-bit integers, mixed into one, and integers are what
is hashed; that no two texts came to the same is looked at afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_ODD, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)


def factorize_fixed_width(column: pd.Series) -> tuple[Any, Any] | None:
    """Give codes and the places of the first of each, as `pandas.factorize` numbers them.

    None where a text is missing, shorter than eight bytes or of another length than the rest, or (which hardly ever
    happens) two texts look the same when mixed.
    """
    words = _words(column)
    if words is None:
        return None
    mixed = words[0].copy()
    for word in words[1:]:
        mixed *= _ODD
        mixed ^= word
    mixed ^= mixed >> _SHIFT
    codes, found = pd.factorize(mixed)
    place = first_places(codes, len(found))
    return (codes, place) if all((word == word[place][codes]).all() for word in words) else None


def first_places(codes: Any, number: int) -> Any:
    """Say where each code stands first, given that they are numbered in the order in which they come."""
    # Mostly all of them stand at the beginning, so that the whole need not be gone through.
    end = min(len(codes), 64 * number)
    while end < len(codes) and codes[:end].max() < number - 1:
        end = min(len(codes), 8 * end)
    place = np.empty(number, dtype=np.intp)
    place[codes[:end][::-1]] = np.arange(end)[::-1]
    return place


def _words(column: pd.Series) -> list[Words] | None:
    """The bytes of all texts as integers, the first eight of each, the next, …; the last may overlap."""
    array = column.array.__arrow_array__()
    parts: list[tuple[int, list[Words]]] = []
    for chunk in getattr(array, "chunks", [array]):
        if not len(chunk):
            continue
        _, offsets, data = chunk.buffers()
        kind = {"string": np.int32, "large_string": np.int64}.get(str(chunk.type))
        if kind is None or chunk.null_count:
            return None
        ends = np.frombuffer(offsets, dtype=kind)[chunk.offset : chunk.offset + len(chunk) + 1]
        width, start = int(ends[1] - ends[0]), int(ends[0])
        if width < 8 or (parts and parts[0][0] != width):
            return None
        # Most columns that do not fit show it at once.
        if not ((np.diff(ends[:1000]) == width).all() and (np.diff(ends) == width).all()):
            return None
        places = [*range(0, width - 8, 8), width - 8]
        parts.append(
            (width, [np.ndarray(len(chunk), np.uint64, data, start + place, strides=(width,)) for place in places])
        )
    if not parts:
        return None
    return [np.concatenate(words) for words in zip(*(words for _, words in parts), strict=True)]
