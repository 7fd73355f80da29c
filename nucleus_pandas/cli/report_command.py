"""``nucleus-pandas report``: a week, a day or a month as one page."""

from __future__ import annotations

import argparse
import datetime as dt
import re
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import nucleus_pandas as nu
from nucleus_pandas.cli.settings import INCOMPLETE, add_app, add_zone, client_of, store_at, writing_to
from nucleus_pandas.core.calendar import WeekStart
from nucleus_pandas.core.instants import make_date, parse_zone
from nucleus_pandas.events.steps import unknown_event
from nucleus_pandas.report.report import check_page
from nucleus_pandas.report.report_period import make_span, read_report_calendar

# Of the made-up app a quarter of the users: enough to look at, and their store is filled in seconds.
_DEMO_SCALE = 0.25
_DEMO: dict[str, Any] = {"funnel": ["init", "PROJECT_CREATED", "EXPORT_PDF"], "attribute": ("init", "plan")}


def add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    report = commands.add_parser(
        "report",
        help="make the report of a week, a day or a month as one page",
        description="Make the report of a week, a day or a month as one page that works offline. With --store it "
        "follows users, too; sync the store before. With --demo it is of a made-up app, whose store is made as well "
        "unless --store names one. Exit code 3 if something is missing, which the page says, too.",
        epilog="example: nucleus-pandas report --store myapp.duckdb --funnel init PROJECT_CREATED -o week.html",
    )
    add_app(report)
    report.add_argument("-o", "--output", type=Path, required=True, help="file, such as week.html")
    report.add_argument("--store", type=Path, help="file of a store of the app, such as myapp.duckdb")
    report.add_argument("--freq", choices=("D", "W", "M"), default="W", help="day, week or month; default: W")
    report.add_argument("--week-start", choices=get_args(WeekStart), help="first day of weeks; default: monday")
    report.add_argument("--day", help="any day of it, such as 2026-10-19; default: the last one that is over")
    add_zone(report)
    report.add_argument("--funnel", nargs="+", metavar="EVENT", help="steps of a funnel; needs a store")
    report.add_argument("--attribute", nargs=2, metavar=("EVENT", "NAME"), help="an attribute to break down")
    report.add_argument("--compare", choices=("previous", "year", "none"), default="previous", help="default: previous")
    report.add_argument("--title", help="heading of the page, such as the name of the app")
    report.set_defaults(run=_report)


def _report(arguments: argparse.Namespace) -> int:
    _check_output(arguments.output)
    store = _checked_store(arguments)
    asked: dict[str, Any] = {
        "freq": arguments.freq,
        "week_start": arguments.week_start,
        "day": arguments.day,
        "tz": arguments.tz,
        "funnel": arguments.funnel,
        "attribute": None if arguments.attribute is None else tuple(arguments.attribute),
        "compare": None if arguments.compare == "none" else arguments.compare,
        "title": arguments.title,
    }
    if arguments.demo:
        asked |= {name: value for name, value in _DEMO.items() if asked[name] is None}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if arguments.demo and store is None:
            report = _of_demo(arguments, asked)
        else:
            with client_of(arguments) as client:
                report = nu.periodic_report(client, store, **asked)
    # What is true of the period and of the one before is said once.
    for one in {str(one.message): one for one in caught}.values():
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    with writing_to(arguments.output):
        report.save(arguments.output)
    print(arguments.output.resolve())
    return INCOMPLETE if any(issubclass(one.category, nu.IncompleteDataWarning) for one in caught) else 0


def _check_output(page: Path) -> None:
    """Raise where the page could not be written, before it is made."""
    check_page(page)
    if page.is_dir():
        raise ValueError(f"{page} is a folder. Name a file, such as {page / 'week.html'}.")
    with writing_to(page), tempfile.TemporaryFile(dir=page.expanduser().parent):
        pass  # some folders, such as /proc, take no file although they may be written to


def _checked_store(arguments: argparse.Namespace) -> nu.EventStore | None:
    """Check what can be checked before anything is asked for, and give the store."""
    _day_of(arguments)
    if arguments.store is None:
        if arguments.funnel is not None and not arguments.demo:
            raise ValueError("--funnel follows users, which needs --store.")
        return None
    if not arguments.store.exists():
        sync = f"nucleus-pandas sync{' --demo' if arguments.demo else ''} {arguments.store}"
        raise ValueError(f"There is no store {arguments.store}. Fill one with: {sync}, or leave out --store.")
    store = store_at(arguments.store)
    if arguments.funnel is not None:
        events = store.sql("SELECT event FROM events GROUP BY event ORDER BY count(*) DESC, event")["event"]
        _check_funnel(arguments.funnel, events.dropna().tolist())
    return store


def _day_of(arguments: argparse.Namespace) -> dt.date | None:
    """Read the day; a month can be named without one."""
    zone, day = parse_zone(arguments.tz), arguments.day
    if arguments.freq == "M" and day is not None and re.fullmatch(r"\d{4}-\d{2}", day):
        day = f"{day}-01"
    return None if day is None else make_date("day", day, zone)


def _check_funnel(funnel: list[str], events: list[str]) -> None:
    """Raise for a step that is not among the events there are, the most frequent first; a log without any has none."""
    for number, name in enumerate(funnel, 1):
        if events and name not in events:
            raise unknown_event(name, events, f"--funnel, step {number}")


def _of_demo(arguments: argparse.Namespace, asked: dict[str, Any]) -> nu.Report:
    """Make the report of the made-up app, with a store of the months before it."""
    with nu.demo_client(scale=_DEMO_SCALE) as client, tempfile.TemporaryDirectory() as folder:
        events = Counter(event.type for event in client.service.app.events)
        _check_funnel(asked["funnel"], [name for name, _ in events.most_common()])
        store, today = nu.EventStore(Path(folder) / "demo.duckdb"), client.now().date()
        day = _day_of(arguments) or today
        zone = parse_zone(arguments.tz)
        # Raises before the store is filled.
        calendar = read_report_calendar(arguments.freq, arguments.week_start, zone)
        make_span(calendar, _day_of(arguments), client.now(), asked["compare"])
        before = dt.timedelta(days=220 if arguments.freq == "M" else 70)
        nu.sync(client, store, min(day, today) - before, min(day + dt.timedelta(days=31), today))
        return nu.periodic_report(client, store, **asked)
