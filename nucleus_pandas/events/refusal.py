"""Events that are too many for one log, and what an analysis says that needs all of them at once."""

from __future__ import annotations

import sys

REFUSAL = (
    "This cannot go through Buckets, or a frame of Dask or Spark, one part after another; funnel, funnel_trend, paths, "
    "retention, active_users, growth, error_free, crash_free and version_adoption can. Here, pass what fits into "
    "memory: an EventStore, or a DataFrame with the events of some users, such as store.events(users=...)."
)


class Parted:
    """Events that come in parts; `Buckets` is one."""


def is_spread(source: object) -> bool:
    """Whether something is a frame of Dask or Spark, which nobody can have without having imported it."""
    return any(
        module in sys.modules and isinstance(source, sys.modules[module].DataFrame)
        for module in ("dask.dataframe", "pyspark.sql", "pyspark.pandas")
    )


def how_to_fit(source: object) -> str:
    """Say how a frame of Dask or Spark becomes one of pandas; nothing of other things."""
    if not is_spread(source):
        return ""
    return " Of a frame of Dask that is frame.compute(), of Spark frame.toPandas(), if it fits into memory."


def refuse_parts(source: object) -> None:
    """Raise where an analysis that needs all events at once was given some that come in parts."""
    if isinstance(source, Parted) or is_spread(source):
        raise TypeError(REFUSAL + how_to_fit(source))
