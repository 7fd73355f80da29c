from __future__ import annotations

import json

import pytest
import requests
import requests_cache

from nucleus_pandas.api.http.adapter import ENDPOINT_HEADER, NucleusAdapter
from nucleus_pandas.api.http.transport import Transport
from nucleus_pandas.exceptions import NotFoundError
from tests.fault_server import LOST, OK, FakeTime, FaultServer, answer, gzipped

PATH = "/apps/5f3e/users/ana%40example.org"
HEADERS = {"Authorization": "tok-Zq7", ENDPOINT_HEADER: "users/:userId"}


@pytest.fixture
def mount():
    sessions = []

    def build(session):
        time = FakeTime()
        transport = Transport(clock=time.clock, sleep=time.sleep, requests_per_second=None)
        for prefix in ("http://", "https://"):
            session.mount(prefix, NucleusAdapter(transport))
        sessions.append(session)
        return session

    yield build
    for session in sessions:
        session.close()


def test_a_session_gets_a_whole_response(mount):
    with FaultServer(LOST, gzipped()) as server:
        response = mount(requests.Session()).get(server.url + PATH, headers=HEADERS)
        assert (response.status_code, response.json(), response.reason) == (200, json.loads(OK), "OK")
        assert (response.ok, response.url, response.encoding) == (True, server.url + PATH, "utf-8")
        assert response.raw.closed
        assert "content-encoding" not in response.headers
        assert len(server.requests) == 2


def test_the_header_that_names_the_endpoint_is_not_sent(mount):
    with FaultServer(answer()) as server:
        mount(requests.Session()).get(server.url + PATH, headers=HEADERS)
        assert server.header(ENDPOINT_HEADER) is None
        assert server.header("Authorization") == "tok-Zq7"


def test_errors_pass_through_a_session_as_they_are(mount):
    with FaultServer(answer(status=404)) as server, pytest.raises(NotFoundError) as caught:
        mount(requests.Session()).get(server.url + PATH, headers=HEADERS)
    assert caught.value.endpoint == "users/:userId"


def test_without_a_named_endpoint_the_whole_path_is_masked(mount):
    with (
        FaultServer(answer(status=404, body=PATH.encode())) as server,
        pytest.raises(NotFoundError) as caught,
    ):
        mount(requests.Session()).get(server.url + PATH)
    assert "ana" not in str(caught.value)
    assert "5f3e" not in str(caught.value)


def test_proxies_of_the_environment_do_not_get_past_the_adapter(mount, monkeypatch):
    with FaultServer(answer()) as proxy, FaultServer(answer()) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        mount(requests.Session()).get(server.url + PATH, headers=HEADERS)
        assert (len(server.requests), proxy.connections) == (1, 0)


def test_no_cookie_of_the_service_reaches_the_jar(mount):
    with FaultServer(answer(headers=[("Set-Cookie", "sid=1")])) as server:
        session = mount(requests.Session())
        session.cookies.set("own", "1", domain="127.0.0.1", path="/")
        response = session.get(server.url + PATH, headers=HEADERS)
        assert (list(response.cookies), len(session.cookies)) == ([], 1)
        assert server.header("Cookie") is None


def test_a_user_who_is_gone_already_is_deleted_with_204(mount):
    with FaultServer(LOST, answer(status=404)) as server:
        response = mount(requests.Session()).delete(server.url + PATH, headers=HEADERS)
        assert (response.status_code, response.reason, response.content) == (204, "Already gone", b"")


def test_a_cached_session_keeps_the_body_and_asks_once(mount):
    with FaultServer(gzipped()) as server:
        session = mount(requests_cache.CachedSession(backend="memory"))
        fresh, kept = (session.get(server.url + PATH, headers=HEADERS) for _ in range(2))
        assert (fresh.from_cache, kept.from_cache) == (False, True)
        assert fresh.content == kept.content == OK
        assert len(server.requests) == 1


def test_closing_the_session_closes_the_transport(mount):
    with FaultServer(answer()) as server:
        session = mount(requests.Session())
        session.get(server.url + PATH, headers=HEADERS)
        session.close()
        assert server.idle
