"""A Spark frame as buckets: for each question Spark brings the events of each user together."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from nucleus_pandas.core.dtypes import INSTANT, TEXT
from nucleus_pandas.events.log_columns import require
from nucleus_pandas.events.protocol import in_pairs, wanted_rows
from nucleus_pandas.store.duckdb_columns import CODED, ColumnRequest, coded_by_hash
from nucleus_pandas.store.export import EVENT_NO

State = TypeVar("State")

# How many events a bucket has, some more or less.
_AT_ONCE = 500_000
# The least number of buckets where Spark does not report its cores, as over Spark Connect.
_FEWEST = 8
_WHOLE = ("tinyint", "smallint", "int", "bigint")


@dataclass(frozen=True)
class SparkFrame:
    """The events of a Spark frame in buckets by a hash of the user, each asked by one of Spark's workers.

    Attributes
    ----------
    frame : pyspark.sql.DataFrame
        With columns c0, c1, …: Spark takes a dot in a name for a path, and names for the same that differ in the case
        of letters only.
    expressions : dict
        How each column is described to Spark.
    kinds : dict
        What each holds, in the words of Spark.
    number : int
        How many buckets there are.
    """

    frame: Any
    expressions: dict[str, str]
    kinds: dict[str, str]
    number: int

    def ask(
        self, question: Callable[[pd.DataFrame], State], merge: Callable[[State, State], State], request: ColumnRequest
    ) -> State:
        """Ask each bucket."""
        wanted, left = self._wanted(request)
        with warnings.catch_warnings():
            # Spark has its doubts about pandas 3, of which it sees nothing here.
            warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
            asked = wanted.groupBy("bucket").applyInArrow(_in_worker(question, left), "bucket int, answer binary")
        answers = asked.collect()
        if not answers:
            return question(to_pandas(wanted.limit(0).toArrow(), left))
        in_order = sorted(answers, key=lambda row: row["bucket"])
        state: State = in_pairs([_opened(row["answer"]) for row in in_order], merge)
        return state

    def by_user(self, column: str, number: int) -> None:
        """Do nothing: no user is in two buckets."""

    def _wanted(self, request: ColumnRequest) -> tuple[Any, ColumnRequest]:
        """The frame of the columns and rows of a question, and what is left to be done with it."""
        from pyspark.sql import functions

        frame, expressions = self.frame, self.expressions
        hashed = frozenset(name for name in request.columns if name in request.alike and self.kinds[name] == "string")
        left = request._replace(alike=hashed)
        # In texts of an unknown event's name characters can have been replaced.
        if request.events is not None and self.kinds["event"] == "string" and "\ufffd" not in "".join(request.events):
            frame = frame.where(functions.col(expressions["event"]).isin(sorted(request.events)))
            left = left._replace(events=None)
        user = expressions["user_db_id" if "user_db_id" in expressions else "user_id"]
        chosen = [
            f"{_hash(expressions[name]) if name in hashed else expressions[name]} AS w{n}"
            for n, name in enumerate(request.columns)
        ]
        # Next to those of the frame, rows are numbered before they are sent around, which brings them in no order.
        return frame.selectExpr(*chosen, f"CAST(pmod(xxhash64({user}), {self.number}) AS INT) AS bucket"), left


def open_frame(frame: Any) -> tuple[SparkFrame, pd.DataFrame]:
    """Look at a Spark frame, and count its rows; give the columns of its buckets, without rows.

    Raises
    ------
    TypeError
        If it is one of the pandas API of Spark, or its times are no instants.
    ValueError
        If columns are missing or stand there twice, or times are naive.
    ImportError
        If this Spark is too old.
    """
    # Of the class: columns are attributes, too.
    if type(frame).__module__.startswith("pyspark.pandas"):
        raise TypeError("this is a frame of pyspark.pandas; pass frame.to_spark().")
    if not hasattr(type(frame), "toArrow"):
        raise ImportError('Frames of Spark need pyspark 4 or newer: pip install "nucleus-pandas[spark]".')
    fields = [(field.name, field.dataType.simpleString()) for field in frame.schema.fields]
    columns = pd.DataFrame({n: pd.Series(dtype=_empty(name, kind)) for n, (name, kind) in enumerate(fields)})
    columns.columns = pd.Index([name for name, _ in fields], dtype=object)
    require(columns, ["user_id", "time", "event"], "Buckets")
    kinds = dict(fields)
    _check_time(kinds["time"])
    if kinds.get(EVENT_NO, "bigint") not in _WHOLE:
        raise TypeError(
            f"the column {EVENT_NO} is of type {kinds[EVENT_NO]}; it tells the order of events by whole numbers. Cast "
            "it, or name it otherwise."
        )
    expressions = {name: f"c{n}" for n, name in enumerate(kinds)}
    frame = frame.toDF(*expressions.values())
    rows, numbered = _count(frame, expressions.get(EVENT_NO))
    if EVENT_NO not in kinds or numbered < rows:
        expressions[EVENT_NO], kinds[EVENT_NO] = "monotonically_increasing_id()", "bigint"
        columns[EVENT_NO] = pd.Series(dtype="int64")
    context = getattr(frame.sparkSession, "sparkContext", None)
    number = max(-(-rows // _AT_ONCE), _FEWEST if context is None else context.defaultParallelism)
    return SparkFrame(frame, expressions, kinds, number), columns


def to_pandas(table: Any, request: ColumnRequest) -> pd.DataFrame:
    """Make of what Spark sends the frame that a question is asked of, of types that do not depend on what is missing.

    Parameters
    ----------
    table : pyarrow.Table
        The columns of `request` in its order, perhaps more behind them.
    request : ColumnRequest
        In place of the columns that are `alike` come their hashes.
    """
    columns = {
        name: _hashes(table.column(n)) if name in request.alike else _column(table.column(n), coded=name in CODED)
        for n, name in enumerate(request.columns)
    }
    return wanted_rows(pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows)), request)


def _in_worker(question: Callable[[pd.DataFrame], Any], request: ColumnRequest) -> Callable[[Any, Any], Any]:
    """What a worker does; it is sent to it, and must not hold the frame."""

    def ask(key: Any, table: Any) -> Any:
        import pyarrow as pa

        answer = _sealed(lambda: question(to_pandas(table, request)))
        return pa.table({"bucket": pa.array([key[0].as_py()], pa.int32()), "answer": [answer]})

    return ask


def _sealed(ask: Callable[[], Any]) -> bytes:
    """An answer, or the error that came in its place, as bytes: Spark would report the error in its own words."""
    from pyspark import cloudpickle

    try:
        return bytes(cloudpickle.dumps((ask(), None, "")))
    except Exception as error:
        place = "in a worker of Spark:\n" + "".join(traceback.format_tb(error.__traceback__))
        try:
            sealed = bytes(cloudpickle.dumps((None, error, place)))
            cloudpickle.loads(sealed)
        except Exception:
            return bytes(cloudpickle.dumps((None, RuntimeError(f"{type(error).__name__}: {error}"), place)))
        return sealed


def _opened(sealed: bytes) -> Any:
    from pyspark import cloudpickle

    answer, error, place = cloudpickle.loads(bytes(sealed))
    if error is not None:
        raise error from RuntimeError(place)
    return answer


def _hash(text: str) -> str:
    return f"CASE WHEN {text} <> '' THEN xxhash64({text}) ELSE 0 END"


def _count(frame: Any, numbers: str | None) -> tuple[int, int]:
    """How many rows there are, and how many of them have a number."""
    if numbers is None:
        return frame.count(), 0
    rows, numbered = frame.selectExpr("count(1)", f"count({numbers})").first()
    return rows, numbered


def _empty(name: str, kind: str) -> Any:
    if kind == "timestamp":
        return INSTANT
    return TEXT if name == "event" else "object"


def _check_time(kind: str) -> None:
    if kind == "timestamp_ntz":
        raise ValueError(
            'the column "time" is naive (TIMESTAMP_NTZ), so it names no instants. If it is in UTC write '
            'frame.withColumn("time", F.concat(F.col("time").cast("string"), F.lit("Z")).cast("timestamp")), else your '
            'zone in place of "Z", such as " Europe/Paris".'
        )
    if kind != "timestamp":
        raise TypeError(
            f'the column "time" is of type {kind}, not of instants. Write frame.withColumn("time", '
            'F.to_timestamp("time")), or F.timestamp_seconds("time") or F.timestamp_millis("time") if it holds Unix '
            "times."
        )


def _hashes(column: Any) -> Any:
    return coded_by_hash(pd.Series(column.to_numpy().view(np.uint64)))


def _column(column: Any, *, coded: bool) -> Any:
    """A column of Arrow as one of pandas: nullable, so that whole numbers stay whole where some are missing."""
    import pyarrow as pa

    kind, types = column.type, pa.types
    if types.is_string(kind) or types.is_large_string(kind):
        return _texts(column, coded=coded)
    if types.is_timestamp(kind):
        # Without a value: what NumPy takes for no time.
        moments = column.cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy()
        times = pd.DatetimeIndex(moments.astype("datetime64[us]"))
        return (times if kind.tz is None else times.tz_localize("UTC")).array
    missing = np.array(column.is_null(), dtype=np.bool_)
    if types.is_integer(kind):
        return pd.arrays.IntegerArray(np.array(column.fill_null(0), dtype=np.int64), missing)
    if types.is_boolean(kind):
        return pd.arrays.BooleanArray(np.array(column.fill_null(False), dtype=np.bool_), missing)
    if types.is_floating(kind):
        return np.array(column.fill_null(np.nan), dtype=np.float64)
    return pd.Series(column.to_pylist(), dtype=object).array


def _texts(column: Any, *, coded: bool) -> Any:
    import pyarrow as pa

    # In chunks, each would have words of its own; and in one, those of a common column may be too long.
    words = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
    codes, known = words.indices.fill_null(-1).to_numpy(), words.dictionary.to_pylist()
    if coded:
        return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(pd.Index(known, dtype=object)))
    return pd.array([*known, pd.NA], dtype=TEXT).take(codes)  # -1, missing, is the last
