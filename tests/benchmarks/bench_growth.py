"""Active users a day, in 7 and in 28 days, of 10 million events, beside Polars, DuckDB and ClickHouse.

Run: pytest tests/benchmarks/bench_growth.py --benchmark-sort=mean; peers come with ``pip install -e '.[bench]'``.

Each has a table of its own made beforehand, users as integers and times in microseconds, and we have an `EventLog`; the
peers are also given the day of each event. They answer the first question alone (dau) and, in another group, all three.
We answer all three in both: of a log that was asked before, and of one that was not (first), whose days of users are
then made. That all agree is checked. ``GROWTH_EVENTS=1000000`` makes it smaller.
"""

import os

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu

EVENTS = int(os.environ.get("GROWTH_EVENTS", "10_000_000"))
USERS, DAYS = 3 * EVENTS // 100, 90
DAY = 86_400_000_000
START = pd.Timestamp("2026-06-01", tz="UTC").value // 1000
ROUNDS = {"rounds": 7, "warmup_rounds": 1}
WINDOWS = {"dau": 1, "wau": 7, "mau": 28}

ONE = pytest.param(["dau"], marks=pytest.mark.benchmark(group="dau"))
ALL = pytest.param(list(WINDOWS), marks=pytest.mark.benchmark(group="dau, wau and mau"))


@pytest.fixture(scope="module")
def numbers():
    """User and time in microseconds of each event, in no order; users begin on any of the days."""
    rng = np.random.default_rng(1)
    user = rng.integers(0, USERS, EVENTS).astype(np.int32)
    begin = rng.integers(0, DAYS * DAY, USERS)[user]
    time = START + begin + (rng.random(EVENTS) * (DAYS * DAY - begin)).astype(np.int64)
    return {"user": user, "time": time, "day": ((time - START) // DAY).astype(np.int32)}


def frame(numbers):
    return pd.DataFrame(
        {
            "user_id": numbers["user"],
            "time": pd.to_datetime(numbers["time"], unit="us", utc=True).as_unit("us"),
            "event": pd.Categorical.from_codes(np.zeros(EVENTS, dtype=np.int8), ["OPEN"]),
        }
    )


@pytest.fixture(scope="module")
def expected(numbers):
    """The counts by a table of all users and days; None where the window reaches back before the first day."""
    came = np.zeros((USERS, DAYS), dtype=np.bool_)
    came[numbers["user"], numbers["day"]] = True
    return {
        name: [
            None if day < length - 1 else int(came[:, day - length + 1 : day + 1].any(axis=1).sum())
            for day in range(DAYS)
        ]
        for name, length in WINDOWS.items()
    }


def agree(answer, expected):
    """Whether the counts by day are right, as far as a window lies within the days."""
    for name, counts in answer.items():
        found = [None if want is None else int(count) for count, want in zip(counts, expected[name], strict=True)]
        assert found == expected[name], name


def told(table):
    return {name: [None if pd.isna(count) else count for count in table[name]] for name in WINDOWS}


@pytest.mark.parametrize("names", [ONE, ALL])
def test_log(benchmark, numbers, expected, names):
    log = nu.EventLog(frame(numbers))
    agree(told(benchmark.pedantic(lambda: nu.active_users(log), rounds=15, warmup_rounds=2)), expected)


@pytest.mark.parametrize("names", [ONE, ALL])
def test_log_first(benchmark, numbers, expected, names):
    rows = frame(numbers)
    table = benchmark.pedantic(nu.active_users, setup=lambda: ((nu.EventLog(rows),), {}), rounds=5, warmup_rounds=1)
    agree(told(table), expected)


@pytest.mark.benchmark(group="growth from a log that was asked before")
@pytest.mark.parametrize("freq", ["D", "W"])
def test_growth(benchmark, numbers, freq):
    log = nu.EventLog(frame(numbers))
    table = benchmark.pedantic(lambda: nu.growth(log, freq), **ROUNDS)
    assert len(table) == {"D": DAYS, "W": -(-DAYS // 7)}[freq]


def ask_duckdb_day(connection, day):
    rows = connection.execute(f"select {day} as d, count(distinct user) from log group by d order by d").fetchall()
    return {"dau": [count for _, count in rows]}


def ask_duckdb_all(connection, day):
    """As we do: a user counts from each day until the window is over or they come again."""
    rows = connection.execute(f"""
        with a as (select distinct user, {day} as d from log),
        b as (select d, lead(d, 1, d + 28) over (partition by user order by d) - d as apart from a),
        c as (select d, least(apart, 28) as apart, count(*) as n from b group by all),
        e as (select unnest([1, 7, 28]) as length),
        f as (select length, d as day, sum(n) as n from c, e group by all union all
              select length, d + least(apart, length), -sum(n) from c, e group by all)
        select length, day, sum(sum(n)) over (partition by length order by day) from f group by length, day
    """).fetchall()
    found = {(length, when): count for length, when, count in rows}
    return {name: [found[length, when] for when in range(DAYS)] for name, length in WINDOWS.items()}


FROM_TIME = f"((time - {START}) // {DAY})::int"


@pytest.mark.parametrize("day", ["day", FROM_TIME], ids=["day", "time"])
@pytest.mark.parametrize(
    "way",
    [pytest.param(ask_duckdb_day, marks=ONE.marks), pytest.param(ask_duckdb_all, marks=ALL.marks)],
    ids=["dau", "all"],
)
def test_duckdb(benchmark, numbers, expected, way, day):
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    given = pd.DataFrame(numbers)
    with duckdb.connect() as connection:
        connection.register("given", given)
        connection.execute("create table log as select * from given")
        agree(benchmark.pedantic(lambda: way(connection, day), **ROUNDS), expected)


def ask_polars(rows, names):
    import polars as pl

    if names == ["dau"]:
        counts = rows.lazy().group_by("day").agg(pl.col("user").n_unique()).sort("day").collect()
        return {"dau": counts["user"].to_list()}
    pairs = rows.lazy().select("user", "day").unique().sort("user", "day")
    later = pl.col("day").shift(-1)
    apart = pl.when(pl.col("user").shift(-1) == pl.col("user")).then((later - pl.col("day")).clip(0, 28)).otherwise(28)
    table = pairs.select("day", apart=apart).group_by("day", "apart").agg(pl.len()).collect().rows()
    answer = {}
    for name, length in WINDOWS.items():
        change = np.zeros(DAYS + 29, dtype=np.int64)
        for day, far, count in table:
            change[day] += count
            change[day + min(far, length)] -= count
        answer[name] = np.cumsum(change)[:DAYS].tolist()
    return answer


@pytest.mark.parametrize("names", [ONE, ALL])
def test_polars(benchmark, numbers, expected, names):
    pl = pytest.importorskip("polars", reason="polars is not installed")
    rows = pl.DataFrame(numbers).rechunk()
    agree(benchmark.pedantic(lambda: ask_polars(rows, names), **ROUNDS), expected)


@pytest.mark.benchmark(group="dau")
def test_clickhouse(benchmark, numbers, expected):
    session_of = pytest.importorskip("chdb.session", reason="chdb is not installed")
    given = pd.DataFrame(numbers)  # noqa: F841 - chDB finds it by its name
    session = session_of.Session()
    try:
        session.query("create database bench")
        session.query("create table bench.log engine = Memory as select * from Python(given)")
        text = "select uniqExact(user) from bench.log group by day order by day"
        out = benchmark.pedantic(lambda: str(session.query(text, "CSV")), **ROUNDS)
    finally:
        session.close()
    agree({"dau": out.split()}, expected)
