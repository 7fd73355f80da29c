"""The doctor, on services that are well and on ones that are not."""

import datetime as dt

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.api.doctor import DOCTOR
from nucleus_pandas.api.http.addresses import name_service
from nucleus_pandas.demo import DemoClient
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.service import DemoService
from tests.conftest import AUTUMN
from tests.fault_server import FaultServer, answer
from tests.store.conftest import ScriptedService


@pytest.fixture(scope="module")
def small_app():
    return build_app(scale=0.1, end=dt.date(2026, 11, 22))


def examine(client):
    table = nu.doctor(client)
    assert {name: table[name].dtype for name in table} == DOCTOR
    return table.set_index("check")


def demo(app, *, service=None, **settings):
    return DemoClient(DemoService(app, as_of=AUTUMN, **(service or {})), **settings)


def test_a_client_that_fits_its_service_is_well(shared_app):
    table = examine(shared_app)
    assert table.index.tolist() == [
        "reachable",
        "authorised",
        "clock",
        "utc_offset_sign",
        "user_path",
        "users_total",
        "cache",
    ]
    assert table["ok"].all()


def test_it_says_which_service_answered(shared_app):
    assert examine(shared_app).loc["reachable", "detail"] == "The service at 127.0.0.1 answers."


@pytest.mark.parametrize(("url", "name"), [(nu.NUCLEUS_URL, "Nucleus"), (nu.ASTROLYTICS_URL, "Astrolytics")])
def test_it_knows_both_names_of_the_service(url, name):
    client = nu.Client("app", "token", base_url=url, cache=False)
    assert name_service(client.base_url).startswith(f"{name} (app.")


def test_it_takes_a_dozen_requests_at_most(shared_app):
    shared_app.service.requests.clear()
    nu.doctor(shared_app)
    assert len(shared_app.service.requests) <= 12
    assert {method for method, _ in shared_app.service.requests} == {"GET"}


@pytest.mark.parametrize("of_client", ["east", "west"])
@pytest.mark.parametrize("of_service", ["east", "west"])
def test_the_sign_is_found_out_whichever_it_is(small_app, of_client, of_service):
    with demo(small_app, service={"utc_offset_sign": of_service}, utc_offset_sign=of_client) as client:
        row = examine(client).loc["utc_offset_sign"]
    assert row["ok"] == (of_client == of_service)
    assert f'utc_offset_sign="{of_service}"' in row["detail"]


def test_a_service_that_does_not_heed_the_offset_is_found_out(small_app, monkeypatch):
    with demo(small_app) as client:
        get = client.get

        def unheeding(endpoint, *segments, params=None, cached=True):
            return get(endpoint, *segments, params={**params, "utcOffset": 0} if params else None)

        monkeypatch.setattr(client, "get", unheeding)
        row = examine(client).loc["utc_offset_sign"]
    assert not row["ok"]
    assert 'tz="UTC" only' in row["detail"]


@pytest.mark.parametrize("of_client", ["user_id", "_id"])
@pytest.mark.parametrize("of_service", ["user_id", "_id"])
def test_the_id_that_a_path_takes_is_found_out(small_app, of_client, of_service):
    with demo(small_app, service={"user_path": of_service}, user_path=of_client) as client:
        row = examine(client).loc["user_path"]
    assert row["ok"] == (of_client == of_service)
    assert f'user_path="{of_service}"' in row["detail"]


def test_a_list_that_comes_in_pages_is_found_out(small_app):
    with demo(small_app, service={"page_size": 100}) as client:
        row = examine(client).loc["users_total"]
    assert not row["ok"]
    assert "sends 100" in row["detail"]


@pytest.mark.parametrize(("minutes", "side"), [(90, "ahead of"), (-90, "behind")])
def test_a_clock_that_is_wrong_is_found_out(small_app, monkeypatch, minutes, side):
    with demo(small_app) as client:
        monkeypatch.setattr(client, "now", lambda: AUTUMN + dt.timedelta(minutes=minutes))
        row = examine(client).loc["clock"]
    assert not row["ok"]
    assert f"90 minutes {side}" in row["detail"]


def test_a_wrong_token_is_found_out_and_nothing_else_is_asked(small_app):
    with DemoService(small_app, as_of=AUTUMN) as service:
        client = nu.Client(service.app_id, "another", base_url=service.base_url)
        table = examine(client)
        assert len(service.requests) == 1
    assert table["ok"].tolist()[:2] == [True, False]
    assert table["ok"].isna().sum() == 4
    assert "another" not in table["detail"].str.cat()


def test_a_service_that_is_not_there_is_found_out(small_app):
    with demo(small_app) as client:
        client.service.stop()
        client._session.get_adapter(client.service.base_url).transport._sleep = lambda seconds: None
        table = examine(client)
    assert table["ok"].tolist()[0] is False
    assert table["ok"].isna().sum() == 5


def test_an_app_that_nobody_has_used_leaves_open_what_it_cannot_tell(empty_app):
    table = examine(empty_app)
    assert table.loc["utc_offset_sign":"user_path", "ok"].isna().all()
    assert table.loc[["reachable", "authorised", "users_total"], "ok"].all()


def test_no_detail_names_a_person(shared_app):
    details = nu.doctor(shared_app)["detail"].str.cat(sep=" ")
    users = nu.load_users(shared_app)
    assert not any(user in details for user in [*users["user_id"], *users["user_db_id"]])


def test_the_cache_is_told_with_its_place_and_who_can_read_it(small_app, tmp_path):
    with demo(small_app, cache=tmp_path) as client:
        nu.load_totals(client, "2026-10-01", "2026-10-31")
        place = client.cache_info().place
        well = examine(client).loc["cache"]
        place.chmod(0o644)
        open_to_all = examine(client).loc["cache"]
    assert well["ok"]
    assert f"{place} is well. Answers in it: 1;" in well["detail"]
    assert not open_to_all["ok"]
    assert "chmod 600" in open_to_all["detail"]


def test_the_doctor_asks_the_service_and_not_the_cache(small_app, tmp_path):
    with demo(small_app, cache=tmp_path) as client:
        first = nu.doctor(client)
        asked = len(client.service.requests)
        pd.testing.assert_frame_equal(nu.doctor(client), first)
        assert len(client.service.requests) == 2 * asked
        assert client.cache_info().entries == 0


@pytest.mark.parametrize(
    "body", [b"[]", b'{"data": 3}', b'{"data": null}', b'{"data": []}', b'{"ok": true}', b"<!doctype html><p>Log in"]
)
def test_something_that_is_not_the_service_is_found_out(body):
    with FaultServer(answer(body)) as server:
        row = examine(nu.Client("app", "token", base_url=server.url, cache=False)).loc["reachable"]
    assert not row["ok"]


@pytest.mark.parametrize("client", [nu.demo_client, None])
def test_what_is_no_client_is_a_type_error(client):
    with pytest.raises(TypeError, match="pass what demo_client"):
        nu.doctor(client)


def scripted(app, hook):
    """A client of a made-up app whose answers a test may replace."""
    service = ScriptedService(app, as_of=AUTUMN)
    service.hook = hook
    return DemoClient(service)


@pytest.mark.parametrize("usage", [None, []])
def test_sessions_by_day_of_another_shape_are_found_out(small_app, usage):
    def hook(method, target):
        return (200, {"data": {"usage": usage}}) if "/analytics?" in target else None

    with scripted(small_app, hook) as client:
        row = examine(client).loc["utc_offset_sign"]
    assert not row["ok"]
    assert "'usage'" in row["detail"]


def test_a_day_that_is_no_date_does_not_stop_the_doctor(small_app):
    def hook(method, target):
        return (200, {"data": {"usage": {"soon": 10**6}}}) if "/analytics?" in target else None

    with scripted(small_app, hook) as client:
        assert "There is no session" in examine(client).loc["utc_offset_sign", "detail"]


@pytest.mark.parametrize("reply", [(403, {"error": "no"}), (200, {"error": "no"}), (200, {"user": None})])
def test_a_user_who_is_refused_does_not_decide_which_id_a_path_takes(small_app, reply):
    refused = []

    def hook(method, target):
        if "/users/" in target and len(refused) < 2:
            refused.append(target)
            return reply
        return None

    with scripted(small_app, hook) as client:
        assert examine(client).loc["user_path", "ok"]


def test_users_who_are_all_refused_leave_open_which_id_a_path_takes(small_app):
    with scripted(small_app, lambda method, target: (403, {}) if "/users/" in target else None) as client:
        row = examine(client).loc["user_path"]
    assert pd.isna(row["ok"])
    assert "answered for none of the users that were tried" in row["detail"]
