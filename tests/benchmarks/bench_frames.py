"""How long the event log takes to build, beside pandas' own way. Run: pytest tests/benchmarks --benchmark-sort=mean."""

import pandas as pd
import pytest

from nucleus_pandas.api.parsing import people
from nucleus_pandas.demo.answers import event_row
from nucleus_pandas.demo.build import build_app

EVENTS = 100_000


@pytest.fixture(scope="module")
def rows():
    """100,000 events as the service sends them."""
    events = build_app(scale=1.2).events[:EVENTS]
    assert len(events) == EVENTS
    return [event_row(event, "demo") for event in events]


@pytest.mark.benchmark(group="event log of 100,000 events")
def test_event_log(benchmark, rows):
    log = benchmark.pedantic(lambda: people.live_events_frame(rows), rounds=7, warmup_rounds=1)
    assert len(log) == EVENTS


@pytest.mark.benchmark(group="event log of 100,000 events")
def test_json_normalize(benchmark, rows):
    frame = benchmark.pedantic(lambda: pd.json_normalize(rows), rounds=7, warmup_rounds=1)
    assert len(frame) == EVENTS
