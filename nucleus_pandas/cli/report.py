"""``nucleus-pandas report``: a week, a day or a month as one page."""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nucleus_pandas as nu
from nucleus_pandas.api.windows import make_date
from nucleus_pandas.cli.settings import INCOMPLETE, add_app
from nucleus_pandas.report.report import check_page

_REPORTS: dict[str, Callable[..., nu.Report]] = {
    "week": nu.weekly_report,
    "day": nu.daily_report,
    "month": nu.monthly_report,
}
# Of the made-up app a quarter of the users: enough to look at, and their store is filled in seconds.
_DEMO_SCALE = 0.25
_DEMO: dict[str, Any] = {"funnel": ["init", "PROJECT_CREATED", "EXPORT_PDF"], "attribute": ("init", "plan")}


def add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    report = commands.add_parser(
        "report",
        help="make the report of a week, a day or a month as one page",
        description="Make the report of a week, a day or a month as one page that works offline. With --store it "
        "follows users, too; sync the store before. With --demo it is of a made-up app, whose store is made as well. "
        "Exit code 3 if something is missing, which the page says, too.",
        epilog="example: nucleus-pandas report --store myapp.duckdb --funnel init PROJECT_CREATED -o week.html",
    )
    add_app(report)
    report.add_argument("-o", "--output", type=Path, required=True, help="file, such as week.html")
    report.add_argument("--store", type=Path, help="file of a store of the app, such as myapp.duckdb")
    report.add_argument("--period", choices=_REPORTS, default="week", help="default: week, from Monday to Sunday")
    report.add_argument("--day", help="any day of it, such as 2026-10-19; default: the last one that is over")
    report.add_argument("--tz", default="UTC", help="zone of the days, such as Europe/Paris; default: UTC")
    report.add_argument("--funnel", nargs="+", metavar="EVENT", help="steps of a funnel; needs a store")
    report.add_argument("--attribute", nargs=2, metavar=("EVENT", "NAME"), help="an attribute to break down")
    report.add_argument("--compare", choices=("previous", "year", "none"), default="previous", help="default: previous")
    report.add_argument("--title", help="heading of the page, such as the name of the app")
    report.set_defaults(run=_report)


def _report(arguments: argparse.Namespace) -> int:
    check_page(arguments.output)
    if arguments.demo and arguments.store is not None:
        raise ValueError("--demo makes a store of its own: leave out --store.")
    if arguments.store is not None and not arguments.store.exists():
        raise ValueError(
            f"There is no store {arguments.store}. Fill one with: nucleus-pandas sync {arguments.store}, or leave out "
            "--store."
        )
    asked: dict[str, Any] = {
        arguments.period: arguments.day,
        "tz": arguments.tz,
        "funnel": arguments.funnel,
        "attribute": None if arguments.attribute is None else tuple(arguments.attribute),
        "compare": None if arguments.compare == "none" else arguments.compare,
        "title": arguments.title,
    }
    make = _REPORTS[arguments.period]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        if arguments.demo:
            of_demo = {name: _DEMO.get(name) if value is None else value for name, value in asked.items()}
            report = _of_demo(make, arguments, of_demo)
        else:
            with nu.Client.from_env() as client:
                report = make(client, None if arguments.store is None else nu.EventStore(arguments.store), **asked)
    for one in told:
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    print(report.save(arguments.output).resolve())
    return INCOMPLETE if any(issubclass(one.category, nu.IncompleteDataWarning) for one in told) else 0


def _of_demo(make: Callable[..., nu.Report], arguments: argparse.Namespace, asked: dict[str, Any]) -> nu.Report:
    """Make the report of the made-up app, with a store of the months before it."""
    with nu.demo_client(scale=_DEMO_SCALE) as client, tempfile.TemporaryDirectory() as folder:
        store, today = nu.EventStore(Path(folder) / "demo.duckdb"), client.now().date()
        day = today if arguments.day is None else make_date("day", arguments.day, dt.UTC)
        before = dt.timedelta(days=220 if arguments.period == "month" else 70)
        nu.sync(client, store, min(day, today) - before, min(day + dt.timedelta(days=31), today))
        return make(client, store, **asked)
