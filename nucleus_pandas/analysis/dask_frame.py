"""A Dask frame as buckets: each of its partitions is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from nucleus_pandas.analysis.engines import merged_by_dask
from nucleus_pandas.analysis.rows import wanted_rows
from nucleus_pandas.api.columns import warn
from nucleus_pandas.api.wording import counted
from nucleus_pandas.store.buckets import Reading
from nucleus_pandas.store.export import EVENT_NO

State = TypeVar("State")

# No partition has as many rows, so that rows of all partitions can be numbered in each on its own.
_FAR = 1 << 40


@dataclass(frozen=True)
class DaskFrame:
    """The partitions of a Dask frame, asked on whichever of Dask's schedulers or clusters is the current one."""

    frame: Any

    def ask(
        self, question: Callable[[pd.DataFrame], State], merge: Callable[[State, State], State], reading: Reading
    ) -> State:
        """Ask each partition."""
        from dask.delayed import delayed

        # Whoever asks does not know of numbers that came with a shuffle.
        numbers = [EVENT_NO] if EVENT_NO in self.frame.columns and EVENT_NO not in reading.columns else []
        parts = self.frame[[*reading.columns, *numbers]].to_delayed()
        ask = delayed(lambda part: question(wanted_rows(part, reading)), pure=False)
        state: State = merged_by_dask([ask(part) for part in parts], merge)
        return state

    def by_user(self, column: str, number: int) -> DaskFrame:
        """Shuffle the frame, once, and keep it where it is computed."""
        import dask.dataframe
        from dask.delayed import delayed

        warn(
            f"Events of {counted(number, 'user')} lie in several partitions. So all events were shuffled once, by "
            f"{column}, and are kept in the memory of the workers, as by frame.persist(). To ask more of them make "
            "nu.Buckets(frame) once and pass that; to spare the shuffle write them partitioned by user, as "
            "store.export(folder) does.",
            UserWarning,
        )
        frame = self.frame
        if EVENT_NO not in frame.columns:
            # A shuffle brings rows in no order.
            meta = numbered(frame._meta, 0)
            parts = [delayed(numbered)(part, place * _FAR) for place, part in enumerate(frame.to_delayed())]
            frame = dask.dataframe.from_delayed(parts, meta=meta)
        return DaskFrame(frame.shuffle(on=column).persist())


def numbered(frame: pd.DataFrame, first: int) -> pd.DataFrame:
    """Number rows as they come."""
    return frame.assign(**{EVENT_NO: np.arange(first, first + len(frame), dtype=np.int64)})
