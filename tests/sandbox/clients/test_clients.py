"""The official tracking clients report to the sandbox, and the library's tables show what was done, each thing once."""

import datetime as dt
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

import pandas as pd
import pytest

import nucleus_pandas as nu
from tests.chromium import GET, launch
from tests.sandbox.clients import apps
from tests.sandbox.clients.install import UnavailableError, install_javascript, install_python
from tests.sandbox.clients.stories import ANA, APP, KINDS, NUDGE, OPENED, PROPS, Told, tell, tell_with_python

pytest.importorskip("websockets", reason="websockets is not installed: python -m pip install -e '.[test]'")

PLATFORM = {"linux": "linux", "darwin": "mac", "win32": "win"}[sys.platform]


def span():
    """Yesterday and today, as the stories may have begun before midnight."""
    today = dt.datetime.now(dt.UTC).date()
    return {"start": today - dt.timedelta(days=1), "end": today}


def sync_twice(client, store):
    """Sync, and again: that must add nothing."""
    for _ in range(2):
        nu.sync(client, store, **span(), progress=False)


@dataclass
class Tables:
    """What the library says of a story."""

    told: Told
    client: nu.Client
    users: pd.DataFrame
    sessions: pd.DataFrame
    log: pd.DataFrame
    store: nu.EventStore


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The folder with the clients for JavaScript."""
    try:
        return install_javascript(tmp_path_factory.mktemp("javascript"))
    except UnavailableError as reason:
        pytest.skip(str(reason))


def tell_in_process(kind, packages, folder):
    """Tell the story of an app in processes of its own."""
    return tell(kind, {"packages": packages, "folder": folder})


def tell_in_browser(kind, packages, folder):
    """Tell the story of pages; each thread needs a Playwright of its own."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        raise UnavailableError(f"Playwright is not installed: {GET}") from None
    with sync_playwright() as started, apps.Site(packages) as site:
        browser = launch(started)
        if browser is None:
            raise UnavailableError(f"there is no Chromium: {GET}")
        contexts = {home: browser.new_context() for home in ("home", "another home")}
        try:
            return tell(kind, {"site": site, "contexts": contexts, "folder": folder})
        finally:
            browser.close()


def tell_in_python(kind, _, folder):
    """Tell the story of an app of Python."""
    return tell_with_python(kind, {"python": install_python(folder / "packages"), "folder": folder})


@pytest.fixture(scope="module")
def stories(request, packages, tmp_path_factory):
    """The stories that tests ask for, told side by side, as most of the time is spent waiting."""
    wanted = {item.callspec.params.get("kind") for item in request.session.items if hasattr(item, "callspec")}
    with ThreadPoolExecutor(len(KINDS)) as pool:
        told = {}
        for name in KINDS.keys() & wanted:
            kind = KINDS[name]
            way = (
                tell_in_browser if kind.in_browser else tell_in_python if name == "nucleus-python" else tell_in_process
            )
            told[name] = pool.submit(way, kind, packages, tmp_path_factory.mktemp("story"))
    yield told
    for future in told.values():
        if future.exception() is None:
            future.result().scene.close()


@pytest.fixture(scope="module")
def tables_of(stories, tmp_path_factory):
    """Loads the tables of a story once."""
    loaded = {}

    def tables(told):
        client = told.scene.sandbox.client(APP)
        users = nu.load_users(client)
        sessions = nu.load_sessions(client, users).sort_values("start", ignore_index=True)
        log = nu.load_session_events(client, sessions)
        store = nu.EventStore(tmp_path_factory.mktemp("store") / "events.duckdb")
        sync_twice(client, store)
        return Tables(told, client, users, sessions, log, store)

    def load(name):
        if name not in loaded:
            try:
                told = stories[name].result()
            except UnavailableError as reason:
                pytest.skip(str(reason))
            spoilt = pytest.warns(nu.IncompleteDataWarning, match="1 user has the id of another one in quotation marks")
            with spoilt if KINDS[name].spoils_user_id else nullcontext():
                loaded[name] = tables(told)
        return loaded[name]

    return load


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def tables(kind, tables_of):
    return tables_of(kind)


def test_each_event_arrives_once_in_its_session_and_in_order(tables):
    log = tables.log
    own = log[(log["kind"] == "custom") & (log["event"] != NUDGE)]
    found = [
        own.loc[(own["session_id"] == row.session_id) & (own["session_start"] == row.start), "event"].tolist()
        for row in tables.sessions.itertuples()
    ]
    assert found == tables.told.sessions


def test_each_session_begins_with_one_init(tables):
    sessions = tables.log.groupby(["session_id", "session_start"], sort=False)
    assert sessions["event"].first().eq("init").all()
    assert sessions["kind"].agg(lambda kinds: kinds.eq("init").sum()).eq(1).all()


def test_what_is_sent_again_is_recognised_and_nothing_is_refused(tables):
    sandbox = tables.told.scene.sandbox
    row = sandbox.arrivals().set_index("app_id").loc[APP]
    assert row["duplicates"] >= 1
    assert row[["rejected_events", "rejected_messages", "dropped_properties"]].eq(0).all()
    assert not sandbox.failures


def test_numbers_texts_and_booleans_of_an_event_arrive_as_they_are(tables):
    opened = tables.log[tables.log["event"] == "OPENED"].iloc[0]
    assert {name: opened[f"data.{name}"] for name in OPENED} == OPENED
    offline = tables.log[tables.log["event"] == "OFFLINE"]
    assert offline["data.n"].tolist() == [1, 2]


def test_both_devices_and_what_was_done_before_signing_in_are_of_one_user(kind, tables):
    names = {ANA, f'"{ANA}"'} if KINDS[kind].spoils_user_id else {ANA}
    assert set(tables.users["user_id"]) == names
    ana = tables.users.set_index("user_id").loc[ANA]
    assert ana["devices"] == 2
    first = tables.log[tables.log["session_start"] == tables.sessions["start"].iloc[0]]
    assert first["user_id"].eq(ANA).all()
    assert ana["created_at"] == first["time"].min()


def test_properties_of_a_user_arrive_as_they_are(kind, tables):
    if not KINDS[kind].has_props:
        pytest.skip("this client has no properties of users, or cannot send them")
    ana = tables.users.set_index("user_id").loc[ANA]
    assert {name: ana[f"props.{name}"] for name in PROPS} == PROPS


def test_errors_arrive_whether_caught_or_not(kind, tables):
    errors = tables.log[tables.log["kind"] == "error"]
    caught = "ValueError" if kind == "nucleus-python" else "CaughtError"
    assert Counter(errors["event"]) == Counter(f"error:{name}" for name in (caught, *KINDS[kind].unhandled))
    messages = errors.set_index("event")["data.message"].to_dict()
    assert messages.pop(f"error:{caught}") == "disk full"
    assert set(messages.values()) <= {"nobody expects this"}
    assert errors["data.stack"].notna().all()
    assert tables.sessions["errors"].tolist() == [len(errors)] + [0] * (len(tables.sessions) - 1)


def test_page_views_arrive(kind, tables):
    views = tables.log[tables.log["kind"] == "view"]
    assert ("/editor" in set(views.get("data.view", []))) == KINDS[kind].has_pages


def test_the_platform_has_one_spelling(tables):
    told = tables.log[tables.log["kind"] == "init"]
    assert set(told["platform"]) == {PLATFORM}
    assert tables.users["platform"].eq(PLATFORM).all()
    counted = nu.load_dimensions(tables.client, **span())
    assert counted.loc[counted["dimension"] == "platform", "value"].tolist() == [PLATFORM]


def test_a_store_holds_what_the_loaders_give(tables):
    columns = ["user_db_id", "device_id", "session_id", "session_start", "time", "event"]
    held, loaded = (
        frame[columns].sort_values(columns, ignore_index=True) for frame in (tables.store.events(), tables.log)
    )
    pd.testing.assert_frame_equal(held, loaded)


def test_analyses_count_the_users_and_sessions_there_were(kind, tables):
    log = nu.EventLog(tables.store)
    users, sessions = len(tables.users), len(tables.sessions)
    steps = nu.funnel(log, ["init", "OPENED", "SIGNED_IN"], window="1h", include_pending=True)
    assert steps["users"].tolist() == [users, 1, 1]
    kept = nu.retention(log, freq="D", as_of=span()["end"])  # as if today were over
    assert kept.loc[kept["age"] == 0, ["users", "retained"]].sum().tolist() == [users, users]
    free = nu.error_free(log, freq=None).iloc[0]
    assert (free["sessions"], free["error_free_sessions"]) == (sessions, (sessions - 1) / sessions)


@pytest.mark.parametrize("page", ["nucleus_analytics.html", "astrolytics_desktop.html"])
def test_a_click_in_chromium_is_live_within_five_seconds_and_synced_once(page, packages, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason=f"Playwright is not installed: {GET}")
    with nu.Sandbox() as sandbox, playwright.sync_playwright() as started, apps.Site(packages) as site:
        browser = launch(started)
        if browser is None:
            pytest.skip(f"there is no Chromium: {GET}")
        app = sandbox.client(APP)
        window = apps.Page(browser, site.address(page, app=APP, endpoint=f"127.0.0.1:{sandbox.port}"))
        window.click()
        clicked = time.monotonic()
        while "CLICKED" not in set(nu.load_live_events(app)["event"]):
            assert time.monotonic() - clicked < 5
            time.sleep(0.05)
        store = nu.EventStore(tmp_path / "events.duckdb")
        sync_twice(app, store)
        browser.close()
    assert store.events()["event"].eq("CLICKED").sum() == 1
