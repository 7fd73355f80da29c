"""Stores for the tests, and a service that can be told to answer otherwise."""

import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.demo import DemoClient
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.service import DemoService
from tests.conftest import AUTUMN

#: All that the small app has.
ALL = {"start": "2026-05-01", "end": "2026-11-20"}

Hook = Callable[[str, str], "tuple[int, dict | None] | None"]


class ScriptedService(DemoService):
    """A demo service whose answers a test may replace: `hook(method, target)` gives one, or None."""

    hook: Hook | None = None

    def answer(self, method, target, host, token):
        if self.hook and (given := self.hook(method, target)) is not None:
            self.requests.append((method, target))
            return given
        return super().answer(method, target, host, token)


@dataclass
class Asked:
    """The requests that a service got since the last look."""

    service: DemoService
    seen: int = field(default=0)

    def new(self):
        requests = list(self.service.requests)[self.seen :]
        self.seen += len(requests)
        return [target.split("/apps/demo/")[1] for _, target in requests]


def kinds(targets):
    """How many of them asked for the list, for users, for sessions."""
    return {
        "list": sum(target == "users" for target in targets),
        "users": sum(target.startswith("users/") and "/session/" not in target for target in targets),
        "sessions": sum("/session/" in target for target in targets),
    }


@pytest.fixture
def store(tmp_path):
    return nu.EventStore(tmp_path / "app.duckdb")


@pytest.fixture
def scripted():
    """Makes clients of a service that can be scripted."""
    clients = []

    def build(*, scale=0.02, as_of=AUTUMN, app=None, **settings):
        app = app or build_app(scale=scale, end=dt.date(2026, 11, 22))
        latency = settings.pop("latency", 0.0)
        page_size = settings.pop("page_size", None)
        service = ScriptedService(app, as_of=as_of, latency=latency, page_size=page_size)
        clients.append(DemoClient(service, **settings))
        return clients[-1]

    yield build
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def synced_file(tmp_path_factory):
    """Gives the file of a store with all of the app of a scale, synced once."""
    folder = tmp_path_factory.mktemp("synced")

    @cache
    def file_of(scale):
        made = nu.EventStore(folder / f"{scale}.duckdb")
        with DemoClient(DemoService(build_app(scale=scale, end=dt.date(2026, 11, 22)), as_of=AUTUMN)) as client:
            quiet_sync(client, made)
        return made.path

    return file_of


@pytest.fixture
def fill(synced_file):
    """Fills a store with all of the app that `scripted` makes, as a first sync does: by a copy, which is quick."""

    def copy(store, scale=0.02):
        shutil.copy(synced_file(scale), store.path)

    return copy


def quiet_sync(client, store, **arguments):
    return nu.sync(client, store, progress=False, **(ALL | arguments))


def kept(store, query):
    """Run a query on the tables of a store, which `EventStore.sql` does not reach."""
    with store.database.reading() as connection:
        return connection.execute(query).df()


def in_order(events):
    """An event log in an order that does not depend on where it comes from, but for that within a session."""
    keys = ["user_db_id", "session_start", "device_id", "session_id"]
    return events.sort_values(keys, kind="stable", ignore_index=True)


def assert_same(store, other):
    """Assert that two stores hold the same rows."""
    for name in ("users", "devices", "sessions", "events"):
        pd.testing.assert_frame_equal(getattr(store, name)(), getattr(other, name)())
