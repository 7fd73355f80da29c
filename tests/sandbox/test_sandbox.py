"""The sandbox as a whole: its file, its port, its token, its end, its command."""

import contextlib
import logging
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests
from websockets.exceptions import ConnectionClosed

import nucleus_pandas as nu
from nucleus_pandas.cli import main
from nucleus_pandas.demo.routes import RefusedError, check_door
from nucleus_pandas.sandbox.storage import Storage
from tests.sandbox.conftest import APP, DAY, HOUR, MINUTE, NOON, Tracker, log_of


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sandbox.db"


def test_a_restart_loses_and_doubles_nothing(path, clock, tmp_path):
    store = nu.EventStore(tmp_path / "store.duckdb")
    queue, before = [], None
    for name in ("A", "B", "C"):
        with nu.Sandbox(path, clock=clock) as sandbox, contextlib.closing(Tracker(sandbox, clock)) as client:
            queue += [] if queue else [client.event("init", userId="ana")]
            queue.append(client.event("event", name, userId="ana"))
            assert len(client.post(*queue)["reportedIds"]) == len(queue)
            with sandbox.client(APP) as app:
                users = nu.load_users(app)
                assert before is None or users["user_db_id"].tolist() == before
                before = users["user_db_id"].tolist()
                assert log_of(app)["event"].tolist() == ["init", "A", "B", "C"][: len(queue)]
                clock.forward(HOUR / 60)
                nu.sync(app, store, "2026-11-20", "2026-11-20")
    assert store.events()["event"].tolist() == ["init", "A", "B", "C"]


def test_the_token_and_the_counts_outlast_a_restart(path, clock):
    seen = []
    for _ in range(2):
        with nu.Sandbox(path, clock=clock) as sandbox, contextlib.closing(Tracker(sandbox, clock)) as client:
            client.track("init", id=1, date=1795176000000)
            seen.append((sandbox.token, sandbox.arrivals().loc[0, "events"]))
    assert seen[0] == seen[1]


def test_without_a_file_each_sandbox_has_a_token_of_its_own(clock):
    with nu.Sandbox(clock=clock) as one, nu.Sandbox(clock=clock) as two:
        assert one.token != two.token


def test_what_was_acknowledged_is_there_after_a_crash(path):
    code = (
        "import json, os, sys, nucleus_pandas as nu\n"
        "from websockets.sync.client import connect\n"
        "sandbox = nu.Sandbox(sys.argv[1]).start()\n"
        "with connect(sandbox.endpoint + '/app/my-app/track') as line:\n"
        "    for number in range(50):\n"
        "        event = {'type': 'init' if not number else 'event', 'name': 'A', 'id': number, 'sessionId': 1}\n"
        "        line.send(json.dumps({'data': [event]})); line.recv()\n"
        "    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
    with nu.Sandbox(path) as sandbox:
        assert sandbox.arrivals().loc[0, "events"] == 50


def test_an_erased_user_is_nowhere_in_the_file_not_even_before_it_is_closed(path, clock):
    secret = "ana-with-an-id-to-be-found@example.org"
    with nu.Sandbox(path, clock=clock) as sandbox, contextlib.closing(Tracker(sandbox, clock)) as client:
        client.track("init", userId=secret, payload={"name": "Ana To Be Found"})
        for number in range(50):
            client.track("event", "A", {"who": secret, "text": f"{secret} {number} " * 40}, userId=secret)
        client.track("init", sessionId=2, deviceId="d2", userId="ben")
        assert any(secret.encode() in file.read_bytes() for file in path.parent.iterdir())
        with sandbox.client(APP) as app:
            app.delete_user(secret, confirm=secret)
        left = [
            file.name
            for file in path.parent.iterdir()
            for text in (secret, "To Be Found")
            if text.encode() in file.read_bytes()
        ]
        assert left == []
    with nu.Sandbox(path, clock=clock) as sandbox, sandbox.client(APP) as app:
        assert nu.load_users(app)["user_id"].tolist() == ["ben"]


def test_forget_user_erases_from_sandbox_and_store(path, clock, tmp_path):
    store = nu.EventStore(tmp_path / "store.duckdb")
    with nu.Sandbox(path, clock=clock) as sandbox, contextlib.closing(Tracker(sandbox, clock)) as client:
        client.track("init", userId="ana")
        clock.forward(HOUR)
        with sandbox.client(APP) as app:
            nu.sync(app, store, "2026-11-20", "2026-11-20")
            assert nu.forget_user(app, "ana", store=store, confirm="ana").set_index("place").loc["service", "left"] == 0
            assert len(nu.load_users(app)) == len(store.users()) == 0


def test_the_file_can_be_read_by_this_account_only(path, clock):
    with nu.Sandbox(path, clock=clock) as sandbox, contextlib.closing(Tracker(sandbox, clock)) as client:
        client.track("init")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_a_file_that_others_could_read_is_made_private(path, clock):
    with nu.Sandbox(path, clock=clock):
        pass
    path.chmod(0o666)
    with nu.Sandbox(path, clock=clock) as sandbox, contextlib.closing(Tracker(sandbox, clock)) as client:
        client.track("init")
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


@pytest.mark.skipif(os.name != "posix", reason="Windows does not delete a file that is open")
def test_nothing_is_acknowledged_once_the_file_is_deleted_or_replaced(path, clock):
    with nu.Sandbox(path, clock=clock) as sandbox, contextlib.closing(Tracker(sandbox, clock)) as client:
        client.track("init")
        path.unlink()
        for _ in range(2):
            assert client.post(client.event("event", "A")) == {"error": "The message could not be stored."}
            path.touch()
        assert "was deleted or moved. Start the sandbox again." in str(sandbox.failures[-1])


def test_a_clock_that_was_ahead_for_a_while_leaves_no_trace(path, clock):
    def look(sandbox):
        with sandbox.client(APP) as app:
            users = nu.load_users(app)
            assert sorted(users["user_id"]) == ["ana", "ben"]
            assert (users["created_at"] <= clock.now).all()
            assert nu.load_live_user_count(app).loc[0, "users"] == 2

    with nu.Sandbox(path, clock=clock) as sandbox:
        clock.forward(400 * DAY)
        for session, user in (("1", "ana"), ("2", "ben")):
            with contextlib.closing(Tracker(sandbox, clock, session=session, device=user, userId=user)) as client:
                client.track("init")
            clock.now = NOON
        look(sandbox)
    with nu.Sandbox(path, clock=clock) as sandbox:
        look(sandbox)
    clock.now = NOON + MINUTE
    with nu.Sandbox(path, clock=clock) as sandbox:
        look(sandbox)


def test_a_file_is_of_one_sandbox_at_a_time(path, clock):
    with nu.Sandbox(path, clock=clock) as first:
        with pytest.raises(nu.StoreLockedError, match="in use by another sandbox"):
            nu.Sandbox(path, clock=clock).start()
        first.arrivals()
    nu.Sandbox(path, clock=clock).start().stop()


def test_what_is_no_sandbox_file_is_refused_and_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all")
    other = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("create table mine (a)")
    (tmp_path / "link.db").symlink_to(other)
    for path, words in (
        (text, "is not the file of a sandbox"),
        (other, "is not the file of a sandbox"),
        (tmp_path, "is a folder"),
        (tmp_path / "nowhere" / "x.db", "does not exist"),
        (tmp_path / "link.db", "symbolic link"),
    ):
        with pytest.raises(nu.ConfigurationError, match=words):
            nu.Sandbox(path).start()
    assert text.read_text() == "not a database at all"
    with contextlib.closing(sqlite3.connect(other)) as connection:
        assert connection.execute("select name from sqlite_master").fetchall() == [("mine",)]


def test_a_damaged_file_is_a_store_error(path, clock):
    with nu.Sandbox(path, clock=clock) as sandbox, contextlib.closing(Tracker(sandbox, clock)) as client:
        for _ in range(100):
            client.track("init", payload={"text": "x" * 500})
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(bytes(content))
    with pytest.raises(nu.StoreError):
        nu.Sandbox(path).start()


def test_a_message_that_cannot_be_stored_is_not_acknowledged(sandbox, tracker, monkeypatch, app):
    client = tracker(userId="ana")
    client.track("init")
    event = client.event("event", "A")

    def full(*_):
        raise nu.StoreError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "_insert", full)
        assert client.post(event) == {"error": "The message could not be stored."}
    assert [str(error) for error in sandbox.failures] == ["The disk is full."]
    sandbox.failures.clear()
    assert client.post(event) == {"reportedIds": [event["id"]]}
    assert log_of(app)["event"].tolist() == ["init", "A"]


def test_an_erasure_that_cannot_be_stored_is_no_bug_and_leaves_the_user(sandbox, tracker, monkeypatch, app):
    tracker(userId="ana").track("init")

    def full(*_):
        raise nu.StoreError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "erase", full)
        url, headers = f"{sandbox.base_url}/apps/{APP}/users/ana", {"Authorization": sandbox.token}
        answer = requests.delete(url, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()) == (500, {"error": "The erasure could not be stored."})
    assert [str(error) for error in sandbox.failures] == ["The disk is full."]
    sandbox.failures.clear()
    assert nu.load_users(app)["user_id"].tolist() == ["ana"]


@pytest.mark.parametrize("token", [None, "", "wrong", "ünï"])
def test_the_data_api_needs_the_token(sandbox, tracker, token):
    tracker(userId="ana").track("init")
    headers = {} if token is None else {"Authorization": token.encode()}
    answer = requests.get(f"{sandbox.base_url}/apps/{APP}/users", headers=headers, timeout=10)
    assert (answer.status_code, list(answer.json())) == (401, ["error"])


def test_on_this_machine_only_it_answers_to_this_machines_names_only(sandbox):
    for path, status in ((f"/api/v1/apps/{APP}/users", 421), (f"/app/{APP}/track", 421)):
        url = f"http://127.0.0.1:{sandbox.port}{path}"
        headers = {"Host": "evil.example", "Authorization": sandbox.token}
        assert requests.get(url, headers=headers, timeout=10).status_code == status


def test_any_address_lets_others_in_and_still_needs_the_token(clock):
    with nu.Sandbox(host="0.0.0.0", clock=clock) as sandbox, contextlib.closing(Tracker(sandbox, clock)) as client:
        client.track("init", userId="ana")
        url = f"http://127.0.0.1:{sandbox.port}/api/v1/apps/{APP}/users"
        assert requests.get(url, headers={"Host": "my-machine"}, timeout=10).status_code == 401
        headers = {"Host": "my-machine", "Authorization": sandbox.token}
        assert requests.get(url, headers=headers, timeout=10).json()["total"] == 1
        with sandbox.client(APP) as app:
            assert len(nu.load_users(app)) == 1


def test_a_client_is_given_for_an_address_in_the_network(clock):
    with nu.Sandbox(clock=clock) as sandbox:
        sandbox.host = "192.0.2.1"
        assert sandbox.client(APP).base_url == f"http://192.0.2.1:{sandbox.port}/api/v1"


def test_a_port_in_use_says_what_to_do(sandbox):
    with pytest.raises(
        nu.ConfigurationError,
        match=rf"Port {sandbox.port} is in use, perhaps by another sandbox\. Stop it, or pass port=0",
    ):
        nu.Sandbox(port=sandbox.port).start()


def test_a_failed_start_leaves_the_file_free(sandbox, path):
    with pytest.raises(nu.ConfigurationError):
        nu.Sandbox(path, port=sandbox.port).start()
    nu.Sandbox(path).start().stop()


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_an_address_of_another_machine_is_refused(host):
    with pytest.raises(nu.ConfigurationError, match="is not an address of this machine"):
        nu.Sandbox(host=host).start()


@pytest.mark.parametrize("port", [-1, 65536, "80", None])
def test_what_is_no_port_is_refused(port):
    with pytest.raises(ValueError, match="port="):
        nu.Sandbox(port=port)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("path", value) for value in (5, True, b"x")),
        ("host", 5),
        ("host", None),
        ("limits", 5),
        ("limits", {"apps": 1}),
        ("clock", NOON),
        ("allow_origins", "*"),
        ("allow_origins", None),
    ],
)
def test_arguments_of_the_wrong_type_are_named(argument, value):
    with pytest.raises(TypeError, match=f"^{argument} must be"):
        nu.Sandbox(**{argument: value})


def test_no_host_is_not_every_host():
    for host in ("", " "):
        with pytest.raises(ValueError, match="host='' is not an address"):
            nu.Sandbox(host=host)


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 80), ("LOCALHOST:80", 80), ("[::1]:81", 81), ("127.9.8.7:81", 81)]
)
def test_the_names_of_this_machine_open_the_door(host, port):
    check_door(host, port)


@pytest.mark.parametrize("host", [None, "", "127.0.0.1", "127.0.0.1:82", "evil.example:81", "[:81", "localhost:x"])
def test_other_names_do_not(host):
    with pytest.raises(RefusedError):
        check_door(host, 81)


@pytest.mark.parametrize("app_id", ["", ".", "..", "a/b", "x" * 65, None])
def test_what_is_no_app_id_is_refused(sandbox, app_id):
    with pytest.raises(ValueError, match="app_id="):
        sandbox.client(app_id)


def test_stopping_says_goodbye_and_stopping_twice_does_nothing(clock):
    sandbox = nu.Sandbox(clock=clock).start()
    client = Tracker(sandbox, clock)
    client.track("init")
    sandbox.stop()
    sandbox.stop()
    with pytest.raises(ConnectionClosed) as closed:
        client.socket.recv(timeout=10)
    assert closed.value.rcvd.code == 1001
    client.close()
    with pytest.raises(nu.ConfigurationError, match="not running"):
        sandbox.arrivals()
    assert "stopped" in repr(sandbox)


def test_a_client_that_does_not_read_does_not_keep_it_from_stopping(clock):
    sandbox = nu.Sandbox(clock=clock).start()
    with socket.create_connection(("127.0.0.1", sandbox.port)) as line:
        line.sendall(b"GET /app/x/track HTTP/1.1\r\nHost: 127")
        thread = threading.Thread(target=sandbox.stop)
        thread.start()
        thread.join(5)
        assert not thread.is_alive()


def test_it_can_be_started_again_on_the_same_port(path, clock):
    sandbox = nu.Sandbox(path, clock=clock)
    ports = set()
    for _ in range(2):
        with sandbox, contextlib.closing(Tracker(sandbox, clock)) as client:
            client.track("init")
            ports.add(sandbox.port)
    assert len(ports) == 1


def test_neither_the_token_nor_an_event_is_in_a_log_or_a_repr(path, clock, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    with nu.Sandbox(path, clock=clock) as sandbox:
        url = f"http://127.0.0.1:{sandbox.port}/app/x/track"
        for body in (b"secret", b'{"data": [{"name": {"secret": 1}, "type": "secret"}]}'):
            assert "secret" not in requests.post(url, data=body, timeout=10).text
        with contextlib.closing(Tracker(sandbox, clock, userId="secret")) as client:
            client.track("init", payload={"secret": "secret"})
            assert "secret" not in str(client.post(client.event("secret", "secret")))
        text = repr(sandbox) + repr(sandbox.client(APP)) + "".join(capfd.readouterr())
        # The client of this test logs what it sends.
        text += "".join(record.getMessage() for record in caplog.records if record.name != "websockets.client")
    assert "secret" not in text
    assert sandbox.token not in text


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "websockets", None)
    for name in [name for name in sys.modules if name.startswith(("websockets.", "nucleus_pandas.sandbox.listener"))]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(nu.ConfigurationError, match=re.escape("pip install 'nucleus-pandas[sandbox]'")):
        nu.Sandbox().start()


def test_the_doctor_finds_nothing_wrong(sandbox, tracker, app):
    tracker(userId="ana").track("init")
    table = nu.doctor(app).set_index("check")
    assert table["ok"].fillna(value=True).all()


class Command:
    """The command in a process of its own."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nucleus_pandas", "sandbox", "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        lines = [self.process.stdout.readline() for _ in range(3)]
        self.settings = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
        self.endpoint = self.settings["NUCLEUS_BASE_URL"].removesuffix("/api/v1").replace("http", "ws")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_stopped(path, clock, monkeypatch, number):
    command = Command("--data", path, "--app-id", APP)
    for name, value in command.settings.items():
        monkeypatch.setenv(name, value)
    with contextlib.closing(Tracker(command, clock, userId="ana@example.org")) as client:
        client.track("init", payload={"secret": "payload"}, date=None)
        for name in (None, None, ["secret"]):
            client.post(client.event("event", name))
        client.say("no JSON")
        with nu.Client.from_env(cache=False) as app:
            assert nu.load_users(app)["user_id"].tolist() == ["ana@example.org"]
    told = ""
    while "my-app: 1 event, 3 events rejected, 1 message rejected" not in told or told.count(": rejected: ") < 3:
        told += command.process.stderr.readline()
    command.process.send_signal(number)
    told += command.process.communicate(timeout=20)[1]
    assert command.process.returncode == 0
    assert f'    Nucleus.init("{APP}", {{ endpoint: "{command.endpoint}" }})' in told
    assert f'    Astrolytics.init("{APP}", {{ endpoint: "{command.endpoint}" }})' in told
    assert f'endpoint: "{command.endpoint.removeprefix("ws://")}", devMode: true' in told
    assert "On other machines" not in told
    for reason in ("name is missing.", "name must be a string.", "The message is not JSON."):
        assert told.count(f"nucleus-pandas: rejected: {reason}\n") == 1
    assert "ana@" not in told
    assert "payload" not in told
    assert "secret" not in told
    assert "allow_http" not in told
    assert not Path(f"{path}-wal").exists()


def test_the_command_says_what_is_wrong_and_exits_with_2(sandbox, tmp_path, capsys):
    assert main(["sandbox", "--port", str(sandbox.port)]) == 2
    said = "is in use, perhaps by another sandbox. Stop it, or pass --port 0 for any free port."
    assert said in capsys.readouterr().err
    assert main(["sandbox", "--port", "0", "--data", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
    assert main(["sandbox", "--port", "0", "--app-id", "a/b"]) == 2
    assert "--app-id a/b must be" in capsys.readouterr().err
    assert main(["sandbox", "--port", "0", "--host", "192.0.2.1"]) == 2
    assert "Leave out --host" in capsys.readouterr().err
    assert main(["sandbox", "--port", "0", "--host", ""]) == 2
    assert "--host '' is not an address. Leave out --host" in capsys.readouterr().err
    assert main(["sandbox", "--port", "0", "--allow-origin", "app.example"]) == 2
    assert "--allow-origin: 'app.example' is not an origin" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.1", "localhost", "LOCALHOST", "::1"])
def test_every_address_of_this_machine_will_do(host, clock):
    try:
        sandbox = nu.Sandbox(host=host, clock=clock).start()
    except nu.ConfigurationError:
        assert host in ("::1", "127.0.0.2")
        pytest.skip("this machine has no such address")
    with sandbox, contextlib.closing(Tracker(sandbox, clock)) as client, sandbox.client(APP) as app:
        assert sandbox.is_loopback
        client.track("init")
        assert len(nu.load_users(app)) == 1
