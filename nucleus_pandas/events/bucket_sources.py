"""What `Buckets` can be made of, and what is known of it before anything is read."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nucleus_pandas.core.dtypes import INSTANT, TEXT
from nucleus_pandas.core.files import full_path
from nucleus_pandas.core.text import shown
from nucleus_pandas.events.protocol import Engine, InBuckets, Source, executor_of
from nucleus_pandas.events.refusal import is_spread
from nucleus_pandas.store.duckdb_columns import Kinds
from nucleus_pandas.store.eventstore import EventStore
from nucleus_pandas.store.export import about
from nucleus_pandas.store.gaps import find_gaps
from nucleus_pandas.store.parquet import ParquetBucket, parquet_buckets, properties_of, read_about
from nucleus_pandas.store.partitions import store_buckets
from nucleus_pandas.store.properties import Properties

_NUMBERS = ("numbers", (int, float, np.number))
_HOLDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "VARCHAR": ("text", (str,)),
    "BIGINT": _NUMBERS,
    "UBIGINT": _NUMBERS,
    "DOUBLE": _NUMBERS,
    "FLOAT": _NUMBERS,
    "BOOLEAN": ("true and false", (bool, np.bool_)),
    "INSTANT": ("instants with a zone", (dt.datetime,)),
}


def no_properties(keys: Collection[str] | None) -> Properties:
    """Find nothing in what has no JSON column of properties."""
    return Properties([], 0)


class Opened(NamedTuple):
    """What events are read from.

    Attributes
    ----------
    source : Source
    columns : pandas.DataFrame
        Its columns, without rows.
    kinds : dict
        What each column holds, as far as it matters that a file spells it.
    about : dict
        What its writer recorded: as_of, sample, spans, gaps.
    properties : callable
        Finds properties in the JSON column data: some by their keys, or with None the most frequent.
    """

    source: Source
    columns: pd.DataFrame
    kinds: Kinds
    about: dict[str, Any]
    properties: Callable[[Collection[str] | None], Properties] = no_properties


def open_source(source: object, engine: Engine | None, *, progress: bool) -> Opened:
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
            facts = about(connection, sample) | {"gaps": find_gaps(connection, None, None)}
        opened = of_kinds(InBuckets(buckets, executor, progress), buckets[0].kinds, facts)
        return opened._replace(properties=source.event_properties)
    if isinstance(source, str | os.PathLike):
        if "://" in str(source):
            raise ValueError(
                "source names a place elsewhere, and Buckets reads folders of this machine. Copy the files, or pass a "
                "frame that reads them, such as dask.dataframe.read_parquet(...)."
            )
        # Workers may be in another folder.
        folder = full_path("source", source)
        files = parquet_buckets(folder)
        _check_times(files[0])
        opened = of_kinds(InBuckets(files, executor, progress), files[0].kinds, read_about(folder))
        return opened._replace(properties=partial(properties_of, files))
    raise TypeError(
        f"source is of type {type(source).__name__}; pass the folder that store.export(folder) wrote, an EventStore, "
        "or a DataFrame of Dask or Spark. One of pandas fits into memory: pass it to the analysis as it is."
    )


def _check_times(bucket: ParquetBucket) -> None:
    """Raise where times are none in files; in a frame they are looked at as in any other."""
    if bucket.kinds.get("time", "INSTANT") != "INSTANT":
        raise TypeError(
            f'the column "time" of these files is of type {bucket.types.get("time", "text")}, not of times. Write the '
            "files with timestamps, in DuckDB for example by CAST(time AS TIMESTAMP)."
        )


def check_fits(kind: str, column: str, wanted: object) -> None:
    """Raise where a value of a condition cannot be in a column of a kind, and so would be found nowhere."""
    if kind not in _HOLDS:
        return
    holds, types = _HOLDS[kind]
    several = isinstance(wanted, Collection) and not isinstance(wanted, str | bytes)
    for value in wanted if several and isinstance(wanted, Collection) else [wanted]:
        if value is None or value is pd.NA or value is pd.NaT or value != value:
            continue
        flag, naive = isinstance(value, bool | np.bool_), isinstance(value, dt.datetime) and value.tzinfo is None
        if not isinstance(value, types) or naive or (flag and kind != "BOOLEAN"):
            plain = kind == "VARCHAR" and isinstance(value, bool | float | int)
            spelled = f", such as {json.dumps(value)!r}" if plain else ""
            raise ValueError(
                f"where: the column {shown(column)} holds {holds} here, and {value!r:.60} is none of these, so that it "
                f"would never be found. Pass {holds}{spelled}."
            )


def of_kinds(source: Source, kinds: Kinds, about: dict[str, Any]) -> Opened:
    """Tell of a source by the kinds of its columns."""
    dtypes: dict[str, Any] = {"time": INSTANT, "event": TEXT}
    columns = pd.DataFrame({name: pd.Series(dtype=dtypes.get(name, "object")) for name in kinds})
    return Opened(source, columns, kinds, about)


def _open_dask(frame: Any) -> Opened:
    from nucleus_pandas.events.dask_frames import DaskFrame

    kinds = {name: "VARCHAR" if isinstance(dtype, pd.StringDtype) else "" for name, dtype in frame.dtypes.items()}
    return Opened(DaskFrame(frame), frame._meta, kinds, {})


def _open_spark(frame: Any) -> Opened:
    from nucleus_pandas.events.spark_frames import open_frame

    source, columns = open_frame(frame)
    return Opened(source, columns, dict.fromkeys(columns.columns, ""), {})
