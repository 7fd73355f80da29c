"""A Dask frame says what a log of the same rows says; skipped where `dask.dataframe` is not installed."""

import datetime as dt
import sys
import threading
import warnings

import dask
import duckdb
import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nucleus_pandas as nu
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.service import DemoService
from nucleus_pandas.events.dask_frames import in_order, marked
from nucleus_pandas.events.protocol import merged_by_dask
from tests.conftest import AUTUMN
from tests.events.split import START, logs, same
from tests.events.test_protocol import activities, bys, freqs, funnels, made, retentions, spans, user_lists, walks

dd = pytest.importorskip("dask.dataframe", reason='needs pip install "nucleus-pandas[dask]"')

# Dask's own, with the newest pandas.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index")
SHUFFLED = "lie in several partitions"
# More of them: python -m tests.events.test_dask_frames 300
quick = settings(
    max_examples=int(sys.argv[1]) if __name__ == "__main__" else 5,
    deadline=None,
    phases=[hypothesis.Phase.generate],  # to find a smaller example takes minutes with Dask
    suppress_health_check=list(hypothesis.HealthCheck),
)


@pytest.fixture(autouse=True)
def synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


def dask_frame(parts):
    """A Dask frame of some partitions, of which it knows the columns only."""
    made = [dask.delayed(as_read(part), pure=False) for part in parts]
    meta = dd.utils.clear_known_categories(as_read(parts[0].iloc[:0]))
    return dd.from_delayed(made, meta=meta, verify_meta=False)


def as_read(part):
    """A partition as files are read: with its own categories, and whole numbers as fractions where one is missing."""
    for name, dtype in part.dtypes.items():
        if isinstance(dtype, pd.CategoricalDtype):
            part = part.assign(**{name: part[name].cat.remove_unused_categories()})
        elif isinstance(dtype, pd.Int64Dtype):
            part = part.astype({name: "float64" if part[name].isna().any() else "int64"})
    return part


def dask_buckets(frame, place, number, **made):
    """The buckets of a Dask frame, which is shuffled once if events of a user lie in several partitions, else never."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        buckets = nu.Buckets(dask_frame([frame[place.eq(one).to_numpy()] for one in range(number)]), **made)
    user = frame["user_db_id" if "user_db_id" in frame else "user_id"].to_numpy(dtype=object)
    several = bool((place.groupby(user).min() < place.groupby(user).max()).any())
    assert sum(SHUFFLED in str(one.message) for one in told) == several
    for one in told:
        # Not those of Dask.
        if SHUFFLED not in str(one.message) and issubclass(one.category, nu.IncompleteDataWarning):
            warnings.warn(one.message, stacklevel=1)
    return buckets


@st.composite
def partitioned(draw, dress=True):
    """A log, in the order of its partitions, which are by user or by chance; some are empty."""
    frame, place, number = draw(logs())
    if draw(st.booleans()):
        number, chance = draw(st.integers(1, 5)), np.random.default_rng(draw(st.integers(0, 99)))
        place = pd.Series(chance.integers(0, number, len(frame)), dtype="int64")
    order = np.argsort(place.to_numpy(), kind="stable")
    frame, place = frame.iloc[order].reset_index(drop=True), place.iloc[order].reset_index(drop=True)
    return draw(dressed(frame)) if dress else frame, place, number


@st.composite
def dressed(draw, frame):
    """A log whose columns are of other types, and which has further ones."""
    number = frame["user_id"].str[1:].astype("Int64")
    for dress in sorted(draw(st.sets(st.sampled_from(["number", "service", "event", "version", "index", "event_no"])))):
        if dress == "number":
            frame = frame.assign(user_id=number)
        elif dress == "service":
            # What the app calls them is not always told.
            frame = frame.assign(user_db_id=frame["user_id"])
            frame = frame.assign(user_id=frame["user_id"].mask(np.arange(len(frame)) % 3 == 0))
        elif dress in ("event", "version") and dress in frame:
            frame = frame.astype({dress: "category"})
        elif dress == "index":
            frame = frame.set_index(pd.Index(number.astype("float64"), name="user_id"))
        elif dress == "event_no":
            frame = frame.assign(event_no=np.arange(len(frame))[::-1])
    return frame


def of(analysis, **asked):
    """A question, and with what it is asked."""
    return st.tuples(st.just(analysis), st.fixed_dictionaries(asked), spans())


QUESTIONS = {
    "active_users": of(nu.active_users, event=activities),
    "growth": of(nu.growth, freq=freqs, event=activities),
    "funnel": funnels().map(lambda one: (nu.funnel, {"steps": one[0]}, one[1])),
    "funnel_trend": st.tuples(funnels(), freqs).map(
        lambda one: (nu.funnel_trend, {"steps": one[0][0], "freq": one[1]}, one[0][1])
    ),
    "retention": retentions().map(lambda one: (nu.retention, {}, one)),
    "paths": walks().map(lambda one: (nu.paths, {}, one)),
    "error_free": of(nu.error_free, freq=st.sampled_from([None, "D", "M"]), by=bys, top=st.just(2)),
    "crash_free": of(nu.crash_free, freq=st.sampled_from([None, "D", "M"]), by=bys, top=st.just(2)),
    "version_adoption": of(
        nu.version_adoption, freq=freqs, per=st.sampled_from(["sessions", "users"]), top=st.sampled_from([1, 8])
    ),
}


@pytest.mark.parametrize("question", QUESTIONS)
@given(data=st.data())
@quick
def test_a_dask_frame_says_what_the_log_says(question, data):
    log, known = data.draw(partitioned()), data.draw(made)
    analysis, how, asked = data.draw(QUESTIONS[question])
    same(log, lambda events: analysis(events, **how, **asked), asked, split=dask_buckets, **known)


@given(partitioned(dress=False), user_lists(), retentions(), made, st.sampled_from([None, "plan"]))
@quick
def test_retention_of_a_list_of_users_is_that_of_the_log(log, users, asked, known, by):
    asked |= {"users": users, "start_event": None, "first_time": True, "by": by}
    same(log, lambda events: nu.retention(events, **asked), asked, split=dask_buckets, **known)


STEPS = ["A", "B"]


def events(*rows, **columns):
    """Events of a user, a minute apart unless they are told to be of one instant."""
    users, names = zip(*rows, strict=True)
    times = pd.date_range(START, periods=len(rows), freq="min", unit="us")
    return pd.DataFrame({"user_id": list(users), "time": times, "event": list(names), **columns})


@pytest.fixture
def as_they_are():
    """Lets Dask leave objects as they are, which it else makes text of: of true True."""
    with dask.config.set({"dataframe.convert-string": False}):
        yield


def users_of(frame, steps=STEPS, **asked):
    return nu.funnel(frame, steps, include_pending=True, **asked)["users"].tolist()


def counting(frame, seen):
    """A Dask frame that notes which partitions are computed."""

    def note(part, number):
        seen.append(number)
        return part

    parts = [dask.delayed(note, pure=False)(part, number) for number, part in enumerate(frame.to_delayed())]
    return dd.from_delayed(parts, meta=frame._meta, verify_meta=False)


@pytest.fixture
def split():
    """Two users whose events lie in both partitions."""
    whole = events((1, "A"), (2, "A"), (2, "B"), (1, "A"))
    return dask_frame([whole[:2], whole[2:]])


def test_a_frame_that_is_shuffled_says_so_once_and_what_to_do(split):
    with pytest.warns(UserWarning, match=r"Events of 2 users .* shuffled once, by user_id.*make nu\.Buckets") as told:
        buckets = nu.Buckets(split)
        assert [users_of(buckets), users_of(buckets)] == [[2, 1], [2, 1]]
    assert len(told) == 1


def test_rows_are_put_back_in_order_after_a_shuffle_whatever_their_index():
    frame = events(*[("u", f"E{number}") for number in range(50)]).set_index("user_id", drop=False)
    whole = marked(frame, frame.dtypes, 1 << 40)
    mixed = whole.sample(frac=1, random_state=1)
    assert in_order(mixed)["event"].tolist() == frame["event"].tolist()
    assert in_order(mixed).columns.tolist() == frame.columns.tolist()


@pytest.mark.parametrize("method", ["disk", "tasks"])
def test_events_of_one_instant_keep_their_order_through_a_shuffle(method):
    rows = [(user, f"E{number}") for number in range(60) for user in "ab"]
    frame = events(*rows).assign(time=START)
    frame["time"] = frame["time"].astype("datetime64[us, UTC]")
    parts = dask_frame([frame[number * 3 : number * 3 + 3] for number in range(40)])
    with dask.config.set({"dataframe.shuffle.method": method}), pytest.warns(UserWarning, match=SHUFFLED):
        buckets = nu.Buckets(parts)
    after = nu.paths(buckets, after="E0", steps=5, as_of="2026-06-01")
    assert after["target"].tolist() == ["E1", "E2", "E3", "E4", "E5"]
    assert users_of(buckets, ["E7", "E8"], order="strict", ties="either") == [2, 2]


def test_a_user_whose_number_is_a_fraction_in_one_partition_is_one_user():
    # Whole numbers, of which one is missing, are read as fractions.
    whole, gaps = events((1, "A"), (2, "A")), events((1.0, "B"), (np.nan, "B"))
    frame = dask_frame([whole, gaps.assign(time=whole["time"] + pd.Timedelta("1h"))])
    with (
        pytest.warns(UserWarning, match="Events of 1 user lie in several partitions"),
        pytest.warns(nu.IncompleteDataWarning, match="1 has no user"),
    ):
        assert users_of(frame) == [2, 1]


def test_a_number_and_its_text_are_two_users(as_they_are):
    frame = dask_frame([events((1, "A"), ("1", "A"), (True, "A")), events(("2", "B"))])
    assert users_of(frame) == [3, 0]


def test_columns_with_gaps_in_some_partitions_go_through_a_shuffle(as_they_are):
    whole = events((1, "A"), (3, "A"), pages=[3, 4], paid=[True, False])
    gaps = events((1, "B"), (2, "A"), pages=[np.nan, 3.0], paid=pd.Series([None, True], dtype=object))
    with pytest.warns(UserWarning, match=SHUFFLED):
        buckets = nu.Buckets(dask_frame([whole, gaps]))
    table = nu.funnel(buckets, ["A"], by="pages", include_pending=True)
    assert dict(zip(table["segment"], table["users"], strict=True)) == {"3": 2, "4": 1}
    assert users_of(buckets, [nu.step("A", where={"paid": True})]) == [2]
    assert users_of(buckets, [nu.step("B", where={"pages": None})]) == [1]


def test_categories_that_dask_does_not_know_go_through_a_shuffle():
    whole = events((1, "A"), (2, "A"), (1, "B"), (2, "A"), version=["1.0", "1.1", "2.0", None])
    whole = whole.astype({"event": "category", "version": "category"})
    frame = dask_frame([whole[:2], whole[2:]])
    assert not frame["event"].cat.known
    with pytest.warns(UserWarning, match=SHUFFLED):
        table = nu.funnel(frame, STEPS, by="version", include_pending=True)
    assert table["segment"].drop_duplicates().tolist() == ["1.0", "1.1"]
    assert table["users"].tolist() == [1, 1, 1, 0]


def test_events_that_are_no_text_are_spelled():
    assert users_of(dask_frame([events((1, 7), (1, 8)), events((2, 7.0), (2, 9.5))]), ["7", ["8", "9.5"]]) == [2, 2]


def test_partitions_may_be_empty():
    frame = events((1, "A"), (1, "B"))
    assert users_of(dask_frame([frame[:0], frame, frame[:0]])) == [1, 1]
    assert users_of(dask_frame([frame[:0], frame[:0]])) == [0, 0]
    assert nu.retention(dask_frame([frame[:0]])).empty


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.assign(time=frame["time"].dt.tz_localize(None)), r"naive.*tz_localize"),
        (lambda frame: frame.assign(time=frame["time"].astype("int64")), r"dask\.dataframe\.to_datetime"),
        (lambda frame: frame.rename(columns={"event": "name"}), "missing event.*Rename yours"),
        (lambda frame: frame.set_index("user_id"), r"missing user_id.*index: call reset_index\(\)"),
        (lambda frame: pd.concat([frame, frame[["event"]]], axis=1), '"event" stands there 2 times'),
        (lambda frame: frame.rename(columns={"time": "start"}).drop(columns="event"), r"table of sessions.*\.compute"),
    ],
    ids=["naive times", "no times", "no event", "the user in the index", "a column twice", "sessions"],
)
def test_what_is_wrong_with_the_columns_is_told_before_anything_is_computed(change, message):
    seen = []
    frame = counting(dask_frame([change(events((1, "A")))]), seen)
    with pytest.raises((ValueError, TypeError), match=message):
        nu.growth(frame)
    assert seen == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda frame: nu.funnel(frame, STEPS, by="plan"),
        lambda frame: nu.funnel(frame, [nu.step("A", where={"plan": "pro"})]),
        lambda frame: nu.funnel(frame, STEPS, window="session"),
        lambda frame: nu.funnel_trend(frame, STEPS, by="plan"),
        lambda frame: nu.retention(frame, by="plan"),
        lambda frame: nu.crash_free(frame, by="plan", freq="D"),
        lambda frame: nu.version_adoption(frame, freq="D"),
    ],
)
def test_a_column_that_is_not_there_is_told_before_anything_is_computed(ask):
    seen = []
    with pytest.raises(ValueError, match=r'no column "plan"|does not have'):
        ask(counting(dask_frame([events((1, "A"))]), seen))
    assert seen == []


def test_a_number_is_not_looked_for_in_a_column_of_text():
    frame = dask_frame([events((1, "A"), (2, "A"), pages=pd.array(["1", "many"], dtype="string"))])
    assert users_of(frame, [nu.step("A", where={"pages": "1"})]) == [1]
    with pytest.raises(ValueError, match='"pages" holds text'):
        users_of(frame, [nu.step("A", where={"pages": 1})])


def test_an_event_that_is_not_there_is_told_with_those_that_are(split):
    with pytest.warns(UserWarning, match=SHUFFLED), pytest.raises(ValueError, match='step 2: there is no event "C"'):
        nu.funnel(split, ["A", "C"])


@pytest.mark.parametrize(
    "ask",
    [
        nu.EventLog,
        nu.compare_releases,
        nu.days_active,
        nu.impact_of_errors,
        nu.survival,
        nu.top_errors,
        nu.unbounded_retention,
        nu.usage_interval,
        lambda frame: nu.funnel_users(frame, STEPS),
        lambda frame: nu.retention(frame.compute(), users=frame),
    ],
)
def test_an_analysis_that_does_not_take_dask_frames_says_what_to_pass(ask, split):
    with pytest.raises(TypeError, match=r"pass .*frame\.compute\(\) of Dask|pass .*Of a frame of Dask.*\.compute"):
        ask(split)


def test_each_question_goes_through_each_partition_once_a_pass():
    seen = []
    whole = events((1, "A"), (1, "B"), (2, "A"), (2, "A"), version="1.0", session_id="s")
    buckets = nu.Buckets(counting(dask_frame([whole[:2], whole[2:]]), seen), as_of="2026-05-01")
    assert sorted(seen) == [0, 1]
    for ask, passes in (
        (lambda: nu.funnel(buckets, STEPS), 1),
        (lambda: nu.funnel(buckets, STEPS, by="version"), 1),
        (lambda: nu.paths(buckets, after="A"), 1),
        (lambda: nu.active_users(buckets), 1),
        (lambda: nu.retention(buckets), 1),
        (lambda: nu.retention(buckets, by="version"), 3),
    ):
        seen.clear()
        ask()
        assert sorted(seen) == [0] * passes + [1] * passes


class Counted:
    """An answer that knows how many there are at once."""

    alive = most = 0
    lock = threading.Lock()

    def __init__(self):
        with Counted.lock:
            Counted.alive += 1
            Counted.most = max(Counted.most, Counted.alive)

    def __del__(self):
        with Counted.lock:
            Counted.alive -= 1


def test_answers_of_many_partitions_are_put_together_as_they_come():
    ask = dask.delayed(Counted, pure=False)
    with dask.config.set(scheduler="threads", num_workers=2):
        merged_by_dask([ask() for _ in range(64)], lambda one, other: Counted())
    # Of a tree one for each of its six levels, and what both threads have in hand.
    assert Counted.most <= 6 + 2 * 3


@pytest.fixture(scope="module")
def app_store(tmp_path_factory):
    made = nu.EventStore(tmp_path_factory.mktemp("store") / "app.duckdb")
    with nu.demo.DemoClient(DemoService(build_app(scale=0.05, end=dt.date(2026, 11, 22)), as_of=AUTUMN)) as app:
        nu.sync(app, made, start="2026-09-01", end="2026-10-15", progress=False)
    return made


@pytest.fixture(scope="module")
def export(app_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "out"
    app_store.export(folder)
    return folder


FUNNEL = ["init", "PROJECT_CREATED", "EXPORT_PDF"]
OF_AN_APP = {
    "active_users": lambda log, **known: nu.active_users(log, tz="Europe/Paris", **known),
    "growth": lambda log, **known: nu.growth(log, freq="W", event="EXPORT_PDF", **known),
    "funnel": lambda log, **known: nu.funnel(log, FUNNEL, by="version", **known),
    "funnel by numbers": lambda log, **known: nu.funnel(log, ["COMMENT_ADDED"], by="length", **known),
    "funnel by several types": lambda log, **known: nu.funnel(log, ["EXPORT_PDF"], by="pages", **known),
    "funnel by truth": lambda log, **known: nu.funnel(log, ["init"], by="first_time", **known),
    "funnel on a number": lambda log, **known: nu.funnel(
        log, [nu.step("COMMENT_ADDED", where={"length": [12, 31]})], **known
    ),
    "funnel in a session": lambda log, **known: nu.funnel(log, FUNNEL, window="session", exclude="UNDO", **known),
    "funnel_trend": lambda log, **known: nu.funnel_trend(log, FUNNEL, freq="W", order="strict", **known),
    "retention": lambda log, **known: nu.retention(log, freq="W", by="platform", **known),
    "paths": lambda log, **known: nu.paths(log, before="EXPORT_PDF", steps=3, top=4, **known),
    "error_free": lambda log, **known: nu.error_free(log, freq="W", by="version", **known),
    "crash_free": lambda log, **known: nu.crash_free(log, freq=None, by="ram_gb", **known),
    "version_adoption": lambda log, **known: nu.version_adoption(log, freq="W", per="users", top=3, **known),
}


@pytest.mark.parametrize("question", sorted(OF_AN_APP.keys() - {"funnel by several types"}))
def test_an_export_that_dask_reads_says_what_the_store_says(question, app_store, export):
    ask, as_of = OF_AN_APP[question], app_store.info().as_of
    frame = dd.read_parquet(export / "events")
    pd.testing.assert_frame_equal(
        ask(frame, as_of=as_of), ask(nu.EventLog(app_store.events()), as_of=as_of), rtol=1e-12, atol=0
    )


def test_a_property_that_an_export_keeps_in_json_is_no_column_of_a_dask_frame(app_store, export):
    frame = dd.read_parquet(export / "events")
    with pytest.raises(ValueError, match='has no column "pages"'):
        OF_AN_APP["funnel by several types"](frame, as_of=app_store.info().as_of)


def test_an_export_whose_files_are_cut_into_partitions_says_what_the_store_says(app_store, export, tmp_path):
    # Small groups of rows, as a large file has.
    with duckdb.connect() as connection:
        rows = f"SELECT * FROM read_parquet('{export}/events/*/*.parquet', hive_partitioning = false) ORDER BY time"
        connection.execute(f"COPY ({rows}) TO '{tmp_path}/all.parquet' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    frame = dd.read_parquet(tmp_path / "all.parquet", split_row_groups=1)
    assert frame.npartitions > 1
    with pytest.warns(UserWarning, match=f"{SHUFFLED}.*by user_db_id"):
        buckets = nu.Buckets(frame, as_of=app_store.info().as_of)
    log = nu.EventLog(app_store.events(), as_of=app_store.info().as_of)
    for question in ("funnel by numbers", "funnel by truth", "funnel_trend", "paths", "retention"):
        ask = OF_AN_APP[question]
        pd.testing.assert_frame_equal(ask(buckets), ask(log), rtol=1e-12, atol=0)


def test_a_dask_frame_of_the_loaded_events_says_what_their_log_says(shared_app, as_they_are):
    log = nu.load_session_events(shared_app, nu.load_sessions(shared_app, nu.load_users(shared_app).head(30)))
    log = log.sample(frac=1, random_state=1)
    whole = nu.EventLog(log)
    with pytest.warns(UserWarning, match=SHUFFLED):
        buckets = nu.Buckets(dd.from_pandas(log, npartitions=5, sort=False))
    for question in ("funnel", "funnel by several types", "funnel by truth", "paths", "version_adoption"):
        ask = OF_AN_APP[question]
        pd.testing.assert_frame_equal(ask(buckets), ask(whole), rtol=1e-12, atol=0)


if __name__ == "__main__":
    with dask.config.set(scheduler="synchronous"):
        for name in QUESTIONS:
            test_a_dask_frame_says_what_the_log_says(question=name)
            print(name)
        test_retention_of_a_list_of_users_is_that_of_the_log()
        print("users")
