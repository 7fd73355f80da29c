"""Buckets on a cluster of two processes; skipped where `dask.distributed` is not installed."""

import datetime as dt
import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest

import nucleus_pandas as nu
from tests.events.split import START, FrameBucket

ROOT = Path(__file__).parents[2]
distributed = pytest.importorskip("distributed", reason='needs pip install "nucleus-pandas[dask]"')


@dataclass(frozen=True)
class Deadly(FrameBucket):
    """A bucket whose worker is killed as it reads it, the first time."""

    marker: Path

    def read(self, request):
        if not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(request)


@pytest.fixture(scope="module")
def frame():
    rows = [(f"u{n % 40}", START + dt.timedelta(hours=n), "AB"[n % 3 == 0]) for n in range(400)]
    made = pd.DataFrame(rows, columns=["user_id", "time", "event"])
    return made.assign(time=made["time"].astype("datetime64[us, UTC]"))


@pytest.fixture(scope="module")
def two_workers():
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


ASKED = [
    lambda events: nu.funnel(events, ["A", "B"], order="strict"),
    lambda events: nu.retention(events, freq="D"),
    lambda events: nu.paths(events, after="A", steps=4),
]


def check(split, frame):
    for ask in ASKED:
        pd.testing.assert_frame_equal(ask(split), ask(nu.EventLog(frame)), rtol=1e-12, atol=0)


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_says_what_the_log_says_also_after_a_worker_is_lost(frame, tmp_path, two_workers):
    bucket = frame["user_id"].str[1:].astype(int) % 4
    parts = [frame[bucket == place].copy() for place in range(4)]
    healthy = [FrameBucket(part) for part in parts[1:]]
    split = nu.Buckets.of([*healthy, Deadly(parts[0], tmp_path / "killed")], frame.columns, engine="dask")
    assert (tmp_path / "killed").exists()
    check(split, frame)


def deadly(part, marker):
    """A partition, of which the worker is killed once as it reads it, when the marker is there."""
    if marker.exists():
        marker.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return part


def dask_frame(frame, place, marker):
    dd = pytest.importorskip("dask.dataframe", reason='needs pip install "nucleus-pandas[dask]"')
    parts = [dask.delayed(frame[place == one], pure=False) for one in range(4)]
    parts[2] = dask.delayed(deadly, pure=False)(parts[2], marker)
    return dd.from_delayed(parts, meta=frame.iloc[:0], verify_meta=False)


@pytest.mark.filterwarnings("ignore")
def test_a_dask_frame_on_a_cluster_says_what_the_log_says_also_after_a_worker_is_lost(frame, tmp_path, two_workers):
    marker = tmp_path / "kill"
    split = nu.Buckets(dask_frame(frame, frame["user_id"].str[1:].astype(int) % 4, marker))
    check(split, frame)
    marker.touch()
    check(split, frame)
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore")
def test_a_dask_frame_that_is_shuffled_on_a_cluster_outlives_a_worker(frame, tmp_path, two_workers):
    # Many events of one instant, whose order a shuffle between workers need not keep.
    frame = frame.assign(time=frame["time"].dt.floor("7D"))
    with pytest.warns(UserWarning, match="lie in several partitions"):
        split = nu.Buckets(dask_frame(frame, np.arange(len(frame)) // 100, tmp_path / "never"))
    check(split, frame)
    # What was shuffled lies with the workers, of which one is lost.
    two_workers.run(os._exit, 1, workers=[next(iter(two_workers.scheduler_info()["workers"]))], on_error="ignore")
    check(split, frame)


@pytest.mark.filterwarnings("ignore")
def test_the_code_of_the_user_guide_for_a_cluster_runs(own_app, tmp_path, monkeypatch, two_workers):
    pytest.importorskip("dask.dataframe", reason='needs pip install "nucleus-pandas[dask]"')
    blocks = re.findall(r"```py\n(.*?)```", (ROOT / "docs" / "user-guide.md").read_text(encoding="utf-8"), re.DOTALL)
    (code,) = [block for block in blocks if "Client()" in block]
    monkeypatch.chdir(tmp_path)
    store = nu.EventStore("app.duckdb")
    nu.sync(own_app, store, "2026-09-01", "2026-10-31", progress=False)
    known = {"nu": nu, "store": store}
    exec(code.replace("Client()", "Client(two_workers)"), known | {"two_workers": two_workers.cluster}, known)
    whole = nu.EventLog(store.events(), as_of=store.info().as_of)
    pd.testing.assert_frame_equal(known["kept"], nu.retention(whole, freq="W"), rtol=1e-12, atol=0)
    assert known["steps"]["users"].sum() > 0
