"""``nucleus-pandas export``: every table as CSV, with first plots."""

from __future__ import annotations

import argparse
import datetime as dt
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

import nucleus_pandas as nu
from nucleus_pandas.cli.settings import add_app, add_days, check_days, client_of, days_of, writing_to
from nucleus_pandas.core.files import write_private
from nucleus_pandas.store.csv_files import write_csv

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Each takes a request, and anyone who can send events can make up attributes.
_MOST_ATTRIBUTES = 50


def add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    export = commands.add_parser(
        "export",
        help="load every table and write it as CSV, with first plots",
        description="Load every table of an app and write it as CSV, with first plots, into one folder. The app is "
        "that of NUCLEUS_APP_ID and NUCLEUS_TOKEN, or the made-up one.",
        epilog="example: nucleus-pandas export --demo -o first_look",
    )
    add_app(export)
    export.add_argument("-o", "--output", type=Path, required=True, help="folder; made if it does not exist")
    add_days(export)
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
    export.add_argument(
        "--excel", action="store_true", help="begin files with a byte order mark, so that Excel reads them as UTF-8"
    )
    export.add_argument("--overwrite", action="store_true", help="write into a folder that has files already")
    export.set_defaults(run=_export)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 up")
    return int(text)


def _export(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.output
    _check_folder(folder, overwrite=arguments.overwrite)
    check_days(arguments)
    with client_of(arguments) as client:
        start, end = days_of(arguments, client)
        # The tables hold people's data: nobody else on the machine needs to read them.
        with writing_to(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tables = _tables(client, (start, end, arguments.tz), arguments.users, arguments.sessions)
        notes = {
            "sessions": f": all of the {arguments.users} users seen last, of {len(tables['users']):,}; see --users",
            "session_events": f": of the {arguments.sessions} latest of these sessions; see --sessions",
        }
        if (attributes := len(_attributes(tables["event_properties"]))) > _MOST_ATTRIBUTES:
            notes["attributes"] = f": of the first {_MOST_ATTRIBUTES} of {attributes:,} attributes of init"
        for name, table in tables.items():
            with writing_to(folder / f"{name}.csv"):
                write_csv([table], folder / f"{name}.csv", excel=arguments.excel)
            print(f"{name + '.csv':24} {len(table):>8,} rows{notes.get(name, '')}", file=sys.stderr)
        for name in _plot(tables, folder):
            print(name, file=sys.stderr)
    print(folder.resolve())


def _check_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise where the tables of an earlier export, or other files, could be lost."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file. Name a folder; it is made if it does not exist.")
    if folder.is_dir() and not overwrite and any(folder.iterdir()):
        raise ValueError(
            f"The folder {folder} is not empty. Name a new one, or add --overwrite to replace the files of an earlier "
            "export; others in it stay as they are."
        )


def _tables(client: nu.Client, span: tuple[str, str, str | int], users: int, sessions: int) -> dict[str, pd.DataFrame]:
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
        "events": over_days(nu.load_event_counts),
        "event_properties": over_days(nu.load_event_properties),
        "errors": over_days(nu.load_error_counts),
        "users": nu.load_users(client),
        "devices": nu.load_devices(client),
        "live_events": nu.load_live_events(client),
        "live_user_count": nu.load_live_user_count(client),
        "live_users": nu.load_live_users(client),
    }
    tables["attributes"] = pd.concat(
        [
            nu.load_attribute(client, "init", attribute, start, end, tz=tz)
            for attribute in _attributes(tables["event_properties"])[:_MOST_ATTRIBUTES]
        ]
        or [pd.DataFrame(columns=["event", "attribute", "value", "count"])]
    )
    tables["sessions"] = nu.load_sessions(client, _latest(tables["users"], "last_seen", client.now(), users))
    tables["session_events"] = nu.load_session_events(
        client, _latest(tables["sessions"], "start", client.now(), sessions)
    )
    return tables


def _attributes(properties: pd.DataFrame) -> list[str]:
    """The attributes of init; without those that no path can carry."""
    found = properties.loc[properties["event"] == "init", "attribute"].dropna().unique()
    return [name for name in found if name not in (".", "..")]


def _latest(table: pd.DataFrame, column: str, now: dt.datetime, count: int) -> pd.DataFrame:
    """The latest rows. Clocks that run ahead would put the same ones first for ever, so they are passed over."""
    return table[table[column] <= now].sort_values(column, ascending=False).head(count)


def _plot(tables: dict[str, pd.DataFrame], folder: Path) -> list[str]:
    """Write the first plots and give the names of their files."""
    from matplotlib.figure import Figure

    plots: dict[str, Callable[..., Axes]] = {
        "daily": nu.plot_daily,
        "events": nu.plot_event_counts,
        "errors": nu.plot_error_counts,
        "hours": nu.plot_hours,
        "dimensions": nu.plot_dimensions,
    }
    for name, plot in plots.items():
        figure = Figure(figsize=(9, 4.5), layout="constrained")
        plot(tables[name], ax=figure.add_subplot())
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=150)
        with writing_to(folder / f"{name}.png"):
            write_private(folder / f"{name}.png", picture.getvalue())
    return [f"{name}.png" for name in plots]
