"""What `Buckets` can be made of, and what is known of it before anything is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from nucleus_pandas.analysis.engines import Engine, InBuckets, Source, executor_of
from nucleus_pandas.analysis.parted import is_spread
from nucleus_pandas.api.columns import INSTANT, TEXT
from nucleus_pandas.store.buckets import Kinds, parquet_buckets, read_about, store_buckets
from nucleus_pandas.store.coverage import find_gaps
from nucleus_pandas.store.eventstore import EventStore
from nucleus_pandas.store.export import about


class Opened(NamedTuple):
    """What events are read from.

    Attributes
    ----------
    source : Source
    columns : pandas.DataFrame
        Its columns, without rows.
    kinds : dict
        What each column holds, as far as it matters that a file spells it.
    told : dict
        What whoever wrote it tells of it: as_of, sample, spans, gaps.
    """

    source: Source
    columns: pd.DataFrame
    kinds: Kinds
    told: dict[str, Any]


def open_source(source: object, engine: Engine | None) -> Opened:
    """Look at what `Buckets` was given."""
    if is_spread(source):
        if engine is not None:
            raise ValueError(
                "engine is for files and stores; leave it out: Dask and Spark go through their own frames."
            )
        return _open_spark(source) if type(source).__module__.startswith("pyspark.") else _open_dask(source)
    executor = executor_of("serial" if engine is None else engine)
    if isinstance(source, EventStore):
        buckets, sample = store_buckets(source.database), source.info().sample
        with source.database.reading() as connection:
            told = about(connection, sample) | {"gaps": find_gaps(connection, None, None)}
        return of_kinds(InBuckets(buckets, executor), buckets[0].kinds, told)
    if isinstance(source, str | os.PathLike):
        folder = Path(source).expanduser()
        files = parquet_buckets(folder)
        return of_kinds(InBuckets(files, executor), files[0].kinds, read_about(folder))
    raise TypeError(
        f"source is of type {type(source).__name__}; pass the folder that store.export(folder) wrote, an EventStore, "
        "or a DataFrame of Dask or Spark. One of pandas fits into memory: pass it to the analysis as it is."
    )


def of_kinds(source: Source, kinds: Kinds, told: dict[str, Any]) -> Opened:
    """Tell of a source by the kinds of its columns."""
    dtypes: dict[str, Any] = {"time": INSTANT, "event": TEXT}
    columns = pd.DataFrame({name: pd.Series(dtype=dtypes.get(name, "object")) for name in kinds})
    return Opened(source, columns, kinds, told)


def _open_dask(frame: Any) -> Opened:
    from nucleus_pandas.analysis.dask_frame import DaskFrame

    return Opened(DaskFrame(frame), frame._meta, dict.fromkeys(frame.columns, ""), {})


def _open_spark(frame: Any) -> Opened:
    from nucleus_pandas.analysis.spark_frame import open_frame

    source, columns = open_frame(frame)
    return Opened(source, columns, dict.fromkeys(columns.columns, ""), {})
