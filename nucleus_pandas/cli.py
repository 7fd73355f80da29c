"""The command ``nucleus-pandas``: results on stdout, progress and errors on stderr.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 incomplete: the same command goes on where it ended.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pandas as pd

import nucleus_pandas as nu
from nucleus_pandas.api.columns import FORMULA_STARTS
from nucleus_pandas.api.windows import parse_zone

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCOMPLETE = 3
_T = TypeVar("_T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code."""
    parsed = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: print(f"nucleus-pandas: {message}", file=sys.stderr)
        return _run(parsed)


def _run(parsed: argparse.Namespace) -> int:
    """Run what was parsed, with errors in a sentence instead of a traceback."""
    try:
        return int(parsed.run(parsed) or 0)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 1
    except nu.ConfigurationError as error:
        print(f"nucleus-pandas: {error}", file=sys.stderr)
        return 2
    except nu.NucleusError as error:
        print(f"nucleus-pandas: {error}", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"nucleus-pandas: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nucleus-pandas",
        description="Product analytics of desktop apps, over the Data API v1 of Nucleus.",
        epilog="example: nucleus-pandas sync myapp.duckdb --start 2026-09-01",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="serve a made-up app on this machine",
        description="Serve a made-up app on 127.0.0.1 until Ctrl-C. It answers like the real service.",
        epilog="example: nucleus-pandas demo --port 8765",
    )
    demo.add_argument("--port", type=int, default=0, help="default: any that is free")
    demo.add_argument("--scale", type=float, default=1.0, help="1 is some 2,500 users and 100,000 events")
    demo.set_defaults(run=_demo)
    export = commands.add_parser(
        "export",
        help="load every table and write it as CSV, with first plots",
        description="Load every table of an app and write it as CSV, with first plots, into one folder. The app is "
        "that of NUCLEUS_APP_ID and NUCLEUS_TOKEN, or the made-up one.",
        epilog="example: nucleus-pandas export --demo -o first_look",
    )
    _add_app(export)
    export.add_argument("-o", "--output", type=Path, required=True, help="folder; made if it does not exist")
    _add_days(export)
    export.add_argument(
        "--users",
        type=_count,
        default=25,
        help="how many users, seen last, to load sessions of; five requests a second",
    )
    export.add_argument(
        "--sessions",
        type=_count,
        default=200,
        help="how many of these, the latest, to load events of; five requests a second",
    )
    export.set_defaults(run=_export)
    doctor = commands.add_parser(
        "doctor",
        help="check the settings and the service",
        description="Check the app of NUCLEUS_APP_ID and NUCLEUS_TOKEN, or the made-up one: is it reachable, do the "
        "settings fit, what does the service do that its reference leaves open. Exit code 1 if something is not well.",
        epilog="example: nucleus-pandas doctor",
    )
    _add_app(doctor)
    doctor.set_defaults(run=_doctor)
    _add_store_commands(commands)
    return parser


def _add_store_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plan = commands.add_parser(
        "plan",
        help="tell what a sync would take",
        description="Tell how many requests and minutes a sync would take. Asks for nothing but the list of users.",
        epilog="example: nucleus-pandas plan myapp.duckdb --start 2026-09-01",
    )
    sync = commands.add_parser(
        "sync",
        help="fetch users, sessions and events into a file",
        description="Fetch what is new into a store, and tell what came. It may be stopped at any moment: the same "
        "command goes on. Exit code 3 if it was stopped, or if something could not be loaded.",
        epilog="example: nucleus-pandas sync myapp.duckdb --start 2026-09-01",
    )
    forget = commands.add_parser(
        "forget",
        help="erase a person, for good",
        description="Erase a person at the service, in a store and in the cache of answers, for good. The id is read "
        "from the keyboard or a pipe, twice, so that it stands in no list of commands.",
        epilog="example: nucleus-pandas forget --store myapp.duckdb",
    )
    for command, run in ((plan, _plan), (sync, _sync)):
        _add_app(command)
        command.add_argument("store", type=Path, help="file of the store, such as myapp.duckdb; made by the first sync")
        _add_days(command)
        command.add_argument("--window", default="7d", help="for how long after the end, too; default: 7d")
        command.add_argument("--sample", type=float, help="follow this share of the users, such as 0.1")
        command.set_defaults(run=run)
    _add_app(forget)
    forget.add_argument("--store", type=Path, help="file of a store to erase the person from")
    forget.set_defaults(run=_forget)


def _add_app(command: argparse.ArgumentParser) -> None:
    command.add_argument("--demo", action="store_true", help="the made-up app instead of yours")


def _add_days(command: argparse.ArgumentParser) -> None:
    command.add_argument("--start", help="first day, such as 2026-09-01; default: 60 days before the end")
    command.add_argument("--end", help="last day; default: today")
    command.add_argument("--tz", default="UTC", help="zone of the days, such as Europe/Paris; default: UTC")


def _date(text: str) -> dt.date | None:
    """The date, or None for what the loaders will refuse with more to say."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 up")
    return int(text)


def _demo(arguments: argparse.Namespace) -> None:
    client = nu.demo_client(scale=arguments.scale, port=arguments.port)
    service = client.service
    print(f"export NUCLEUS_APP_ID={service.app_id}")
    print(f"export NUCLEUS_TOKEN={service.token}")
    print(f"export NUCLEUS_BASE_URL={service.base_url}", flush=True)
    print("Serving a made-up app; the lines above make it yours in another shell. Ctrl-C ends it.", file=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        service.serve_forever()


def _export(arguments: argparse.Namespace) -> None:
    with _client(arguments) as client:
        start, end = _days(arguments, client)
        folder: Path = arguments.output
        # The tables hold people's data: nobody else on the machine needs to read them.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tables = _tables(client, (start, end, arguments.tz), arguments.users, arguments.sessions)
        notes = {
            "sessions": f": all of the {arguments.users} users seen last, of {len(tables['users']):,}; see --users",
            "session_events": f": of the {arguments.sessions} latest of these sessions; see --sessions",
        }
        for name, table in tables.items():
            _defused(table).to_csv(folder / f"{name}.csv", index=False)
            print(f"{name + '.csv':24} {len(table):>8,} rows{notes.get(name, '')}", file=sys.stderr)
        for name in _plot(tables, folder):
            print(name, file=sys.stderr)
    print(folder.resolve())


def _plan(arguments: argparse.Namespace) -> None:
    with _client(arguments) as client:
        print(_of_store(nu.plan_sync, arguments, client))


def _sync(arguments: argparse.Namespace) -> int:
    with _client(arguments) as client:
        try:
            report = _of_store(nu.sync, arguments, client)
        except KeyboardInterrupt:
            print("Stopped. What came is kept; the same command goes on.", file=sys.stderr)
            return _INCOMPLETE
        except (nu.NetworkError, nu.ServiceError, nu.RateLimitError) as error:
            print(f"nucleus-pandas: {error}", file=sys.stderr)
            return _INCOMPLETE
    print(report)
    return _INCOMPLETE if len(report.failures) else 0


def _of_store(call: Callable[..., _T], arguments: argparse.Namespace, client: nu.Client) -> _T:
    """Call `plan_sync` or `sync` with what was asked for."""
    return call(
        client,
        nu.EventStore(arguments.store),
        *_days(arguments, client),
        tz=arguments.tz,
        window=arguments.window,
        sample=arguments.sample,
    )


def _forget(arguments: argparse.Namespace) -> int:
    store = None if arguments.store is None else nu.EventStore(arguments.store)
    with _client(arguments) as client:
        user_id, again = (_line(prompt) for prompt in ("Id of the person: ", "The same once more: "))
        table = nu.forget_user(client, user_id, store=store, confirm=again)
    for place, found, left, detail in table.itertuples(index=False):
        numbers = [
            f"{name} {'?' if pd.isna(number) else number}" for name, number in (("found", found), ("left", left))
        ]
        print(f"{place:24}{numbers[0]:14}{numbers[1]:10}{'' if pd.isna(detail) else detail}".rstrip())
    return int(bool(table["left"].sum()))


def _line(prompt: str) -> str:
    """A line that was typed or piped in; what asks for it is no result."""
    print(prompt, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().rstrip("\r\n")


def _doctor(arguments: argparse.Namespace) -> int:
    with _client(arguments) as client:
        table = nu.doctor(client)
    for check, ok, detail in table.itertuples(index=False):
        print(f"{'?' if pd.isna(ok) else 'ok' if ok else 'NOT OK':7}{check:17}{detail}")
    return int((~table["ok"].fillna(value=True)).any())


def _days(arguments: argparse.Namespace, client: nu.Client) -> tuple[str, str]:
    """First and last day, as given or the latest."""
    today = client.now().astimezone(parse_zone(arguments.tz)).date()
    end = arguments.end or str(today)
    return arguments.start or str((_date(end) or today) - dt.timedelta(days=60)), end


def _client(arguments: argparse.Namespace) -> nu.Client:
    return nu.demo_client() if arguments.demo else nu.Client.from_env()


def _tables(client: nu.Client, span: tuple[str, str, str], users: int, sessions: int) -> dict[str, pd.DataFrame]:
    """Every table by name; sessions of the users seen last, events of the latest of these."""
    start, end, tz = span

    def over_days(load: Callable[..., pd.DataFrame]) -> pd.DataFrame:
        return load(client, start, end, tz=tz)

    tables = {
        "quick_glance": nu.load_quick_glance(client),
        "daily": over_days(nu.load_daily),
        "hours": over_days(nu.load_hours),
        "dimensions": over_days(nu.load_dimensions),
        "totals": over_days(nu.load_totals),
        "events": over_days(nu.load_events),
        "event_properties": over_days(nu.load_event_properties),
        "errors": over_days(nu.load_errors),
        "users": nu.load_users(client),
        "devices": nu.load_devices(client),
        "live_events": nu.load_live_events(client),
        "live_user_count": nu.load_live_user_count(client),
        "live_users": nu.load_live_users(client),
    }
    properties = tables["event_properties"]
    tables["attributes"] = pd.concat(
        [
            nu.load_attribute(client, "init", attribute, start, end, tz=tz)
            for attribute in properties.loc[properties["event"] == "init", "attribute"].dropna().unique()
            if attribute not in (".", "..")  # no path can carry these
        ]
        or [pd.DataFrame(columns=["event", "attribute", "value", "count"])]
    )
    tables["sessions"] = nu.load_sessions(client, _latest(tables["users"], "last_seen", client.now(), users))
    tables["session_events"] = nu.load_session_events(
        client, _latest(tables["sessions"], "start", client.now(), sessions)
    )
    return tables


def _latest(table: pd.DataFrame, column: str, now: dt.datetime, count: int) -> pd.DataFrame:
    """The latest rows. Clocks that run ahead would put the same ones first for ever, so they are passed over."""
    return table[table[column] <= now].sort_values(column, ascending=False).head(count)


def _plot(tables: dict[str, pd.DataFrame], folder: Path) -> list[str]:
    """Write the first plots and give the names of their files."""
    from matplotlib.figure import Figure

    plots: dict[str, Callable[..., Axes]] = {
        "daily": nu.plot_daily,
        "events": nu.plot_events,
        "errors": nu.plot_errors,
        "hours": nu.plot_hours,
        "dimensions": nu.plot_dimensions,
    }
    for name, plot in plots.items():
        figure = Figure(figsize=(9, 4.5), layout="constrained")
        plot(tables[name], ax=figure.add_subplot())
        figure.savefig(folder / f"{name}.png", dpi=150)
    return [f"{name}.png" for name in plots]


def _defused(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a quote before every text that a spreadsheet would run."""

    def defuse(value: object) -> object:
        return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value

    texts = {name: table[name] for name in table if table[name].dtype == "string" or table[name].dtype == object}
    return table.assign(**{str(name): column.astype(object).map(defuse) for name, column in texts.items()})
