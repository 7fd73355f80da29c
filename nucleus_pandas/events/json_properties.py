"""Properties that stay together in one column of JSON text until a question names one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.api.parsing.people import most_frequent, property_columns
from nucleus_pandas.api.parsing.values import Losses, clean
from nucleus_pandas.core.arrays import Ints
from nucleus_pandas.events.encoding import encode


@dataclass(frozen=True)
class JsonProperties:
    """A column of JSON objects: the different texts, and for each row which of them it has, the last for none."""

    prefix: str
    words: list[Any]
    code: Ints

    @classmethod
    def of(cls, frame: pd.DataFrame, prefix: str) -> JsonProperties | None:
        """Read the column that is named as the prefix of properties; None where there is none."""
        if prefix not in frame.columns:
            return None
        codes, words = encode(frame[prefix])
        if not all(isinstance(word, str) for word in words):
            return None
        return cls(prefix, words, np.where(codes < 0, len(words), codes))

    @cached_property
    def keys(self) -> list[str]:
        """The 200 most frequent keys, in alphabetical order."""
        rows = np.bincount(self.code, minlength=len(self.words) + 1)
        frequent, _ = most_frequent(self._objects(None), rows)
        return sorted({str(key) for key in clean(list(frequent), Losses(self.prefix))})

    def column(self, name: str) -> tuple[str, Any] | None:
        """Return the name and the values of the column of a property, or None if no row has it.

        The name may have the prefix.
        """
        for key in dict.fromkeys([name.removeprefix(f"{self.prefix}."), name]):
            column = f"{self.prefix}.{key}"
            found = property_columns(self.prefix, self._objects(key), Losses(self.prefix), [key])[column]
            if not pd.isna(found).all():
                return column, found.take(self.code)
        return None

    @cached_property
    def columns(self) -> dict[str, Any]:
        """The columns of `keys` for the different texts, with a type that fits all of them."""
        return property_columns(self.prefix, self._objects(None), Losses(self.prefix), self.keys)

    def rows(self, places: Ints) -> pd.DataFrame:
        """Give the columns of `keys` for some rows."""
        code = self.code[places]
        return pd.DataFrame({name: values.take(code) for name, values in self.columns.items()})

    def _objects(self, key: str | None) -> Iterator[dict[str, Any]]:
        """The object of each text, then an empty one; those that cannot have a key are not read."""
        plain = key is not None and key.isascii() and key.isprintable() and not {'"', "\\"} & set(key)
        needle = f'"{key}"' if plain else ""
        for word in self.words:
            yield parse_object(word) if needle in word else {}
        yield {}


def parse_object(text: str) -> dict[str, Any]:
    """Read a JSON object; what is none has no properties."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # a column of that name may be somebody else's
        return {}
    return found if type(found) is dict else {}
