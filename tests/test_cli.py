"""The command, run in this process."""

import contextlib
import csv
import dataclasses
import io
import socket
import stat
from pathlib import Path

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.api.http.transport import Transport
from nucleus_pandas.cli import main
from nucleus_pandas.cli.shell_messages import in_shell_terms
from nucleus_pandas.demo.service import DemoService
from tests.conftest import AUTUMN
from tests.demo.handmade import app_of, session, user

TABLES = [
    *("attributes", "daily", "devices", "dimensions", "errors", "event_properties", "events", "hours"),
    *("live_events", "live_user_count", "live_users", "quick_glance", "session_events", "sessions", "totals", "users"),
]
PLOTS = ["daily", "dimensions", "errors", "events", "hours"]


@pytest.fixture
def mine(monkeypatch, own_app):
    """The environment of somebody whose app this is."""
    monkeypatch.setenv("NUCLEUS_APP_ID", own_app.service.app_id)
    monkeypatch.setenv("NUCLEUS_TOKEN", own_app.service.token)
    monkeypatch.setenv("NUCLEUS_BASE_URL", own_app.service.base_url)
    monkeypatch.setattr(nu.Client, "now", lambda self: own_app.service.now())
    monkeypatch.setattr(Transport, "_wait", lambda self, seconds: None)
    return own_app


def test_export_writes_every_table_and_plot_and_prints_where(mine, tmp_path, capsys):
    folder = tmp_path / "deep" / "folder"
    assert main(["export", "-o", str(folder), "--start", "2026-10-01", "--tz", "Europe/Paris"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [f"{name}.csv" for name in TABLES] + [f"{name}.png" for name in PLOTS]
    )
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert capsys.readouterr().out == f"{folder.resolve()}\n"
    exported = pd.read_csv(folder / "daily.csv")
    assert (
        exported["sessions"].tolist()
        == nu.load_daily(mine, "2026-10-01", "2026-11-20", tz="Europe/Paris")["sessions"].to_list()
    )


def test_an_exported_cell_is_no_formula(tmp_path, capsys):
    assert main(["export", "--demo", "-o", str(tmp_path), "--users", "3", "--sessions", "20"]) == 0
    seen = set()
    for path in tmp_path.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            for row in list(csv.reader(file))[1:]:
                seen.update(cell for cell in row if cell.startswith(("=", "+", "-", "@", "'=")))
    assert any(cell.startswith("'=") for cell in seen)
    assert all(cell.startswith("'") or _is_number(cell) for cell in seen)


@pytest.fixture
def line_ends(monkeypatch):
    """The environment of an app with ten users whose ids hold line ends, followed by formulas."""
    ends = ["\r", "\n", "\r\n", "\t", ","]
    who = [user(f"a{number}", f"ana{number}{ends[number % 5]}=1+1", "10-24 10:00") for number in range(10)]
    with nu.demo.DemoClient(DemoService(app_of(*who), as_of=AUTUMN)) as client:
        for name in ("app_id", "token", "base_url"):
            monkeypatch.setenv(f"NUCLEUS_{name.upper()}", getattr(client.service, name))
        monkeypatch.setattr(nu.Client, "now", lambda self: AUTUMN)
        yield who


def test_a_line_end_in_an_id_makes_no_further_row(line_ends, tmp_path, capsys):
    assert main(["export", "-o", str(tmp_path), "--users", "0"]) == 0
    with (tmp_path / "users.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert [row["user_id"] for row in rows] == [who.user_id for who in line_ends]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_files_for_excel_begin_with_a_byte_order_mark(line_ends, tmp_path, capsys):
    assert main(["export", "-o", str(tmp_path), "--users", "0", "--excel"]) == 0
    assert all(path.read_bytes().startswith(b"\xef\xbb\xbf") for path in tmp_path.glob("*.csv"))


def test_any_number_of_attributes_takes_50_requests(monkeypatch, tmp_path, capsys):
    who = user("a1", "ana", "10-24 10:00", init_data={f"k{number:03}": number for number in range(120)})
    session(who, "1", "10-24 10:00")
    with nu.demo.DemoClient(DemoService(app_of(who), as_of=AUTUMN)) as client:
        for name in ("app_id", "token", "base_url"):
            monkeypatch.setenv(f"NUCLEUS_{name.upper()}", getattr(client.service, name))
        monkeypatch.setattr(nu.Client, "now", lambda self: AUTUMN)
        monkeypatch.setattr(Transport, "_wait", lambda self, seconds: None)
        assert main(["export", "-o", str(tmp_path), "--users", "0", "--start", "2026-10-20"]) == 0
        asked = [target for _, target in client.service.requests if "/events/init/" in target]
    assert len(asked) == 50
    assert "of the first 50 of 120 attributes of init" in capsys.readouterr().err


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "-o", "x", "--start", "soon"], "--start 2026-09-01"),
        (["export", "-o", "x", "--tz", "Europe/Pari"], 'Did you mean "Europe/Paris"'),
    ],
)
def test_wrong_use_exits_with_2_and_says_what_to_write(mine, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_without_an_app_it_exits_with_2_and_says_how_to_name_one(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("NUCLEUS_TOKEN", raising=False)
    monkeypatch.setenv("NUCLEUS_APP_ID", "app")
    assert main(["export", "-o", str(tmp_path)]) == 2
    assert "NUCLEUS_TOKEN is not set" in capsys.readouterr().err


def test_a_service_that_refuses_exits_with_1(mine, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("NUCLEUS_TOKEN", "another")
    assert main(["export", "-o", str(tmp_path)]) == 1
    assert "refused the token" in capsys.readouterr().err


def test_demo_prints_the_settings_that_reach_it(monkeypatch, capsys):
    from nucleus_pandas.demo.service import DemoService

    def serve(service):
        settings = dict(line.removeprefix("export ").split("=") for line in capsys.readouterr().out.splitlines())
        client = nu.Client(settings["NUCLEUS_APP_ID"], settings["NUCLEUS_TOKEN"], base_url=settings["NUCLEUS_BASE_URL"])
        assert len(nu.load_users(client)) > 0
        raise KeyboardInterrupt

    monkeypatch.setattr(DemoService, "serve_forever", serve)
    assert main(["demo", "--scale", "0.02"]) == 0


def test_doctor_exits_with_0_when_all_is_well_and_with_1_otherwise(mine, capsys):
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.count("ok ") == 7
    mine.service.utc_offset_sign = "west"
    assert main(["doctor"]) == 1
    assert "NOT OK utc_offset_sign" in capsys.readouterr().out


def test_the_environment_sets_what_the_doctor_says(mine, monkeypatch, capsys):
    mine.service.utc_offset_sign = "west"
    monkeypatch.setenv("NUCLEUS_UTC_OFFSET_SIGN", "west")
    assert main(["doctor"]) == 0


def test_a_warning_is_a_sentence_on_stderr(mine, tmp_path, capsys):
    mine.service.page_size = 10
    assert main(["export", "-o", str(tmp_path), "--users", "2", "--sessions", "2"]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "sent 10" in line]
    assert len(lines) == 2
    assert all(line.startswith("nucleus-pandas: users: the service counts") for line in lines)


SPAN = ["--start", "2026-11-01", "--end", "2026-11-14"]


def test_a_plan_asks_for_the_users_only_and_makes_no_file(mine, tmp_path, capsys):
    assert main(["plan", str(tmp_path / "app.duckdb"), *SPAN]) == 0
    assert "users listed" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert len(mine.service.requests) == 1


def test_a_sync_fills_the_store_and_says_what_came(mine, tmp_path, capsys):
    path = tmp_path / "app.duckdb"
    assert main(["sync", str(path), *SPAN]) == 0
    events = nu.EventStore(path).events("2026-11-01", "2026-11-14")
    assert len(events)
    assert f"{nu.EventStore(path).info().events} events fetched" in " ".join(capsys.readouterr().out.split())


def test_a_sync_that_could_not_load_all_exits_with_3(mine, tmp_path, monkeypatch, capsys):
    sync = nu.sync

    def with_a_failure(*given, **settings):
        report = sync(*given, **settings)
        return dataclasses.replace(report, failures=pd.DataFrame({"reason": ["HTTP 500"]}))

    monkeypatch.setattr(nu, "sync", with_a_failure)
    assert main(["sync", str(tmp_path / "app.duckdb"), *SPAN]) == 3


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 3, "the same command goes on"),
        (nu.NetworkError("No whole answer arrived."), 3, "No whole answer arrived."),
        (nu.AuthenticationError("The token was refused."), 1, "The token was refused."),
    ],
)
def test_a_sync_that_ended_early_says_whether_it_goes_on(mine, tmp_path, monkeypatch, capsys, error, code, words):
    def ended(*_, **__):
        raise error

    monkeypatch.setattr(nu, "sync", ended)
    assert main(["sync", str(tmp_path / "app.duckdb")]) == code
    assert words in capsys.readouterr().err


def test_forget_reads_the_id_twice_and_shows_it_nowhere(mine, tmp_path, monkeypatch, capsys):
    path = tmp_path / "app.duckdb"
    main(["sync", str(path), *SPAN])
    capsys.readouterr()
    someone = nu.EventStore(path).users()["user_id"].iloc[0]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{someone}\n{someone}\n"))
    assert main(["forget", "--store", str(path)]) == 0
    shown = capsys.readouterr()
    assert someone not in shown.out + shown.err
    assert someone not in set(nu.EventStore(path).users()["user_id"])
    assert any(line.startswith("service") and "left 0" in line for line in shown.out.splitlines())
    assert all("  found " in line for line in shown.out.splitlines())


def test_forget_erases_nobody_when_the_second_id_is_another(mine, monkeypatch, capsys):
    someone = nu.load_users(mine)["user_id"].iloc[0]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{someone}\nsomeone else\n"))
    assert main(["forget"]) == 2
    assert "nobody was erased" in capsys.readouterr().err
    assert someone in set(nu.load_users(mine)["user_id"])


@pytest.mark.parametrize("command", [[], ["demo"], ["export"], ["doctor"], ["plan"], ["sync"], ["forget"]])
def test_help_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    assert "example: nucleus-pandas" in capsys.readouterr().out


def test_report_writes_a_page_of_the_app_and_prints_where(mine, tmp_path, capsys):
    page = tmp_path / "week.html"
    assert main(["report", "-o", str(page), "--day", "2026-11-10", "--tz", "Europe/Paris"]) == 0
    assert capsys.readouterr().out == f"{page.resolve()}\n"
    assert page.read_text(encoding="utf-8") == nu.periodic_report(mine, day="2026-11-10", tz="Europe/Paris").to_html()


def test_report_takes_a_store_and_another_period(mine, tmp_path, capsys):
    store, page = tmp_path / "app.duckdb", tmp_path / "day.html"
    assert main(["sync", str(store), "--start", "2026-10-01"]) == 0
    arguments = ["--store", str(store), "--freq", "D", "--compare", "none", "--title", "Ours"]
    assert main(["report", "-o", str(page), *arguments, "--funnel", "init", "PROJECT_CREATED"]) == 0
    text = page.read_text(encoding="utf-8")
    assert "<h1>Ours</h1>" in text
    assert ", 28 days; everybody has had 7 days" in text


def test_report_of_the_made_up_app_has_a_store_of_its_own(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("nucleus_pandas.cli.report_command._DEMO_SCALE", 0.05)
    page = tmp_path / "week.html"
    assert main(["report", "--demo", "-o", str(page)]) == 0
    assert "Beside the 28 days before" in page.read_text(encoding="utf-8")


def test_a_report_in_which_something_is_missing_exits_with_3(mine, tmp_path, capsys):
    store, page = tmp_path / "app.duckdb", tmp_path / "week.html"
    assert main(["sync", str(store), "--start", "2026-11-11", "--end", "2026-11-15"]) == 0
    assert main(["report", "-o", str(page), "--store", str(store)]) == 3
    assert "What is missing" in page.read_text(encoding="utf-8")
    assert "holds only 2026-11-11 to 2026-11-15" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "week.pdf", "--demo"], "name the file week.html"),
        (["-o", "week.html", "--store", "none.duckdb"], "nucleus-pandas sync none.duckdb"),
        (["-o", "week.html", "--store", "none.duckdb", "--demo"], "nucleus-pandas sync --demo none.duckdb"),
        (["-o", "week.html", "--tz", "Mars"], "--tz Mars is not in the zone database"),
        (["-o", "week.html", "--day", "9999-12-31"], "--day 9999-12-31 lies outside the years 1900 to 2200"),
        (["-o", "week.html", "--funnel", "init"], "--funnel follows users, which needs --store"),
        (["-o", "week.html", "--day", "2027-01-01"], "no day of that week is over yet"),
    ],
)
def test_a_report_that_cannot_be_made_exits_with_2_before_anything_is_asked(
    mine, tmp_path, monkeypatch, capsys, arguments, words
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nu.Client, "get", lambda *_, **__: pytest.fail("asked"))
    assert main(["report", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"nucleus-pandas {nu.__version__}\n"


def test_a_path_that_the_terminal_cannot_show_is_no_failure(mine, tmp_path, monkeypatch):
    page, shown = tmp_path / "\u017c\udcff.html", io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr("sys.stdout", shown)
    assert main(["report", "-o", str(page), "--day", "2026-11-10"]) == 0
    shown.flush()
    assert shown.buffer.getvalue().strip().endswith(rb"\u017c\udcff.html")
    assert shown.errors == "strict"
    assert page.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "-o", "week.html", "--store", "table.csv"],
        ["plan", "table.csv"],
        ["sync", "table.csv"],
        ["forget", "--store", "table.csv"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_file_that_is_no_store_is_named_before_anything_is_asked(mine, tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nu.Client, "get", lambda *_, **__: pytest.fail("asked"))
    (tmp_path / "table.csv").write_text("user_id,event\nana,init\n")
    assert main(arguments) == 2
    assert "table.csv is not a store." in capsys.readouterr().err
    assert (tmp_path / "table.csv").read_text() == "user_id,event\nana,init\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "-o", "folder.html"], "folder.html is a folder. Name a file"),
        (["export", "-o", "file"], "file is a file. Name a folder"),
        (["export", "-o", "full"], "The folder full is not empty. Name a new one, or add --overwrite"),
        (["sync", "folder.html"], "folder.html is a folder. Name the file of a store"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_named_before_anything_is_asked(
    mine, tmp_path, monkeypatch, capsys, arguments, words
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nu.Client, "get", lambda *_, **__: pytest.fail("asked"))
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_an_export_replaces_the_files_of_an_earlier_one_only_when_asked_to(line_ends, tmp_path, capsys):
    (tmp_path / "users.csv").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["export", "-o", str(tmp_path), "--users", "0"]) == 2
    assert (tmp_path / "users.csv").read_text() == "mine"
    assert main(["export", "-o", str(tmp_path), "--users", "0", "--overwrite"]) == 0
    assert (tmp_path / "users.csv").read_text() != "mine"
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_error_of_the_system_is_written_without_its_number(mine, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    assert main(["export", "-o", str(tmp_path / "file" / "folder")]) == 1
    assert f"{tmp_path / 'file' / 'folder'} cannot be written: Not a directory." in capsys.readouterr().err


def test_a_step_that_the_store_has_no_event_for_is_named_before_the_service_is_asked(
    mine, tmp_path, monkeypatch, capsys
):
    store = tmp_path / "app.duckdb"
    assert main(["sync", str(store), *SPAN]) == 0
    monkeypatch.setattr(nu.Client, "get", lambda *_, **__: pytest.fail("asked"))
    asked = ["--store", str(store), "--funnel", "init", "EXPORT_PFD"]
    assert main(["report", "-o", str(tmp_path / "week.html"), *asked]) == 2
    shown = capsys.readouterr().err
    assert '--funnel, step 2: there is no event "EXPORT_PFD". Did you mean "EXPORT_PDF"' in shown


def test_a_step_that_the_made_up_app_has_no_event_for_is_named_before_its_store_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("nucleus_pandas.cli.report_command._DEMO_SCALE", 0.02)
    monkeypatch.setattr(nu, "sync", lambda *_, **__: pytest.fail("synced"))
    assert main(["report", "--demo", "-o", str(tmp_path / "week.html"), "--funnel", "init", "NOPE"]) == 2
    assert '--funnel, step 2: there is no event "NOPE"' in capsys.readouterr().err


def test_an_attribute_that_was_not_reported_is_told_once_and_exits_with_3(mine, tmp_path, capsys):
    page = tmp_path / "week.html"
    assert main(["report", "-o", str(page), "--day", "2026-11-10", "--attribute", "init", "nope"]) == 3
    assert capsys.readouterr().err.count('"nope" of the event "init" was not reported') == 1
    assert "What is missing" in page.read_text(encoding="utf-8")


def test_a_report_of_the_made_up_app_takes_a_store_that_was_synced_from_it(mine, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(nu, "demo_client", lambda **_: contextlib.nullcontext(mine))
    store, page = tmp_path / "app.duckdb", tmp_path / "week.html"
    assert main(["sync", "--demo", str(store), "--start", "2026-10-01"]) == 0
    assert main(["report", "--demo", "--store", str(store), "-o", str(page)]) == 0
    assert "From the store" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("message", "of_shell"),
    [
        ('start="2026-09-01" is not a date', "--start 2026-09-01 is not a date"),
        ("day='soon' is not a date", "--day soon is not a date"),
        ("minutes east (tz=345).", "minutes east (--tz 345)."),
        ('pass its steps: funnel=["init", "PROJECT_CREATED"].', "pass its steps: --funnel init PROJECT_CREATED."),
        ('attribute=("init", "plan")', "--attribute init plan"),
        ('start="a b"', '--start "a b"'),
        ("Write https://, or set allow_http=True if you must.", "Write https://."),
        ("base_url must begin with https://host", "NUCLEUS_BASE_URL must begin with https://host"),
        ("restart=1 and trend=2 stay", "restart=1 and trend=2 stay"),
    ],
)
def test_messages_name_options_in_place_of_arguments(message, of_shell):
    assert in_shell_terms(message) == of_shell


def test_minutes_east_are_a_zone(mine, tmp_path, capsys):
    assert main(["report", "-o", str(tmp_path / "week.html"), "--day", "2026-11-10", "--tz", "120"]) == 0


def test_a_port_that_is_taken_is_told_in_a_sentence(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert main(["demo", "--scale", "0.02", "--port", str(port)]) == 2
    assert f"Port {port} is in use" in capsys.readouterr().err


@pytest.mark.parametrize("tz", ["-05:00", "-0500", "-300"])
def test_a_zone_to_the_west_can_be_written_as_an_offset(tz, tmp_path, capsys):
    output = ["-o", str(tmp_path / "day.html")]
    assert main(["report", "--demo", "--tz", tz, "--freq", "D", "--day", "2199-01-01", *output]) == 2
    assert "--day 2199-01-01: that day is not over yet. Pass an earlier one" in capsys.readouterr().err


def test_a_place_that_takes_no_page_is_refused_before_anything_is_loaded(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["report", "--demo", "-o", str(tmp_path / "file" / "week.html")]) == 2
    assert "file is a file, not a folder" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
def test_a_folder_that_only_seems_to_take_files_is_refused_before_anything_is_loaded(capsys, monkeypatch):
    monkeypatch.setattr(nu, "demo_client", None)
    assert main(["report", "--demo", "-o", "/proc/week.html"]) == 1
    assert "/proc/week.html cannot be written" in capsys.readouterr().err


def test_a_setting_is_named_once():
    told = in_shell_terms("Check the network, and the address: base_url of Client, or NUCLEUS_BASE_URL.")
    assert told == "Check the network, and the address: NUCLEUS_BASE_URL."
    assert in_shell_terms("set user_path of Client") == "set NUCLEUS_USER_PATH"
