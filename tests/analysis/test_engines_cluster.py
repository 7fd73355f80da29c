"""Buckets on a cluster of two processes; skipped where `dask.distributed` is not installed."""

import datetime as dt
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

import nucleus_pandas as nu
from tests.analysis.split import START, FrameBucket

distributed = pytest.importorskip("distributed", reason='needs pip install "nucleus-pandas[dask]"')


@dataclass(frozen=True)
class Deadly(FrameBucket):
    """A bucket whose worker is killed as it reads it, the first time."""

    marker: Path

    def read(self, reading):
        if not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(reading)


@pytest.fixture(scope="module")
def frame():
    rows = [(f"u{n % 40}", START + dt.timedelta(hours=n), "AB"[n % 3 == 0]) for n in range(400)]
    made = pd.DataFrame(rows, columns=["user_id", "time", "event"])
    return made.assign(time=made["time"].astype("datetime64[us, UTC]"))


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_says_what_the_log_says_also_after_a_worker_is_lost(frame, tmp_path):
    bucket = frame["user_id"].str[1:].astype(int) % 4
    parts = [frame[bucket == place].copy() for place in range(4)]
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
    ):
        healthy = [FrameBucket(part) for part in parts[1:]]
        split = nu.Buckets.of([*healthy, Deadly(parts[0], tmp_path / "killed")], frame.columns, engine="dask")
        assert (tmp_path / "killed").exists()
        for ask in (lambda events: nu.funnel(events, ["A", "B"]), lambda events: nu.retention(events, freq="D")):
            pd.testing.assert_frame_equal(ask(split), ask(nu.EventLog(frame)), rtol=1e-12, atol=0)
