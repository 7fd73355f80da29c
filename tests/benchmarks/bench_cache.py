"""What the cache costs and gains. Run: pytest tests/benchmarks/bench_cache.py; compare within a group.

Without a cache a question goes to the demo service on this machine, which answers at once: the difference to a miss is
what the cache adds, and that to a hit is the least it can save. At 50 ms a request, as of a service far away, it saves
that as well.
"""

import itertools

import pytest

import nucleus_pandas as nu
from nucleus_pandas.demo import DemoClient
from nucleus_pandas.demo.service import DemoService
from tests.conftest import AUTUMN

END = int(AUTUMN.timestamp()) - 48 * 3600
SPAN = {"start": "2026-09-01", "end": "2026-10-31", "tz": "Europe/Paris"}


@pytest.fixture
def client_of(autumn_app, tmp_path):
    """Makes a client of a service with a latency, with or without a cache."""
    clients = []

    def build(cache, latency=0.0):
        service = DemoService(autumn_app, as_of=AUTUMN, latency=latency)
        clients.append(DemoClient(service, cache=tmp_path / "cache" if cache else False))
        return clients[-1]

    yield build
    for client in clients:
        client.close()


@pytest.mark.benchmark(group="a small answer (quick glance to a service that answers at once)")
@pytest.mark.parametrize("kind", ["no cache", "miss", "hit"])
def test_small_answer(benchmark, client_of, kind):
    client = client_of(kind != "no cache")
    number = itertools.count()

    def ask():
        return client.get("quick_glance", params={"n": 0 if kind == "hit" else next(number)})

    benchmark.pedantic(ask, rounds=300, warmup_rounds=20)


@pytest.mark.benchmark(group="a large answer (the list of users)")
@pytest.mark.parametrize("kind", ["no cache", "miss", "hit"])
def test_large_answer(benchmark, client_of, kind):
    client = client_of(kind != "no cache")
    number = itertools.count()

    def ask():
        return client.get("users", params={"n": 0 if kind == "hit" else next(number)})

    benchmark.pedantic(ask, rounds=15, warmup_rounds=2)


@pytest.mark.benchmark(group="daily numbers of two months at 50 ms a request")
@pytest.mark.parametrize("kind", ["no cache", "warm cache"])
def test_warm_cache(benchmark, client_of, kind):
    client = client_of(kind != "no cache", latency=0.05)
    benchmark.pedantic(lambda: nu.load_daily(client, **SPAN), rounds=10, warmup_rounds=2)


@pytest.mark.benchmark(group="sessions of 40 users at 50 ms a request")
@pytest.mark.parametrize("kind", ["no cache", "warm cache"])
def test_warm_cache_of_people(benchmark, client_of, kind):
    client = client_of(kind != "no cache", latency=0.05)
    users = nu.load_users(client).head(40)
    benchmark.pedantic(lambda: nu.load_sessions(client, users, progress=False), rounds=5, warmup_rounds=1)
