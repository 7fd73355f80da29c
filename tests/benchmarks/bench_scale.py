"""A funnel and weekly retention of 10 and 100 million events in Parquet files, beside DuckDB. Compare within a group.

Run: pytest tests/benchmarks/bench_scale.py --benchmark-sort=name. The events are made first, bucket by bucket, which
takes a minute and 1 GB of disk; ``SCALE_FOLDER=...`` keeps them for the next time. ``SCALE_EVENTS=1000000,10000000``
asks other numbers of events.

Each asks in a process of its own, whose highest memory (VmHWM) is told beside the times; DuckDB may use 2 GB and spill
to the disk. `Buckets` are made once for all questions, which is a group of its own; DuckDB has nothing to make. Both
answer the same: of a funnel of four steps the counts and medians, of retention the counts of each cohort and week. That
they agree is checked.
"""

import functools
import multiprocessing
import os
from pathlib import Path

import duckdb
import pytest

import nucleus_pandas as nu
from tests.benchmarks import bench_funnel, bench_retention, large_app

SIZES = [int(number) for number in os.environ.get("SCALE_EVENTS", "10_000_000,100_000_000").split(",")]
ROUNDS = {"rounds": 3, "warmup_rounds": 0}
MEMORY = "2GB"
STEPS = large_app.NAMES[:4]
WEEK = 7 * large_app.DAY
WEEKS = large_app.DAYS // 7 + 1


@pytest.fixture(scope="module", params=SIZES, ids=lambda number: f"{number // 1_000_000} million")
def folder(request, tmp_path_factory):
    kept = os.environ.get("SCALE_FOLDER")
    place = (Path(kept) if kept else tmp_path_factory.getbasetemp()) / f"events-{request.param}"
    if not place.exists():
        large_app.make(place, request.param)
    return place


class Ours:
    """`Buckets`, asked one after the other."""

    def __init__(self, folder):
        self.folder = folder

    def make(self):
        self.large = nu.Buckets(self.folder, as_of=large_app.AS_OF)
        return len(self.large.whole.names)

    def funnel(self):
        table = nu.funnel(self.large, STEPS, window="7d")
        return table["users"].tolist(), table["median_seconds"].tolist()[1:]

    def retention(self):
        table = nu.retention(self.large, freq="W")
        some = table[table["retained"] > 0]
        weeks = (some["cohort"] - some["cohort"].min()).dt.days // 7
        return sorted(zip(weeks.tolist(), some["age"].tolist(), some["retained"].tolist(), strict=True))


class Sql:
    """DuckDB, with as much memory as we are allowed."""

    def __init__(self, folder):
        self.connection = duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": f"{folder}-spilled"})
        self.connection.execute("SET enable_progress_bar = false")
        self.connection.execute(
            "CREATE VIEW log AS SELECT user_id AS user, epoch_us(time) AS time, event"
            f" FROM read_parquet('{folder}/*/*.parquet', hive_partitioning = false)"
        )

    def funnel(self):
        steps = [f"'{name}'" for name in STEPS]
        marks = {f"s{place}": step for place, step in enumerate(steps)}
        text = bench_funnel.SQL_ASOF.format(table="log", all=", ".join(steps), w=WEEK, start=large_app.START, **marks)
        row = self.connection.execute(text).fetchone()
        return list(row[:4]), list(row[4:])

    def retention(self):
        text = bench_retention.SQL_BITS.format(start=large_app.START, length=WEEK, periods=WEEKS)
        return sorted(
            (int(first), int(lag), int(users)) for first, lag, users in self.connection.execute(text).fetchall()
        )


def serve(connection, who, folder):
    """Answer questions, of `who` and of the highest memory, until there are none."""
    asked = who(folder)
    connection.send("ready")
    while question := connection.recv():
        connection.send(highest_memory() if question == "memory" else getattr(asked, question)())


def highest_memory():
    """The most memory, in MB, that this process had at once."""
    told = Path("/proc/self/status").read_text(encoding="ascii")
    return int(told.split("VmHWM:")[1].split()[0]) // 1024


class Child:
    """Somebody who is asked in a process of its own."""

    def __init__(self, who, folder):
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, who, folder))
        self.process.start()
        assert self.connection.recv() == "ready"

    def ask(self, question):
        self.connection.send(question)
        return self.connection.recv()

    def close(self):
        self.connection.send(None)
        self.process.join()


@pytest.fixture
def child(request, folder):
    """A process that has what it needs; its memory is told when it ends."""
    made = Child(request.param, folder)
    benchmark = request.getfixturevalue("benchmark")
    benchmark.group = f"{request.node.callspec.params.get('question', 'make')}, {folder.name}"
    yield made
    benchmark.extra_info["highest memory, MB"] = made.ask("memory")
    print(f"\n{folder.name}: at most {benchmark.extra_info['highest memory, MB']} MB")
    made.close()


@functools.cache
def answers():
    """What the first of those who were asked said."""
    return {}


@pytest.mark.parametrize("child", [Ours], indirect=True, ids=["Buckets"])
def test_making(benchmark, child):
    assert benchmark.pedantic(child.ask, args=("make",), **ROUNDS) == len(large_app.NAMES)


@pytest.mark.parametrize("question", ["funnel", "retention"])
@pytest.mark.parametrize("child", [Ours, Sql], indirect=True, ids=["Buckets", "DuckDB"])
def test_asking(benchmark, child, folder, question, request):
    if request.node.callspec.params["child"] is Ours:
        child.ask("make")
    said = benchmark.pedantic(child.ask, args=(question,), **ROUNDS)
    first = answers().setdefault((folder.name, question), said)
    for one, other in zip(said, first, strict=True):
        assert one == pytest.approx(other)
