"""A Dask frame as buckets: each of its partitions is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from nucleus_pandas.core.text import counted
from nucleus_pandas.core.warnings import warn
from nucleus_pandas.events.protocol import merged_by_dask, wanted_rows
from nucleus_pandas.events.survey import user_hashes
from nucleus_pandas.store.duckdb_columns import ColumnRequest

State = TypeVar("State")

# What rows are given for a shuffle: 64 bits of the user, and the place that they had.
_USER, _PLACE = "nucleus_pandas: user", "nucleus_pandas: place"
# No partition has as many rows, so that rows of all partitions can be numbered in each on its own.
_FAR = 1 << 40


@dataclass(frozen=True)
class DaskFrame:
    """The partitions of a Dask frame, asked on whichever of Dask's schedulers or clusters is the current one."""

    frame: Any

    def ask(
        self, question: Callable[[pd.DataFrame], State], merge: Callable[[State, State], State], request: ColumnRequest
    ) -> State:
        """Ask each partition."""
        from dask.delayed import delayed

        parts = self.frame[list(request.columns)].to_delayed()
        ask = delayed(lambda part: question(wanted_rows(part, request)), pure=False)
        state: State = merged_by_dask([ask(part) for part in parts], merge)
        return state

    def by_user(self, column: str, number: int) -> DaskFrame:
        """Shuffle the frame, once, and keep it where it is computed."""
        import dask.dataframe
        from dask.delayed import delayed

        warn(
            f"Events of {counted(number, 'user')} lie in several partitions. So all events were shuffled once, by "
            f"{column}, and are kept in the memory of the workers, as by frame.persist(). To ask more of "
            "them make nu.Buckets(frame) once and pass that; to spare the shuffle write them partitioned by user, as "
            "store.export(folder) does.",
            UserWarning,
        )
        mark, meta = delayed(marked), self.frame._meta
        parts = [mark(part, meta.dtypes, place * _FAR) for place, part in enumerate(self.frame.to_delayed())]
        described = marked(meta, meta.dtypes, 0)
        # Categories that Dask does not know of would be checked, too.
        frame = dask.dataframe.from_delayed(parts, meta=described, verify_meta=False)
        return DaskFrame(frame.shuffle(on=_USER).map_partitions(in_order, meta=in_order(described)).persist())


def marked(frame: pd.DataFrame, dtypes: pd.Series, first: int) -> pd.DataFrame:
    """Give each row its user and its place, from `first` on, and each column a type that it has in all partitions."""
    codes, there, hashes = user_hashes(frame)
    user = np.zeros(int(codes.max(initial=-1)) + 2, dtype=np.uint64)
    user[there] = hashes
    place = np.arange(first, first + len(frame), dtype=np.int64)
    wanted = {name: found for name, dtype in dtypes.items() if (found := _with_gaps(dtype)) is not None}
    return frame.reset_index(drop=True).astype(wanted).assign(**{_USER: user[codes].view(np.int64), _PLACE: place})


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Put rows, which a shuffle brings in no order, back into theirs."""
    return frame.sort_values(_PLACE).drop(columns=[_USER, _PLACE]).reset_index(drop=True)


def _with_gaps(dtype: Any) -> Any:
    """The type of a column of which Dask knows the type, but not whether values are missing; None to leave it."""
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    if not isinstance(dtype, np.dtype):
        return None
    return {"i": dtype.name.capitalize(), "u": f"UI{dtype.name[2:]}", "b": "boolean"}.get(dtype.kind)
