"""The client: what it refuses before anything is sent, what it sends, and what it never shows."""

import base64
import contextlib
import datetime as dt
import gc
import http.client
import io
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import traceback
from urllib.parse import quote

import pytest
import requests

import nucleus_pandas as nu
from nucleus_pandas.api.client import Client
from nucleus_pandas.api.http.api_request import ApiRequest, token_of
from nucleus_pandas.api.http.transport import Transport
from nucleus_pandas.demo import DemoClient
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.service import DemoService
from tests.conftest import AUTUMN
from tests.fault_server import FaultServer, answer

TOKEN = "s3cr3t-t0ken"


def client_of(service, token=None, **settings):
    return Client(service.app_id, token or service.token, base_url=service.base_url, **settings)


def test_the_environment_makes_a_client(monkeypatch, own_app):
    monkeypatch.setenv("NUCLEUS_APP_ID", own_app.service.app_id)
    monkeypatch.setenv("NUCLEUS_TOKEN", f" {own_app.service.token}\n")
    monkeypatch.setenv("NUCLEUS_BASE_URL", own_app.service.base_url + "/")
    with Client.from_env(tz="Europe/Paris") as client:
        assert len(nu.load_users(client)) > 0
        assert client.tz == "Europe/Paris"


@pytest.mark.parametrize("missing", ["NUCLEUS_APP_ID", "NUCLEUS_TOKEN"])
def test_a_missing_variable_is_named_with_the_way_to_set_it(monkeypatch, missing):
    monkeypatch.setenv("NUCLEUS_APP_ID", "app")
    monkeypatch.setenv("NUCLEUS_TOKEN", TOKEN)
    monkeypatch.setenv(missing, " ")
    with pytest.raises(nu.ConfigurationError) as caught:
        Client.from_env()
    assert f"{missing} is not set" in str(caught.value)
    assert f'export {missing}="..."' in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("http://app.nucleus.sh/api/v1", "over plain http"),
        ("ftp://app.nucleus.sh", "must begin with https://host"),
        ("app.nucleus.sh/api/v1", "must begin with https://host"),
        ("", "must begin with https://host"),
        ("https://user:pw@app.nucleus.sh", "holds a user name"),
        ("https://app.nucleus.sh/api?key=1", "a query"),
        ("https://app.nucleus.sh/api#top", "fragment"),
        ("https://app.nucleus.sh:port/", "is not a URL"),
        ("https://app.nucl eus.sh/", "is not a URL"),
        ("https://*.nucleus.sh/", "is not a URL"),
        (None, "is not a URL"),
    ],
)
def test_a_base_url_that_would_show_the_token_or_is_none_is_refused(base_url, words):
    with pytest.raises(nu.ConfigurationError) as caught:
        Client("app", TOKEN, base_url=base_url)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:1/api/v1", "http://localhost/x", "http://[::1]:8/x", "https://example.org/api/"]
)
def test_plain_http_is_for_this_machine(base_url):
    Client("app", TOKEN, base_url=base_url).close()


def test_plain_http_elsewhere_can_be_asked_for():
    Client("app", TOKEN, base_url="http://example.org/api", allow_http=True).close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"utc_offset_sign": "north"}, 'write one of "east", "west"'),
        ({"user_path": "id"}, 'write one of "user_id", "_id"'),
        ({"max_workers": 0}, "max_workers=0"),
        ({"timeout": 5}, "timeout=5 must be two numbers"),
        ({"timeout": (0, 0)}, "must be two numbers"),
        ({"deadline": 0}, "deadline is 0"),
        ({"requests_per_second": 0}, "requests_per_second is 0"),
        ({"deadline": "5"}, "deadline is '5'"),
        ({"allow_http": "no"}, 'allow_http="no"'),
        ({"tz": "Europe/Pari"}, 'Did you mean "Europe/Paris"'),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused_with_the_valid_ones(settings, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Client("app", TOKEN, **settings)
    assert words in str(caught.value)


def test_settings_beside_a_transport_that_would_not_follow_them_are_refused():
    with pytest.raises(nu.ConfigurationError, match="Transport instead: deadline, verify"):
        Client("app", TOKEN, deadline=5, verify=False, max_workers=2, transport=Transport())


@pytest.mark.parametrize("token", ["", "  \n", "two words", "t\u00f6ken", "a\nb", 5])
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(token):
    with pytest.raises(nu.ConfigurationError) as caught:
        Client("app", token)
    assert not str(token).strip() or str(token) not in str(caught.value)


def test_the_token_is_in_no_repr_and_no_pickle(own_app):
    with client_of(own_app.service) as client:
        shown = [repr(client), str(client), f"{vars(client)}", f"{vars(a_request(client))}"]
        assert not any(own_app.service.token in text for text in shown)
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(client)


def a_request(client):
    root = f"{client.service.base_url}/apps/{client.app_id}" if isinstance(client, DemoClient) else "https://x/apps/a"
    return ApiRequest("GET", root, "users", auth=token_of(TOKEN), asked=AUTUMN)


HOLDERS = {
    "client": lambda client: client,
    "variables of a client": vars,
    "token": lambda client: token_of(TOKEN),
    "header": lambda client: token_of(TOKEN).header(),
    "request": a_request,
    "copy of a request": lambda client: a_request(client).copy(),
    "headers of a request": lambda client: dict(a_request(client).headers),
    "answer": lambda client: client.get("users"),
    "error of requests": lambda client: requests.HTTPError(request=a_request(client)),
    "service": lambda client: client.service,
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
@pytest.mark.parametrize("pickler", [pickle.Pickler, pickle._Pickler], ids=["c", "python"])
@pytest.mark.parametrize("cache", [False, True])
def test_no_pickle_holds_the_token_not_even_an_unfinished_one(tmp_path, holder, pickler, cache):
    service = DemoService(build_app(scale=0.02, end=dt.date(2026, 11, 22)), as_of=AUTUMN, token=TOKEN)
    with DemoClient(service, cache=tmp_path if cache else False) as client:
        held = holder(client)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            file = io.BytesIO()
            with contextlib.suppress(TypeError, AttributeError, NotImplementedError, pickle.PicklingError):
                pickler(file, protocol).dump(held)
            assert TOKEN.encode() not in file.getvalue()
            assert base64.b64encode(TOKEN.encode()) not in file.getvalue()


def test_a_netrc_entry_does_not_replace_the_token(monkeypatch, tmp_path, own_app):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with client_of(own_app.service) as client:
        assert len(nu.load_users(client)) > 0


@pytest.mark.parametrize("app_id", ["", ".", "..", 5, None, "half \ud83d"])
def test_an_app_id_that_no_path_can_carry_is_refused(app_id):
    with pytest.raises(ValueError, match="app_id"):
        Client(app_id, TOKEN)


@pytest.mark.parametrize("user_id", ["", ".", "..", 7, None, "half \ud83d"])
def test_an_id_that_no_path_can_carry_is_refused_before_anything_is_sent(own_app, user_id):
    own_app.service.requests.clear()
    with pytest.raises(ValueError, match="user_id") as caught:
        nu.load_user(own_app, user_id)
    assert len(own_app.service.requests) == 0
    assert "\ud83d" not in str(caught.value)


def test_each_segment_is_quoted_by_itself(own_app):
    ids = [
        "a/b",
        "a b",
        "a?b=1",
        "a#b",
        "a%2Fb",
        "../../users",
        "ana+x@example.org",
        "caf\u00e9",
        "cafe\u0301",
        "\U0001f642",
    ]
    own_app.service.requests.clear()
    for user_id in ids:
        with pytest.raises(nu.NotFoundError):
            nu.load_user(own_app, user_id)
    paths = [path for _, path in own_app.service.requests]
    assert len(set(paths)) == len(ids)
    assert all(path.count("/") == 6 for path in paths)  # /api/v1/apps/demo/users/x
    assert not any(set("?# ") & set(path) for path in paths)


def test_a_wrong_token_is_an_authentication_error_that_says_what_to_check(own_app):
    with client_of(own_app.service, TOKEN) as client, pytest.raises(nu.AuthenticationError) as caught:
        nu.load_users(client)
    error = caught.value
    assert (error.status, error.endpoint, error.retryable) == (401, "users", False)
    assert "NUCLEUS_TOKEN" in str(error)
    assert TOKEN not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("body", [b'{"error": "no"}', b'{"error": "no", "data": null}', b'{"error": {"code": 5}}'])
def test_an_error_in_place_of_data_is_an_error_that_blames_nobody_for_certain(body):
    with FaultServer(answer(body)) as server, pytest.raises(nu.AuthenticationError, match="If other requests are answ"):
        nu.load_users(Client("app", TOKEN, base_url=server.url, cache=False))


def test_an_error_beside_data_is_an_error_as_some_may_be_missing():
    body = b'{"total": 0, "data": [], "error": "half of it"}'
    with FaultServer(answer(body)) as server, pytest.raises(nu.PayloadError, match="an error beside the data"):
        nu.load_users(Client("app", TOKEN, base_url=server.url, cache=False))


@pytest.mark.parametrize("error", [b"null", b"false", b'""'])
def test_no_error_beside_data_is_no_error(error):
    body = b'{"total": 0, "data": [], "error": %b}' % error
    with FaultServer(answer(body)) as server:
        assert nu.load_users(Client("app", TOKEN, base_url=server.url, cache=False)).empty


def test_an_unknown_user_is_a_not_found_error_without_the_id(own_app):
    person = "nobody@example.org"
    with pytest.raises(nu.NotFoundError) as caught:
        nu.load_user(own_app, person)
    assert caught.value.endpoint == "users/:userId"
    assert person not in "".join(traceback.format_exception(caught.value))


def test_a_service_that_is_not_there_is_a_network_error_without_the_path(own_app):
    own_app.service.stop()
    slept = []
    person = "ana@example.org"
    with (
        client_of(own_app.service, cache=False, transport=Transport(sleep=slept.append)) as client,
        pytest.raises(nu.NetworkError) as caught,
    ):
        nu.load_user(client, person)
    assert caught.value.retryable
    assert len(slept) == 4
    assert person not in "".join(traceback.format_exception(caught.value))


def test_erasing_a_user_needs_the_id_twice(own_app):
    user_id = nu.load_users(own_app)["user_id"].iloc[0]
    own_app.service.requests.clear()
    with pytest.raises(ValueError, match="confirm is not the same") as caught:
        own_app.delete_user(user_id, confirm="yes")
    assert len(own_app.service.requests) == 0
    assert user_id not in str(caught.value)


def test_an_erased_user_is_gone(own_app):
    users = nu.load_users(own_app)
    user_id = users["user_id"].iloc[0]
    assert own_app.delete_user(user_id, confirm=user_id) is None
    assert user_id not in set(nu.load_users(own_app)["user_id"])
    with pytest.raises(nu.NotFoundError):
        own_app.delete_user(user_id, confirm=user_id)


def test_the_demo_client_stops_its_service():
    with nu.demo_client(scale=0.02) as app:
        assert len(nu.load_users(app)) > 0
    with pytest.raises(nu.ConfigurationError, match="client is closed"):
        nu.load_users(app)
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", app.service.port)):
        pass


@pytest.mark.parametrize("cached", [False, True])
def test_a_demo_client_that_is_no_longer_used_stops_its_service(tmp_path, cached):
    app = nu.demo_client(scale=0.02, cache=tmp_path if cached else False)
    nu.load_users(app)
    port, thread = app.service.port, app.service._thread
    app = None
    gc.collect()
    for other in threading.enumerate():
        if other.name == "nucleus-demo-stop":
            other.join(10)
    assert not thread.is_alive()
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", port)):
        pass


def test_a_demo_client_that_collects_garbage_in_its_service_s_thread_stops_it_all_the_same(monkeypatch):
    app = nu.demo_client(scale=0.02)
    service, thread, collected = app.service, app.service._thread, threading.Event()
    apps = [app]
    del app

    def drop():
        if apps:
            apps.clear()
            collected.set()

    monkeypatch.setattr(service._server, "service_actions", drop)
    assert collected.wait(10)
    thread.join(10)
    assert not thread.is_alive()


def test_a_demo_port_that_is_taken_is_refused_with_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(
            nu.ConfigurationError, match=f"Port {port} is in use, perhaps by another demo. Stop it, or pass port=0 for"
        ):
            nu.demo_client(scale=0.02, port=port)


def test_the_demo_data_end_today():
    with nu.demo_client(scale=0.1) as app:
        today = app.now().date()
        daily = nu.load_daily(app, today - dt.timedelta(days=6), today)
    assert daily["sessions"].sum() > 0
    assert daily["day"].dt.date.iloc[-1] == today


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scale": "x"}, "scale='x'"),
        ({"scale": 0}, "scale=0"),
        ({"seed": "x"}, "seed='x'"),
        ({"port": 99999}, "port=99999"),
        ({"as_of": "2026-01-01"}, "as_of='2026-01-01'"),
    ],
)
def test_a_made_up_app_that_cannot_be_is_refused(settings, words):
    with pytest.raises((ValueError, TypeError), match=words):
        nu.demo_client(**settings)


def test_the_truth_is_there_also_after_a_client_was_made():
    with nu.demo_client(scale=0.02):
        assert nu.demo.truth(scale=0.02).bad_release


def test_a_demo_clock_without_an_offset_is_refused():
    with pytest.raises(ValueError, match="with a UTC offset"):
        nu.demo_client(as_of=dt.datetime(2026, 11, 1))  # noqa: DTZ001


def test_no_variable_of_a_frame_holds_the_token_when_a_setting_is_refused(monkeypatch):
    monkeypatch.setenv("NUCLEUS_APP_ID", "app")
    monkeypatch.setenv("NUCLEUS_TOKEN", TOKEN)
    for make in (lambda: Client.from_env(tz="Nowhere/Else"), lambda: Client.from_env(timeout=0)):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            make()
        trace = caught.value.__traceback__
        while trace is not None:
            assert TOKEN not in repr(trace.tb_frame.f_locals), trace.tb_frame.f_code.co_name
            trace = trace.tb_next


def test_a_token_that_is_refused_is_in_no_variable_of_the_library():
    with pytest.raises(nu.ConfigurationError) as caught:
        Client("app", "two words")
    trace = caught.value.__traceback__.tb_next
    while trace is not None:
        assert "two words" not in repr(trace.tb_frame.f_locals), trace.tb_frame.f_code.co_name
        trace = trace.tb_next


def test_a_failing_test_that_shows_variables_does_not_show_the_token(own_app, tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "import nucleus_pandas as nu\n"
        "def test_users():\n"
        "    nu.load_users(nu.Client.from_env(cache=False))\n"
        "def test_setting():\n"
        "    nu.Client.from_env(tz='Nowhere')\n"
    )
    environment = os.environ | {
        "NUCLEUS_APP_ID": own_app.service.app_id,
        "NUCLEUS_TOKEN": TOKEN,
        "NUCLEUS_BASE_URL": own_app.service.base_url,
    }
    command = [sys.executable, "-m", "pytest", "--showlocals", "-vv", "--tb=long", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, "test_mine.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "2 failed" in done.stdout
    assert "refused the token" in done.stdout
    assert TOKEN not in done.stdout + done.stderr


def test_neither_token_nor_ids_are_logged_at_any_level(own_app, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    http.client.HTTPConnection.debuglevel = 1
    try:
        users = nu.load_users(own_app)
        nu.load_sessions(own_app, users.head(5), progress=False)
    finally:
        http.client.HTTPConnection.debuglevel = 0
    printed = capfd.readouterr()
    text = caplog.text + printed.out + printed.err
    assert "users/:userId" in text
    assert own_app.service.token not in text
    assert not any(user in text or quote(user, safe="") in text for user in users["user_id"].head(5))
