"""The command ``nucleus-pandas tracking-check``, run in this process."""

import importlib.util
import json
import socket
from functools import partial

import pandas as pd
import pytest
import requests

import nucleus_pandas as nu
from nucleus_pandas.cli import main, tracking_command
from nucleus_pandas.demo.service import DemoService
from tests.conftest import AUTUMN
from tests.demo.handmade import app_of, session, user
from tests.store.conftest import quiet_sync

needs_websockets = pytest.mark.skipif(
    importlib.util.find_spec("websockets") is None, reason="the sandbox needs websockets"
)
MET = """
[events.SAVED]
required.size = "integer"
"""
WRONG = """
[events.SAVED]
required.size = ["S", "M"]
required.name = "string"

[events.PRINTED]
"""


def saved(*names):
    """An app with one user, who sent some events."""
    ana = user("a", "ana@example.org", "10-24 10:00")
    session(ana, "1", "10-24 10:00", *((60 + place, name, {"size": 3}) for place, name in enumerate(names)))
    return app_of(ana)


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(content):
        (tmp_path / "plan.toml").write_text(content, encoding="utf-8")
        return "plan.toml"

    return write


@pytest.fixture
def serve(monkeypatch):
    """Makes an app that of the environment."""
    clients = []

    def start(app):
        client = nu.demo.DemoClient(DemoService(app, as_of=AUTUMN))
        clients.append(client)
        for name in ("app_id", "token", "base_url"):
            monkeypatch.setenv(f"NUCLEUS_{name.upper()}", getattr(client.service, name))
        monkeypatch.setattr(nu.Client, "now", lambda self: AUTUMN)
        return client

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def store(tmp_path):
    """Makes a store of an app."""

    def make(app):
        made = nu.EventStore(tmp_path / "app.duckdb")
        with nu.demo.DemoClient(DemoService(app, as_of=AUTUMN)) as client:
            quiet_sync(client, made)
        return str(made.path)

    return make


def test_a_plan_that_is_met_is_a_success(plan, store, capsys):
    assert main(["tracking-check", plan(MET), "--store", store(saved("SAVED", "SAVED"))]) == 0
    captured = capsys.readouterr()
    assert captured.out == "plan.toml: no problems in 3 events of 1 user.\n"
    assert captured.err == ""


def test_problems_are_a_table(plan, store, capsys):
    assert main(["tracking-check", plan(WRONG), "--store", store(saved("SAVED", "SHARED"))]) == 1
    verdict, empty, *table = capsys.readouterr().out.splitlines()
    assert verdict == "plan.toml: 4 problems in 3 events of 1 user."
    assert empty == ""
    rows = [[cell.strip() for cell in row.split("  ") if cell.strip()] for row in table]
    assert rows == [
        ["problem", "event", "property", "expected", "found", "events", "users", "versions"],
        ["wrong type", "SAVED", "size", '"S" or "M"', "integer", "1 of 1", "1", "1.0.0"],
        ["missing property", "SAVED", "name", "string", "1 of 1", "1", "1.0.0"],
        ["missing event", "PRINTED", "at least 1", "0"],
        ["unexpected event", "SHARED", "1", "1", "1.0.0"],
    ]
    assert len({row.index(rows[0][1]) for row in table[:1]} | {row.find("SAVED") for row in table[1:3]}) == 1


def test_problems_as_markdown(plan, store, capsys):
    arguments = ["--store", store(saved("SAVED")), "--format", "markdown"]
    assert main(["tracking-check", plan('[events.SAVED]\noptional.size = "string"'), *arguments]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "`plan.toml`: 1 problem in 2 events of 1 user.",
        "",
        "| problem | event | property | expected | found | events | users | versions |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| wrong type | `SAVED` | `size` | `string` | `integer` | 1 of 1 | 1 | `1.0.0` |",
    ]


def test_problems_as_json(plan, store, capsys):
    arguments = ["--store", store(saved("SAVED")), "--format", "json"]
    assert main(["tracking-check", plan('[events.SAVED]\noptional.size = "string"'), *arguments]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "plan": "plan.toml",
        "met": False,
        "events": 2,
        "users": 1,
        "problems": [
            {
                "event": "SAVED",
                "property": "size",
                "problem": "wrong type",
                "expected": "string",
                "found": "integer",
                "count": 1,
                "events": 1,
                "users": 1,
                "first_version": "1.0.0",
                "last_version": "1.0.0",
            }
        ],
    }


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("text", "plan.toml: no problems in 2 events of 1 user.\n"),
        ("markdown", "`plan.toml`: no problems in 2 events of 1 user.\n"),
    ],
)
def test_a_plan_that_is_met_has_no_table(plan, store, capsys, form, expected):
    assert main(["tracking-check", plan(MET), "--store", store(saved("SAVED")), "--format", form]) == 0
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_of_an_app_that_nobody_used_nothing_can_be_judged(plan, serve, capsys, form):
    serve(app_of())
    assert main(["tracking-check", plan(MET), "--sandbox", "--format", form]) == 3
    out = capsys.readouterr().out
    if form == "json":
        found = json.loads(out)
        assert found["met"] is None
        assert [problem["problem"] for problem in found["problems"]] == ["missing event"]
    else:
        assert out.endswith("nothing has arrived yet.\n")


def test_an_interval_without_events_is_nothing_that_arrived(plan, store, capsys):
    arguments = ["--store", store(saved("SAVED")), "--start", "2026-10-26", "--end", "2026-10-26"]
    assert main(["tracking-check", plan(MET), *arguments]) == 3
    assert "nothing has arrived yet" in capsys.readouterr().out


def test_a_service_is_asked_for_what_arrived(plan, serve, capsys):
    client = serve(saved("SAVED"))
    assert main(["tracking-check", plan(MET), "--sandbox"]) == 0
    assert main(["tracking-check", plan(WRONG), "--sandbox", client.service.base_url]) == 1
    assert "missing event" in capsys.readouterr().out


def test_a_store_that_lacks_events_meets_no_plan(plan, store, capsys, monkeypatch):
    file = store(saved("SAVED"))
    info = nu.EventStore.info
    monkeypatch.setattr(nu.EventStore, "info", lambda self: info(self)._replace(missing_sessions=1))
    assert main(["tracking-check", plan(MET), "--store", file]) == 3
    assert capsys.readouterr().out == "plan.toml: no problems in 2 events of 1 user. Not all events could be loaded.\n"
    assert main(["tracking-check", plan(WRONG), "--store", file]) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "none.toml: No such file or directory."),
        ("[events", "plan.toml is not TOML"),
        ("[event.A]", 'Did you mean "events"?'),
    ],
)
def test_what_is_wrong_with_a_plan_is_told_before_anything_is_loaded(plan, capsys, content, message):
    file = "none.toml" if content is None else plan(content)
    assert main(["tracking-check", file, "--store", "none.duckdb"]) == 2
    assert message in capsys.readouterr().err


def test_a_failure_is_no_problem_of_the_plan(plan, serve, capsys, monkeypatch):
    assert main(["tracking-check", plan(MET), "--store", "none.duckdb"]) == 2
    assert "none.duckdb" in capsys.readouterr().err
    serve(saved("SAVED"))
    monkeypatch.setenv("NUCLEUS_TOKEN", "wrong")
    assert main(["tracking-check", plan(MET), "--sandbox"]) == 2
    assert "nucleus-pandas: " in capsys.readouterr().err
    for name in ("APP_ID", "TOKEN", "BASE_URL"):
        monkeypatch.delenv(f"NUCLEUS_{name}")
    assert main(["tracking-check", plan(MET), "--sandbox"]) == 2


def test_a_sandbox_is_named_before_anything_is_sent_elsewhere(plan, capsys, monkeypatch):
    monkeypatch.setenv("NUCLEUS_APP_ID", "mine")
    monkeypatch.setenv("NUCLEUS_TOKEN", "secret")
    monkeypatch.delenv("NUCLEUS_BASE_URL", raising=False)
    assert main(["tracking-check", plan(MET), "--sandbox"]) == 2
    assert "NUCLEUS_BASE_URL is not set" in capsys.readouterr().err


@pytest.mark.parametrize("url", [nu.NUCLEUS_URL, nu.ASTROLYTICS_URL, "https://example.org/api/v1"])
def test_the_service_is_not_taken_for_a_sandbox(plan, capsys, monkeypatch, url):
    for name, value in (("APP_ID", "mine"), ("TOKEN", "secret"), ("BASE_URL", url)):
        monkeypatch.setenv(f"NUCLEUS_{name}", value)
    monkeypatch.setattr(nu, "sync", None)
    for arguments in ([], [url]):
        assert main(["tracking-check", plan(MET), "--sandbox", *arguments]) == 2
        assert f"{url} is not on this machine, so it is no sandbox" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["--store", "a.duckdb", "--sandbox"], ["--sandbox", "--wait", "-1"], ["--sandbox", "--wait", "nan"]],
    ids=str,
)
def test_wrong_use_is_told_with_the_usage(plan, capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["tracking-check", plan(MET), *arguments])
    assert stopped.value.code == 2


def test_a_store_does_not_change_while_one_waits(plan, store, capsys):
    assert main(["tracking-check", plan(MET), "--store", store(saved("SAVED")), "--wait", "5"]) == 2
    assert "--wait is for a running sandbox" in capsys.readouterr().err


HOSTILE = [
    "a|b",
    "a`b",
    "a\\|b",
    "<b>x</b>",
    "::error::x",
    "##[error]x",
    "##vso[task.setvariable]x",
    "a\r\nb",
    "\u202egnp.exe",
    "[x](http://example.org)",
    "x" * 500,
]


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_names_can_neither_break_a_line_nor_be_commands(plan, store, capsys, form):
    file = store(saved("SAVED", *HOSTILE))
    assert main(["tracking-check", plan(MET), "--store", file, "--format", form]) == 1
    out = capsys.readouterr().out
    assert not [char for char in out if not char.isprintable() and char != "\n"]
    assert "##" not in out
    lines = out.splitlines()
    assert not [line for line in lines if line.lstrip().startswith("::")]
    if form == "json":
        names = {problem["event"] for problem in json.loads(out)["problems"]}
        assert names == set(HOSTILE)
        return
    assert len(lines) == {"text": 3, "markdown": 4}[form] + len(HOSTILE)
    assert all(len(line) < 500 for line in lines)
    if form == "markdown":
        rows = lines[4:]
        assert {row.replace("\\|", "").count("|") for row in rows} == {9}
        assert {row.count("`") % 2 for row in rows} == {0}
        assert "<code>a&#92;&#92;&#124;b</code>" in out or "<code>a&#92;&#124;b</code>" in out


def test_a_long_table_is_cut_and_json_is_not(plan, store, capsys):
    file = store(saved("SAVED", *(f"EVENT{number}" for number in range(120))))
    for form, lines in (("text", 105), ("markdown", 106)):
        assert main(["tracking-check", plan(MET), "--store", file, "--format", form]) == 1
        out = capsys.readouterr().out.splitlines()
        assert out[-1] == "20 more problems: --format json lists all."
        assert len(out) == lines
    assert main(["tracking-check", plan(MET), "--store", file, "--format", "json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 120


class Clock:
    """A clock that only sleep moves."""

    def __init__(self):
        self.time = 0.0

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


def checked(*problems, events=5, incomplete=False):
    return tracking_command._Checked(pd.DataFrame({"problem": list(problems)}, dtype=object), events, 1, incomplete)


@pytest.mark.parametrize(
    ("looks", "waited"),
    [
        ([checked()], 0.0),
        ([checked("wrong type", "unexpected event")], 0.0),
        ([checked("missing event", "wrong type"), checked("wrong type")], 0.5),
        ([checked("missing event", events=0), checked("missing event"), checked()], 1.0),
        ([checked(incomplete=True), checked()], 0.5),
        ([checked("missing event")] * 6, 2.2),
    ],
    ids=["met", "wrong", "arrives", "begins", "loads", "never arrives"],
)
def test_waiting_ends_when_nothing_is_missing_or_the_time_is_up(looks, waited):
    clock, left = Clock(), list(looks)
    found = tracking_command.look_until(lambda: left.pop(0), 2.2, now=clock.now, sleep=clock.sleep)
    assert found is looks[-1]
    assert not left
    assert clock.time == pytest.approx(waited)


def test_without_waiting_there_is_one_look():
    found = checked("missing event")
    assert tracking_command.look_until([found].pop, 0) is found


def report(sandbox, app_id, *names):
    """Report a session with some events to a sandbox."""
    same = {"sessionId": 1234, "deviceId": "device", "userId": "ana"}
    events = [{"type": "init", **same}, *({"name": name, "payload": {"size": 3}, **same} for name in names)]
    url = f"{sandbox.endpoint.replace('ws', 'http', 1)}/app/{app_id}/track"
    requests.post(url, json={"data": events}, timeout=10).raise_for_status()


@needs_websockets
def test_a_running_sandbox_is_checked(plan, monkeypatch, capsys):
    with nu.Sandbox() as sandbox:
        for name, value in (("APP_ID", "mine"), ("TOKEN", sandbox.token), ("BASE_URL", sandbox.base_url)):
            monkeypatch.setenv(f"NUCLEUS_{name}", value)
        assert main(["tracking-check", plan(MET), "--sandbox"]) == 3
        report(sandbox, "mine", "SAVED")
        assert main(["tracking-check", plan(MET), "--sandbox", "--wait", "20"]) == 0
        assert main(["tracking-check", plan(WRONG), "--sandbox", sandbox.base_url]) == 1
    assert "plan.toml: no problems in 2 events of 1 user." in capsys.readouterr().out


@needs_websockets
def test_events_that_arrive_while_one_waits_count(plan, monkeypatch, capsys):
    monkeypatch.setattr(
        tracking_command, "look_until", partial(tracking_command.look_until, sleep=lambda seconds: None)
    )
    sync, arriving = nu.sync, [["OTHER"], ["OTHER"], ["SAVED"]]
    with nu.Sandbox() as sandbox:
        for name, value in (("APP_ID", "mine"), ("TOKEN", sandbox.token), ("BASE_URL", sandbox.base_url)):
            monkeypatch.setenv(f"NUCLEUS_{name}", value)

        def sync_and_report(*arguments, **settings):
            sync(*arguments, **settings)
            if arriving:
                report(sandbox, "mine", *arriving.pop(0))

        monkeypatch.setattr(nu, "sync", sync_and_report)
        assert main(["tracking-check", plan(f"allow_other_events = true{MET}"), "--sandbox", "--wait", "60"]) == 0
    assert not arriving
    assert "no problems in" in capsys.readouterr().out


@needs_websockets
def test_the_file_of_a_sandbox_is_checked_without_its_token(plan, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("NUCLEUS_APP_ID", raising=False)
    file = str(tmp_path / "sandbox.db")
    with nu.Sandbox(file) as sandbox:
        assert main(["tracking-check", plan(MET), "--sandbox", file]) == 2  # it is in use
        report(sandbox, "mine", "SAVED")
    assert main(["tracking-check", plan(MET), "--sandbox", file]) == 0
    with nu.Sandbox(file) as sandbox:
        report(sandbox, "other", "PRINTED")
    assert main(["tracking-check", plan(MET), "--sandbox", file]) == 2
    assert 'events of several apps: "mine", "other". Set NUCLEUS_APP_ID' in capsys.readouterr().err
    monkeypatch.setenv("NUCLEUS_APP_ID", "other")
    assert main(["tracking-check", plan(MET), "--sandbox", file]) == 1


@needs_websockets
def test_the_file_of_a_sandbox_that_nobody_used_is_empty(plan, tmp_path, monkeypatch):
    monkeypatch.delenv("NUCLEUS_APP_ID", raising=False)
    file = tmp_path / "sandbox.db"
    with nu.Sandbox(file):
        pass
    assert main(["tracking-check", plan(MET), "--sandbox", str(file)]) == 3


def test_a_sandbox_that_is_no_file_is_not_made(plan, tmp_path, capsys):
    assert main(["tracking-check", plan(MET), "--sandbox", "none.db"]) == 2
    assert "none.db does not exist" in capsys.readouterr().err
    assert not (tmp_path / "none.db").exists()


def test_a_file_does_not_change_while_one_waits(plan, capsys):
    assert main(["tracking-check", plan(MET), "--sandbox", "sandbox.db", "--wait", "5"]) == 2
    assert "--wait is for a running sandbox" in capsys.readouterr().err


def test_a_sandbox_that_does_not_run_is_named(plan, capsys, monkeypatch):
    monkeypatch.setenv("NUCLEUS_APP_ID", "my-app")
    monkeypatch.setenv("NUCLEUS_TOKEN", "token")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    assert main(["tracking-check", plan(MET), "--sandbox", f"http://{address}/api/v1"]) == 2
    assert capsys.readouterr().err == f"nucleus-pandas: No connection to {address}. Is the sandbox running?\n"
