"""A funnel of four steps over 10 million events, beside Polars, DuckDB and ClickHouse. Compare within a group.

Run: pytest tests/benchmarks/bench_funnel.py --benchmark-sort=mean. The peers come with ``pip install -e '.[bench]'``.

From a DataFrame, each reads the same one, and what it makes of it is part of the time. From what is ready, each has a
table of its own made beforehand, users and events as integers, and we have an `EventLog`. All answer the same question:
for each user the deepest attempt over all entries within 7 days, the earliest of these; then how many came how far, and
the median time between steps. That they agree is checked. ClickHouse's windowFunnel tells the counts only.
``FUNNEL_EVENTS=1000000`` makes it smaller.
"""

import os
import tracemalloc

import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu

EVENTS = int(os.environ.get("FUNNEL_EVENTS", "10_000_000"))
USERS, NAMES, DAYS = 3 * EVENTS // 100, 30, 60
WINDOW = 7 * 86_400_000_000
START = pd.Timestamp("2026-06-01", tz="UTC").value // 1000
LATER = "2026-12-31"  # so that everybody has had the window, which the peers do not ask
STEPS = [f"EVENT_{number}" for number in range(4)]
ROUNDS = {"rounds": 5, "warmup_rounds": 1}


KINDS = [
    pytest.param("strings", marks=pytest.mark.benchmark(group="funnel from a DataFrame of strings")),
    pytest.param("objects", marks=pytest.mark.benchmark(group="funnel from a DataFrame of objects")),
    pytest.param("own strings", marks=pytest.mark.benchmark(group="funnel from a table of strings of their own")),
    pytest.param("codes", marks=pytest.mark.benchmark(group="funnel from what is ready")),
]


@pytest.fixture(scope="module")
def numbers():
    """User, time in microseconds and event of each row, in no order."""
    rng = np.random.default_rng(1)
    return {
        "user": rng.integers(0, USERS, EVENTS).astype(np.int32),
        "time": START + rng.integers(0, DAYS * 86_400_000_000, EVENTS),
        "event": rng.integers(0, NAMES, EVENTS).astype(np.int32),
    }


def of(numbers, kind):
    """The columns as a DataFrame of categories, of pandas' own strings, or of Python objects."""
    users = np.array([f"user-{number:07d}@example.org" for number in range(USERS)], dtype=object)
    names = np.array([f"EVENT_{number}" for number in range(NAMES)], dtype=object)
    columns = {}
    for column, values, codes in (("user_id", users, numbers["user"]), ("event", names, numbers["event"])):
        columns[column] = {
            "categories": lambda values=values, codes=codes: pd.Categorical.from_codes(codes, values),
            "objects": lambda values=values, codes=codes: pd.Series(values[codes], dtype=object),
            "strings": lambda values=values, codes=codes: pd.Series(values).array.take(codes),
        }[kind]()
    return pd.DataFrame({**columns, "time": pd.to_datetime(numbers["time"], unit="us", utc=True).as_unit("us")})


@pytest.fixture(scope="module")
def expected(numbers):
    table = nu.funnel(of(numbers, "categories"), STEPS, as_of=LATER)
    return table["users"].tolist(), table["median_seconds"].tolist()[1:]


def agree(answer, expected):
    counts, medians = answer
    assert [int(count) for count in counts] == expected[0]
    if medians is not None:
        assert medians == pytest.approx(expected[1])


@pytest.mark.benchmark(group="making a log ready")
@pytest.mark.parametrize("kind", ["categories", "strings", "objects"])
def test_ready(benchmark, numbers, kind):
    frame = of(numbers, kind)
    log = benchmark.pedantic(nu.EventLog, (frame,), **ROUNDS)
    held = sum(value.nbytes for value in vars(log).values() if isinstance(value, np.ndarray))
    benchmark.extra_info["bytes a row"] = round(held / EVENTS, 1)
    assert held / EVENTS < 22


@pytest.mark.parametrize("kind", KINDS[:2])
def test_frame(benchmark, numbers, expected, kind):
    frame = of(numbers, kind)
    table = benchmark.pedantic(lambda: nu.funnel(frame, STEPS, as_of=LATER), **ROUNDS)
    agree((table["users"], table["median_seconds"].tolist()[1:]), expected)


@pytest.mark.benchmark(group="funnel from what is ready")
def test_log(benchmark, numbers, expected):
    log = nu.EventLog(of(numbers, "categories"))
    table = benchmark.pedantic(lambda: nu.funnel(log, STEPS, as_of=LATER), rounds=15, warmup_rounds=2)
    agree((table["users"], table["median_seconds"].tolist()[1:]), expected)
    tracemalloc.start()
    nu.funnel(log, STEPS, as_of=LATER)
    benchmark.extra_info["peak megabytes"] = round(tracemalloc.get_traced_memory()[1] / 1e6)
    tracemalloc.stop()
    assert benchmark.extra_info["peak megabytes"] < 150


def given(numbers, kind):
    """What a peer reads: our DataFrame with the time as integers already, or a table of its own made beforehand."""
    if kind in ("strings", "objects"):
        frame = of(numbers, kind).rename(columns={"user_id": "user"})
        return frame.assign(time=numbers["time"]), STEPS
    pl = pytest.importorskip("polars", reason="polars is not installed")
    frame = pl.DataFrame(numbers).with_columns(pl.col("event").cast(pl.Int8))
    if kind == "codes":
        return frame.rechunk(), list(range(4))
    return pl.from_pandas(
        of(numbers, "objects").rename(columns={"user_id": "user"}).assign(time=numbers["time"])
    ), STEPS


def ask_polars_filling(frame, steps):
    """Sorted once; what comes next of each step is filled backward, chained from the last step to the first."""
    import polars as pl

    frame = pl.from_pandas(frame) if isinstance(frame, pd.DataFrame) else frame
    time, event, user = pl.col("time"), pl.col("event"), pl.col("user")
    rows = frame.lazy().filter(event.is_in(steps)).sort("user", "time")
    nothing = pl.lit(
        None, dtype=pl.Struct({"user": frame.schema["user"], "t2": pl.Int64, "t3": pl.Int64, "t4": pl.Int64})
    )
    names = ["t2", "t3", "t4"]
    for place in (3, 2, 1):
        made = [time.alias(names[place - 1])]
        made += [pl.lit(None, dtype=pl.Int64).alias(name) for name in names[: place - 1]]
        for name in names[place:]:
            following = pl.when(pl.col("next").struct.field("user") == user).then(pl.col("next").struct.field(name))
            made.append((following if place < 3 else pl.lit(None, dtype=pl.Int64)).alias(name))
        chain = pl.when(event == steps[place]).then(
            pl.struct(user, *sorted(made, key=lambda one: one.meta.output_name()))
        )
        rows = rows.with_columns(next=chain.otherwise(nothing).backward_fill())
    entries = rows.filter(event == steps[0]).with_columns(
        *(
            pl.when(
                (pl.col("next").struct.field("user") == user) & (pl.col("next").struct.field(name) <= time + WINDOW)
            )
            .then(pl.col("next").struct.field(name))
            .alias(name)
            for name in names
        )
    )
    return summarise_polars(entries)


def ask_polars_joining(frame, steps):
    """One asof join a step."""
    import polars as pl

    frame = pl.from_pandas(frame) if isinstance(frame, pd.DataFrame) else frame
    event = pl.col("event")
    rows = frame.lazy().filter(event.is_in(steps)).sort("user", "time")
    entries = rows.filter(event == steps[0]).select("user", "time", at="time")
    for place in (1, 2, 3):
        name = f"t{place + 1}"
        step = rows.filter(event == steps[place]).select("user", pl.col("time").alias(name), at="time")
        entries = (
            entries.sort("at")
            .join_asof(step.sort("at"), on="at", by="user", strategy="forward", coalesce=True)
            .with_columns(pl.when(pl.col(name) <= pl.col("time") + WINDOW).then(pl.col(name)).alias(name))
            .with_columns(at=pl.col(name).fill_null(2**62))
        )
    return summarise_polars(entries)


def summarise_polars(entries):
    import polars as pl

    depth = 1 + sum(pl.col(name).is_not_null().cast(pl.Int8) for name in ("t2", "t3", "t4"))
    best = (
        entries.with_columns(depth=depth)
        .with_columns(rank=pl.col("depth").cast(pl.Int64) * 2**56 - (pl.col("time") - START))
        .group_by("user")
        .agg(pl.col("depth", "time", "t2", "t3", "t4").get(pl.col("rank").arg_max()))
    )
    table = best.select(
        *((pl.col("depth") >= number).sum().alias(f"n{number}") for number in (1, 2, 3, 4)),
        *(
            ((pl.col(f"t{n}") - pl.col(f"t{n - 1}" if n > 2 else "time")).median() / 1e6).alias(f"m{n}")
            for n in (2, 3, 4)
        ),
    ).collect()
    row = table.row(0)
    return row[:4], list(row[4:])


@pytest.mark.parametrize("way", [ask_polars_filling, ask_polars_joining], ids=["filling", "joining"])
@pytest.mark.parametrize("kind", KINDS)
def test_polars(benchmark, numbers, expected, kind, way):
    frame, steps = given(numbers, kind)
    agree(benchmark.pedantic(way, (frame, steps), **ROUNDS), expected)


SQL_ASOF = """
    with e as (select user, time, event from {table} where event in ({all})),
    a as (select user, time as t1 from e where event = {s0}),
    b as (select a.user, t1, x.time as t2 from a asof left join (select user, time from e where event = {s1}) x
          on a.user = x.user and a.t1 <= x.time),
    c as (select b.user, t1, t2, x.time as t3 from b asof left join (select user, time from e where event = {s2}) x
          on b.user = x.user and b.t2 <= x.time),
    d as (select c.user, t1, t2, t3, x.time as t4 from c asof left join (select user, time from e where event = {s3}) x
          on c.user = x.user and c.t3 <= x.time),
    f as (select user, t1, t2, t3, t4, 1 + coalesce(t2 - t1 <= {w}, false)::int + coalesce(t3 - t1 <= {w}, false)::int
          + coalesce(t4 - t1 <= {w}, false)::int as depth from d),
    g as (select arg_max({{'t1': t1, 't2': t2, 't3': t3, 't4': t4, 'depth': depth}},
                         depth * (1::bigint << 56) - (t1 - {start})) as s from f group by user)
    select count(*), count(*) filter (s.depth >= 2), count(*) filter (s.depth >= 3), count(*) filter (s.depth >= 4),
           median(s.t2 - s.t1) filter (s.depth >= 2) / 1e6, median(s.t3 - s.t2) filter (s.depth >= 3) / 1e6,
           median(s.t4 - s.t3) filter (s.depth >= 4) / 1e6
    from g
"""
SQL_WINDOWS = """
    with e as (select user, time, event from {table} where event in ({all})),
    a as (select *, min(case when event = {s3} then time end) over w as t4 from e
          window w as (partition by user order by time range between current row and unbounded following)),
    b as (select *, arg_min(case when event = {s2} then {{'t3': time, 't4': t4}} end,
                            case when event = {s2} then time end) over w as n3 from a
          window w as (partition by user order by time range between current row and unbounded following)),
    c as (select *, arg_min(case when event = {s1} then {{'t2': time, 'n3': n3}} end,
                            case when event = {s1} then time end) over w as n2 from b
          window w as (partition by user order by time range between current row and unbounded following)),
    d as (select user, time as t1, n2.t2 as t2, n2.n3.t3 as t3, n2.n3.t4 as t4 from c where event = {s0}),
"""


def sql(table, kind, text=SQL_ASOF):
    steps = list(range(4)) if kind == "codes" else [f"'{name}'" for name in STEPS]
    marks = {f"s{place}": step for place, step in enumerate(steps)}
    return text.format(table=table, all=", ".join(map(str, steps)), w=WINDOW, start=START, **marks)


@pytest.mark.parametrize("way", ["asof", "windows"])
@pytest.mark.parametrize("kind", KINDS)
def test_duckdb(benchmark, numbers, expected, kind, way):
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    frame, _ = given(numbers, kind)
    with duckdb.connect() as connection:
        if isinstance(frame, pd.DataFrame):
            connection.register("log", frame)
        else:
            connection.register("given", frame.to_arrow())
            connection.execute("create table log as select * from given")
        text = SQL_ASOF if way == "asof" else SQL_WINDOWS + SQL_ASOF[SQL_ASOF.index("    f as") :]
        row = benchmark.pedantic(lambda: connection.execute(sql("log", kind, text)).fetchone(), **ROUNDS)
    agree((row[:4], list(row[4:])), expected)


CH_FUNNEL = """
    select countIf(level >= 1), countIf(level >= 2), countIf(level >= 3), countIf(level >= 4) from (
        select user, windowFunnel({w})(toUInt64(time), event = {s0}, event = {s1}, event = {s2}, event = {s3}) as level
        from {table} where event in ({all}) group by user)
"""
CH_TIMES = """
    with e as (select user, arraySort(groupArrayIf(time, event = {s0})) as r1,
        arraySort(groupArrayIf(time, event = {s1})) as r2, arraySort(groupArrayIf(time, event = {s2})) as r3,
        arraySort(groupArrayIf(time, event = {s3})) as r4 from {table} where event in ({all}) group by user),
    a as (select r3, r4, arrayJoin(r1) as t1, user, arrayFirst(t -> t >= t1 and t <= t1 + {w}, r2) as t2 from e),
    b as (select user, r4, t1, t2, if(t2 = 0, 0, arrayFirst(t -> t >= t2 and t <= t1 + {w}, r3)) as t3 from a),
    c as (select user, t1, t2, t3, if(t3 = 0, 0, arrayFirst(t -> t >= t3 and t <= t1 + {w}, r4)) as t4 from b),
    d as (select argMax((t1, t2, t3, t4), ((t2 > 0) + (t3 > 0) + (t4 > 0), -t1)) as b from c group by user)
    select count(), countIf(b.2 > 0), countIf(b.3 > 0), countIf(b.4 > 0),
        quantileExactInclusiveIf(0.5)(b.2 - b.1, b.2 > 0) / 1e6,
        quantileExactInclusiveIf(0.5)(b.3 - b.2, b.3 > 0) / 1e6,
        quantileExactInclusiveIf(0.5)(b.4 - b.3, b.4 > 0) / 1e6
    from d
"""


@pytest.mark.parametrize("way", ["counts", "times"])
@pytest.mark.parametrize("kind", KINDS)
def test_clickhouse(benchmark, numbers, expected, kind, way):
    session_of = pytest.importorskip("chdb.session", reason="chdb is not installed")
    frame, _ = given(numbers, kind)
    log = frame if isinstance(frame, pd.DataFrame) else frame.to_arrow()  # noqa: F841 - chDB finds it by its name
    text, session = CH_FUNNEL if way == "counts" else CH_TIMES, session_of.Session()
    try:
        table = "Python(log)"
        if not isinstance(frame, pd.DataFrame):
            table = "bench.log"
            session.query("create database bench")
            session.query("create table bench.log engine = Memory as select * from Python(log)")
        out = benchmark.pedantic(lambda: str(session.query(sql(table, kind, text), "CSV")), **ROUNDS)
    finally:
        session.close()
    row = out.strip().split(",")
    agree((row[:4], [float(value) for value in row[4:]] or None), expected)
