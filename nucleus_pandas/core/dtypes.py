"""The dtypes of all tables, and tables made of columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

#: Text. Python storage and pd.NA exist in pandas 2.2 and 3 alike, with or without pyarrow.
TEXT = pd.StringDtype("python")
#: Counts and other whole numbers that can be missing.
COUNT = pd.Int64Dtype()
#: True, False or missing.
FLAG = pd.BooleanDtype()
#: Measures; missing is NaN.
NUMBER = np.dtype("float64")
#: Calendar days, tz-naive at midnight.
DAY = np.dtype("datetime64[us]")
#: Instants.
INSTANT = pd.DatetimeTZDtype("us", "UTC")
Schema = dict[str, Any]


def make_frame(schema: Schema, columns: Mapping[str, Any]) -> pd.DataFrame:
    """Put columns into the order and dtypes of a schema; what is not in the schema follows as it is."""
    extra = {name: values for name, values in columns.items() if name not in schema}
    known = {name: pd.Series(columns[name], dtype=dtype) for name, dtype in schema.items()}
    return pd.DataFrame(known | extra)
