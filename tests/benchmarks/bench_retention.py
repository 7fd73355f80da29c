"""Daily and weekly cohorts of 300,000 users over 90 days, beside Polars, DuckDB and ClickHouse. Compare within a group.

Run: pytest tests/benchmarks/bench_retention.py --benchmark-sort=mean; peers come with ``pip install -e '.[bench]'``.

From a DataFrame of 10 million events, each reads the same one, and what it makes of it is part of the time; for the
peers times are integers already. From what is ready, each has a table of its own made beforehand, users as integers,
and we have an `EventLog`. That keeps what it found out for the next question: the first asking does all the work, as
the peers do each time; an asking again is a group of its own, in which nobody else is. A figure is of one group and one
size, and says nothing about the others.

All answer the same question: how many of those who first came on a day (in a week) came on the n-th day (in the n-th
week) after it, for all n. That they agree is checked. ``RETENTION_EVENTS=1000000`` makes it smaller.
"""

import copy
import os
import tracemalloc

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu

EVENTS = int(os.environ.get("RETENTION_EVENTS", "10_000_000"))
USERS, DAYS = 3 * EVENTS // 100, 90
DAY = 86_400_000_000
START = pd.Timestamp("2026-06-01", tz="UTC").value // 1000  # a Monday
LATER = "2026-12-31"  # so that every period was over
ROUNDS = {"rounds": 5, "warmup_rounds": 1}
PERIODS = {"D": DAYS - 1, "W": (DAYS - 1) // 7}


def cases(*kinds):
    """The kinds by daily and weekly cohorts, a group each."""
    told = {
        "strings": "a DataFrame of strings",
        "objects": "a DataFrame of objects",
        "codes": "what is ready, asked for the first time",
        "again": "what is ready, asked again",
    }
    return [
        pytest.param(kind, freq, marks=pytest.mark.benchmark(group=f"{name} cohorts from {told[kind]}"))
        for freq, name in (("D", "daily"), ("W", "weekly"))
        for kind in kinds
    ]


@pytest.fixture(scope="module")
def numbers():
    """User and time in microseconds of each event, in no order; users begin on any of the days."""
    rng = np.random.default_rng(1)
    user = rng.integers(0, USERS, EVENTS).astype(np.int32)
    begin = rng.integers(0, DAYS * DAY, USERS)[user]
    return {"user": user, "time": START + begin + (rng.random(EVENTS) * (DAYS * DAY - begin)).astype(np.int64)}


def of(numbers, kind):
    """The events as a DataFrame whose users are categories, pandas' own strings, or Python objects."""
    users = np.array([f"user-{number:07d}@example.org" for number in range(USERS)], dtype=object)
    column = {
        "codes": lambda: pd.Categorical.from_codes(numbers["user"], users),
        "objects": lambda: pd.Series(users[numbers["user"]], dtype=object),
        "strings": lambda: pd.Series(users).array.take(numbers["user"]),
    }[kind]()
    time = pd.to_datetime(numbers["time"], unit="us", utc=True).as_unit("us")
    event = pd.Categorical.from_codes(np.zeros(EVENTS, dtype=np.int8), ["OPEN"])
    return pd.DataFrame({"user_id": column, "time": time, "event": event})


def ask(log, freq):
    return nu.retention(log, freq=freq, periods=PERIODS[freq], as_of=LATER)


@pytest.fixture(scope="module")
def expected(numbers):
    """For each freq how many came, by cohort and period; worked out by a table of all users and periods."""
    tables = {}
    for freq, length in (("D", DAY), ("W", 7 * DAY)):
        came = np.zeros((USERS, PERIODS[freq] + 1), dtype=np.bool_)
        came[numbers["user"], (numbers["time"] - START) // length] = True
        came = came[came.any(axis=1)]
        first = came.argmax(axis=1)
        tables[freq] = {
            (cohort, period): count
            for cohort in range(came.shape[1])
            for period, count in enumerate(came[first == cohort][:, cohort:].sum(axis=0).tolist())
            if count
        }
    return tables


def agree(cells, expected):
    assert {(int(cohort), int(period)): int(count) for cohort, period, count in cells} == expected


def cells_of(table, freq):
    first = pd.Timestamp(START, unit="us")
    cohort = (table["cohort"] - first).dt.days // {"D": 1, "W": 7}[freq]
    some = table["retained"] > 0
    return zip(cohort[some], table["age"][some], table["retained"][some], strict=True)


@pytest.mark.parametrize(("kind", "freq"), cases("strings", "objects"))
def test_frame(benchmark, numbers, expected, kind, freq):
    frame = of(numbers, kind)
    table = benchmark.pedantic(lambda: ask(frame, freq), **ROUNDS)
    agree(cells_of(table, freq), expected[freq])


@pytest.mark.parametrize(("kind", "freq"), cases("codes", "again"))
def test_log(benchmark, numbers, expected, kind, freq):
    log = nu.EventLog(of(numbers, "codes"))

    def asked():
        return ask(copy.copy(log) if kind == "codes" else log, freq)  # nothing is kept for a copy

    agree(cells_of(benchmark.pedantic(asked, **ROUNDS), freq), expected[freq])
    tracemalloc.start()
    asked()
    benchmark.extra_info["peak megabytes"] = round(tracemalloc.get_traced_memory()[1] / 1e6)
    tracemalloc.stop()


def given(numbers, kind):
    """What a peer reads: our DataFrame with the time as integers already, or a table of its own made beforehand."""
    if kind != "codes":
        return of(numbers, kind).rename(columns={"user_id": "user"})[["user"]].assign(time=numbers["time"])
    pl = pytest.importorskip("polars", reason="polars is not installed")
    return pl.DataFrame(numbers).rechunk()


def ask_polars_joining(rows):
    """The different days of all, the first of each user joined to them."""
    import polars as pl

    first = rows.group_by("user").agg(first=pl.col("period").min())
    return rows.unique().join(first, on="user")


def ask_polars_exploding(rows):
    """The different days of each user as a list, taken apart again."""
    import polars as pl

    lists = rows.group_by("user").agg(pl.col("period").unique(), first=pl.col("period").min())
    return lists.explode("period")


def ask_polars_packing(rows):
    """The same as joining, user and day in one integer; only where users are integers."""
    import polars as pl

    pairs = rows.select(key=pl.col("user").cast(pl.Int64) * 128 + pl.col("period")).unique()
    pairs = pairs.select(user=pl.col("key") // 128, period=(pl.col("key") % 128).cast(pl.Int32))
    first = pairs.group_by("user").agg(first=pl.col("period").min())
    return pairs.join(first, on="user")


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
@pytest.mark.parametrize(
    "way", [ask_polars_joining, ask_polars_exploding, ask_polars_packing], ids=["joining", "exploding", "packing"]
)
@pytest.mark.parametrize(("kind", "freq"), cases("strings", "objects", "codes"))
def test_polars(benchmark, numbers, expected, kind, freq, way, engine):
    pl = pytest.importorskip("polars", reason="polars is not installed")
    if way is ask_polars_packing and kind != "codes":
        pytest.skip("only integers can be packed")
    frame = given(numbers, kind)
    length = {"D": DAY, "W": 7 * DAY}[freq]

    def asked():
        own = pl.from_pandas(frame) if isinstance(frame, pd.DataFrame) else frame
        period = ((pl.col("time") - START) // length).cast(pl.Int32)
        pairs = way(own.lazy().select("user", period=period))
        counts = pairs.group_by("first", lag=pl.col("period") - pl.col("first")).agg(pl.len())
        return counts.collect(engine=engine).rows()

    agree(benchmark.pedantic(asked, **ROUNDS), expected[freq])


SQL_JOINING = """
    with a as (select distinct user, ((time - {start}) // {length})::int as period from log),
    f as (select user, min(period) as first from a group by user)
    select first, period - first as lag, count(*) from a join f using (user) group by first, lag
"""
SQL_LISTS = """
    with a as (select user, list(distinct ((time - {start}) // {length})::int) as periods from log group by user),
    b as (select list_min(periods) as first, unnest(periods) as period from a)
    select first, period - first as lag, count(*) from b group by first, lag
"""
# All days of a user as the bits of one integer; the 90 fit into 127.
SQL_BITS = """
    with a as (
        select user, bit_or(1::hugeint << ((time - {start}) // {length})::int) as bits,
        min((time - {start}) // {length})::int as first from log group by user),
    b as (select first, bits, count(*) as users from a group by first, bits),
    c as (select first, bits, users, unnest(range({periods})) as period from b)
    select first, period - first as lag, sum(users) from c
    where bits & (1::hugeint << period::int) <> 0 group by first, lag
"""


@pytest.mark.parametrize("way", [SQL_JOINING, SQL_LISTS, SQL_BITS], ids=["joining", "lists", "bits"])
@pytest.mark.parametrize(("kind", "freq"), cases("strings", "objects", "codes"))
def test_duckdb(benchmark, numbers, expected, kind, freq, way):
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    frame = given(numbers, kind)
    text = way.format(start=START, length={"D": DAY, "W": 7 * DAY}[freq], periods=PERIODS[freq] + 1)
    with duckdb.connect() as connection:
        if isinstance(frame, pd.DataFrame):
            connection.register("log", frame)
        else:
            connection.register("given", frame.to_arrow())
            connection.execute("create table log as select * from given")
        cells = benchmark.pedantic(lambda: connection.execute(text).fetchall(), **ROUNDS)
    agree(cells, expected[freq])


CH_LISTS = """
    with arrayMin(periods) as first
    select first, period - first as lag, count() from (
        select user, groupUniqArray(toInt32(intDiv(time - {start}, {length}))) as periods from {table} group by user)
    array join periods as period group by first, lag
"""
CH_JOINING = """
    with a as (select distinct user, toInt32(intDiv(time - {start}, {length})) as period from {table}),
    f as (select user, min(period) as first from a group by user)
    select first, period - first as lag, count() from a join f using (user) group by first, lag
"""


@pytest.mark.parametrize("way", [CH_LISTS, CH_JOINING], ids=["lists", "joining"])
@pytest.mark.parametrize(("kind", "freq"), cases("strings", "objects", "codes"))
def test_clickhouse(benchmark, numbers, expected, kind, freq, way):
    session_of = pytest.importorskip("chdb.session", reason="chdb is not installed")
    frame = given(numbers, kind)
    log = frame if isinstance(frame, pd.DataFrame) else frame.to_arrow()  # noqa: F841 - chDB finds it by its name
    session, table = session_of.Session(), "Python(log)"
    try:
        if not isinstance(frame, pd.DataFrame):
            table = "bench.log"
            session.query("create database bench")
            session.query("create table bench.log engine = Memory as select * from Python(log)")
        text = way.format(table=table, start=START, length={"D": DAY, "W": 7 * DAY}[freq])
        out = benchmark.pedantic(lambda: str(session.query(text, "CSV")), **ROUNDS)
    finally:
        session.close()
    agree((row.split(",") for row in out.split()), expected[freq])
