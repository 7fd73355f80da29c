"""Buckets of a Spark frame, on two cores of this machine; skipped where pyspark, pyarrow or Java 17 is missing."""

import functools
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import hypothesis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from nucleus_pandas.events import spark_frames as spark_frame
from tests.events.split import logs, said
from tests.events.test_buckets import rows, write
from tests.events.test_protocol import activities, bys, freqs, funnels, made, retentions, spans, walks

pyarrow = pytest.importorskip("pyarrow", reason='needs pip install "nucleus-pandas[spark]"')
# What Spark says of pandas 3 itself; the library keeps it from users.
DOUBTS = "PySpark does not yet fully support pandas"
pytestmark = pytest.mark.filterwarnings(f"ignore:{DOUBTS}:FutureWarning")
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", DOUBTS, FutureWarning)
    sql = pytest.importorskip("pyspark.sql", reason='needs pip install "nucleus-pandas[spark]"')
F = pytest.importorskip("pyspark.sql.functions")


def java():
    """The version of Java, 0 for none."""
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if program is None or not Path(program).exists():
        return 0
    told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    return int(found[1]) if found else 0


if java() < 17:
    pytest.skip("needs Java 17 or newer", allow_module_level=True)

SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.driver.memory": "1g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.shuffle.partitions": "2",
    # Far from UTC, and not by whole hours.
    "spark.sql.session.timeZone": "Asia/Kathmandu",
    # To compile a query takes longer than to answer one of so few rows.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.ui.showConsoleProgress": "false",
}


@pytest.fixture(scope="session")
def spark():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        # A task that fails is tried again, up to four times.
        builder = sql.SparkSession.builder.master("local[2,4]")
        for name, value in SETTINGS.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


@pytest.fixture
def several(monkeypatch):
    """Lets few events be many, so that there are more buckets than cores."""
    monkeypatch.setattr(spark_frame, "_AT_ONCE", 20)


def in_spark(spark, frame):
    """A frame of pandas as one of Spark, in two partitions."""
    return spark.createDataFrame(pyarrow.Table.from_pandas(frame, preserve_index=False))


def one_a_day(**columns):
    """A frame of events A, of a user each, on the days from 2 March 2026."""
    length = len(next(iter(columns.values())))
    times = pd.date_range("2026-03-02 10:00", periods=length, tz="UTC").as_unit("us")
    users = [f"u{number}" for number in range(length)]
    return pd.DataFrame({"user_id": users, "time": times, "event": "A"} | columns)


pers = st.sampled_from(["sessions", "users"])
QUESTIONS = {
    "active_users": st.tuples(st.fixed_dictionaries({"event": activities}), spans()),
    "growth": st.tuples(st.fixed_dictionaries({"event": activities, "freq": freqs}), spans()),
    "funnel": funnels().map(lambda question: ({"steps": question[0]}, question[1])),
    "funnel_trend": st.tuples(funnels(), freqs).map(
        lambda question: ({"steps": question[0][0], "freq": question[1]}, question[0][1])
    ),
    "retention": st.tuples(st.just({}), retentions()),
    "paths": st.tuples(st.just({}), walks()),
    "error_free": st.tuples(st.fixed_dictionaries({"by": bys, "top": st.just(2)}), spans()),
    "crash_free": st.tuples(st.fixed_dictionaries({"by": bys, "top": st.just(2)}), spans()),
    "version_adoption": st.tuples(
        st.fixed_dictionaries({"freq": freqs, "per": st.sampled_from(["sessions", "users"])}), spans()
    ),
}


@pytest.mark.parametrize(
    "names",
    [
        ("active_users", "funnel", "error_free"),
        ("growth", "funnel_trend", "paths"),
        ("retention", "crash_free", "version_adoption"),
    ],
    ids=", ".join,
)
@given(st.data())
@settings(
    max_examples=5,
    derandomize=True,
    database=None,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_of_random_logs_spark_says_what_the_log_says(spark, several, names, data):
    (frame, *_), known = data.draw(logs()), data.draw(made)
    whole = said(lambda: nu.EventLog(frame, **known))
    split = said(lambda: nu.Buckets(in_spark(spark, frame), **known))
    assert split[1] == whole[1]
    for name in names:
        asked = {key: value for part in data.draw(QUESTIONS[name]) for key, value in part.items()}
        ask = functools.partial(getattr(nu, name), **asked)
        one, other = said(functools.partial(ask, whole[0])), said(functools.partial(ask, split[0]))
        # Each looks once for clocks that are ahead, some of them before it is needed.
        assert told(other) == told(one)
        if isinstance(one[0], type):
            assert other[0] is one[0]
        else:
            pd.testing.assert_frame_equal(other[0], one[0], rtol=1e-12, atol=0)


def told(answer):
    return [message for message in answer[1] if "clocks that are ahead" not in message]


def test_retention_of_a_list_of_users_is_that_of_the_log(spark, several):
    frame = pd.DataFrame({"user_id": [f"u{n % 9}" for n in range(60)], "event": "A"})
    frame["time"] = pd.date_range("2026-03-02", periods=60, freq="13h", tz="UTC").as_unit("us")
    users = pd.DataFrame({"user_id": [f"u{n}" for n in range(2, 12)], "created_at": frame["time"].iloc[0]})
    split, whole = (nu.retention(events, users=users) for events in (in_spark(spark, frame), frame))
    pd.testing.assert_frame_equal(split, whole)


def test_there_are_as_many_buckets_as_cores_and_more_of_many_events(spark, monkeypatch):
    frame = in_spark(spark, one_a_day(n=range(45)))
    assert nu.Buckets(frame).parts().source.number == 2
    monkeypatch.setattr(spark_frame, "_AT_ONCE", 10)
    assert nu.Buckets(frame).parts().source.number == 5


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/New_York"])
def test_a_time_is_an_instant_whatever_the_zone_of_the_session(spark, zone):
    moments = ["2026-03-08 06:59:59.999999", "2026-03-08 07:30", "2026-11-01 05:30", "2026-11-01 06:30"]
    frame = one_a_day(n=range(4)).assign(time=pd.to_datetime(moments, utc=True, format="ISO8601").as_unit("us"))
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        split = nu.Buckets(in_spark(spark, frame))
        assert split.times.moments.tolist() == [int(pd.Timestamp(one).value) // 1000 for one in moments]
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)


def test_naive_times_are_refused_with_what_to_write(spark):
    frame = spark.range(1).selectExpr("'u' AS user_id", "TIMESTAMP_NTZ '2026-03-02 23:30:00' AS time", "'A' AS event")
    with pytest.raises(ValueError, match=r'the column "time" is naive \(TIMESTAMP_NTZ\)') as refusal:
        nu.active_users(frame)
    (advice,) = re.findall(r"write (frame\.withColumn\(.*\)), else", str(refusal.value))
    for zone, moment in (("Z", "2026-03-02 23:30"), (" Europe/Paris", "2026-03-02 22:30")):
        instant = eval(advice.replace('"Z"', f'"{zone}"'), {"frame": frame, "F": F})
        assert nu.Buckets(instant).as_of == pd.Timestamp(moment, tz="UTC")


def test_an_export_has_times_in_utc_as_soon_as_spark_takes_them_for_instants(spark, tmp_path):
    write(tmp_path, rows(["ann", "bob"], "2026-03-02"))
    before = spark.conf.get("spark.sql.parquet.inferTimestampNTZ.enabled")
    spark.conf.set("spark.sql.parquet.inferTimestampNTZ.enabled", "false")
    try:
        assert nu.Buckets(spark.read.parquet(str(tmp_path))).as_of == pd.Timestamp("2026-03-02 10:00", tz="UTC")
    finally:
        spark.conf.set("spark.sql.parquet.inferTimestampNTZ.enabled", before)


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        (["user_id", "now() AS at", "event"], ValueError, "needs the columns user_id, time and event: missing time"),
        (["user_id", "now() AS time", "event", "event"], ValueError, '"event" stands there 2 times'),
        (["user_id", "1L AS time", "event"], TypeError, '"time" is of type bigint, not of instants'),
        (["user_id", "current_date() AS time", "event"], TypeError, '"time" is of type date, not of instants'),
        (["user_id", "now() AS time", "event", "'1' AS event_no"], TypeError, "event_no is of type string"),
    ],
)
def test_a_frame_that_will_not_do_is_refused_before_anything_is_read(spark, columns, error, message):
    unread = spark.range(1).selectExpr("raise_error('was read') AS user_id", "'A' AS event")
    with pytest.raises(error, match=re.escape(message)):
        nu.Buckets(unread.selectExpr(*columns))


def test_the_pandas_frames_of_spark_are_refused(spark):
    from nucleus_pandas.events.bucket_sources import open_source

    class Frame:
        """Importing the module of the real one takes seconds."""

        columns = ("user_id", "time", "event")

    Frame.__module__ = "pyspark.pandas.frame"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pyspark.pandas", type("module", (), {"DataFrame": Frame}))
        for ask in (nu.active_users, nu.Buckets, lambda frame: open_source(frame, None, progress=False)):
            with pytest.raises(TypeError, match=r"pass frame\.to_spark\(\)"):
                ask(Frame())


def test_spark_goes_through_its_frames_itself(spark):
    with pytest.raises(ValueError, match="engine is for files and stores"):
        nu.Buckets(in_spark(spark, one_a_day(n=[1])), engine="serial")


def test_without_any_event_tables_are_empty(spark):
    split = nu.Buckets(in_spark(spark, one_a_day(n=[1])).where("false"))
    assert repr(split) == "Buckets: 0 users, 0 events of 0 names"
    assert nu.active_users(split).empty
    assert nu.retention(split).empty
    assert nu.funnel(split, ["OPEN"], by="n")["users"].sum() == 0


def at_one_instant(users, events, number=None):
    """Each user does the events at one instant, in this order."""
    frame = pd.DataFrame([(f"u{n}", event) for event in events for n in range(users)], columns=["user_id", "event"])
    frame["time"] = pd.Timestamp("2026-03-02", tz="UTC").as_unit("us")
    if number is not None:
        frame["event_no"] = frame["event"].map(number).astype("Int64")
    return frame


@pytest.mark.parametrize(
    "number",
    [None, {"CLOSE": 3, "OPEN": 2, "SAVE": 4}, {"CLOSE": None, "OPEN": 2, "SAVE": 1}],
    ids=["rows", "numbers", "numbers of some only"],
)
def test_the_order_of_one_instant_is_that_of_the_numbers_of_events_or_else_of_the_rows(spark, several, number):
    events = ["SAVE", "CLOSE", "OPEN"] if number and all(number.values()) else ["OPEN", "CLOSE", "SAVE"]
    # Rows of each bucket come from two partitions.
    frame = in_spark(spark, at_one_instant(30, events, number))
    after = nu.paths(frame, after="OPEN", steps=2, as_of="2026-04-01")
    assert after[["target", "users"]].to_numpy().tolist() == [["CLOSE", 30], ["SAVE", 30]]


def test_rows_are_numbered_in_their_order_before_spark_sends_them_around(spark, several):
    parts = nu.Buckets(in_spark(spark, one_a_day(n=range(60)))).parts(by="n")

    def numbers(frame):
        return list(zip(frame["event_no"], frame["n"], strict=True))

    found = parts.source.ask(numbers, lambda one, other: one + other, parts.request)
    assert len({number for number, _ in found}) == 60
    assert [row for _, row in sorted(found)] == list(range(60))


def test_a_user_is_told_by_the_id_of_the_service(spark, several):
    frame = one_a_day(user_db_id=[f"db{number % 30}" for number in range(60)])
    assert repr(nu.Buckets(in_spark(spark, frame))).startswith("Buckets: 30 users, 60 events")


def test_segments_of_columns_of_any_type_are_named_as_those_of_pandas(spark, several):
    columns = {
        "whole": pyarrow.array([1, 1, None, 20], pyarrow.int32()),
        "flag": pyarrow.array([True, True, None, False]),
        "number": pyarrow.array([1.5, 1.5, None, 2.0]),
        "day": pyarrow.array([20_000, 20_000, None, 20_001], pyarrow.date32()),
        "money": pyarrow.array(["1.50", "1.50", None, "2.00"]).cast(pyarrow.decimal128(6, 2)),
        "at": pyarrow.array([0, 0, None, 1_000_000], pyarrow.timestamp("us", "UTC")),
        "data.Plan": pyarrow.array(["pro", "pro", "", "free"]),
        "data.plan": pyarrow.array(["old", "old", None, "new"]),
        "a`b": pyarrow.array(["x", "x", None, "y"]),
        "dask": pyarrow.array(["x", "x", None, "y"]),
    }
    table = pyarrow.Table.from_pandas(one_a_day(n=range(4)), preserve_index=False)
    for name, column in columns.items():
        table = table.append_column(name, column)
    frame = spark.createDataFrame(table).withColumn("local", F.to_timestamp_ntz(F.col("day").cast("string")))
    split = nu.Buckets(frame)
    found = {
        name: nu.funnel(split, ["A"], by=name, include_pending=True)["segment"].tolist() for name in [*columns, "local"]
    }
    assert found == {
        "whole": ["1", "20", "(none)"],
        "flag": ["true", "false", "(none)"],
        "number": ["1.5", "2", "(none)"],
        "day": ["2024-10-04", "2024-10-05", "(none)"],
        "money": ["1.50", "2.00", "(none)"],
        "at": ["1970-01-01 00:00:00+00:00", "1970-01-01 00:00:01+00:00", "(none)"],
        "data.Plan": ["pro", "free", "(none)"],
        "data.plan": ["old", "new", "(none)"],
        "a`b": ["x", "y", "(none)"],
        "dask": ["x", "y", "(none)"],
        "local": ["2024-10-04 00:00:00", "2024-10-05 00:00:00", "(none)"],
    }


def test_lists_and_mappings_ride_along_but_are_no_segments(spark):
    frame = in_spark(spark, one_a_day(n=range(4))).withColumn("tags", F.array(F.lit("x"), F.lit("y")))
    split = nu.Buckets(frame.withColumn("owner", F.struct("n")))
    first = nu.step("A", where=lambda events: events["tags"].map(len).eq(2) & events["n"].ge(1))
    assert nu.funnel(split, [first], include_pending=True)["users"].tolist() == [3]
    for name in ("tags", "owner"):
        with pytest.raises(TypeError, match=f"'{name}' holds lists, mappings or the like, which cannot be compared"):
            nu.funnel(split, ["A"], by=name)


def test_names_of_events_that_cannot_be_shown_are_found_as_in_a_log(spark):
    frame = one_a_day(event=["A\x07", "A", "A"])
    table = nu.funnel(in_spark(spark, frame), ["A\ufffd"], include_pending=True)
    assert table["users"].tolist() == [1]


def test_texts_that_differ_after_a_nul_are_two(spark):
    frame = one_a_day(user_id=["a\0b", "a\0c", "a\0c"], event=["A", "B", "B"], kind=["x\0y", "x\0z", "x\0z"])
    table = nu.funnel(in_spark(spark, frame), [["A", "B"]], by="kind", include_pending=True)
    assert table["users"].sum() == 2


class Untransferable(Exception):  # noqa: N818
    """An error that can be made of two arguments only."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


@pytest.mark.parametrize(
    ("error", "comes_as", "message"),
    [
        (lambda: ZeroDivisionError("nothing to divide"), ZeroDivisionError, "^nothing to divide$"),
        (lambda: nu.StoreError("is locked"), nu.StoreError, "^is locked$"),
        (lambda: Untransferable("this", "that"), RuntimeError, "^Untransferable: this and that$"),
    ],
    ids=["built in", "of the library", "that cannot be sent"],
)
def test_an_error_in_a_worker_comes_out_as_it_was_raised(spark, error, comes_as, message):
    def condition(events):
        raise error()

    with pytest.raises(comes_as, match=message) as raised:
        nu.funnel(in_spark(spark, one_a_day(n=[1, 2])), [nu.step("A", where=condition)])
    assert ", in condition" in str(raised.value.__cause__)


def test_what_a_lost_worker_had_is_done_again(spark, tmp_path):
    marker = str(tmp_path / "died")

    def deadly(events):
        if not os.path.exists(marker):  # noqa: PTH110
            with open(marker, "w"):  # noqa: PTH123
                pass
            os._exit(1)
        return events["n"].ge(2)

    table = nu.funnel(in_spark(spark, one_a_day(n=range(6))), [nu.step("A", where=deadly)], include_pending=True)
    assert Path(marker).exists()
    assert table["users"].tolist() == [4]


def test_a_question_does_not_tell_what_spark_thinks_of_pandas_3(spark):
    frame = in_spark(spark, one_a_day(n=range(3)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(nu.active_users(frame)) == 3
