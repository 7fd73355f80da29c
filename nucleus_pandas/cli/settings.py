"""What several commands ask for: which app, which days."""

from __future__ import annotations

import argparse
import datetime as dt

import nucleus_pandas as nu
from nucleus_pandas.api.windows import parse_zone

#: Exit code of what went through with something missing: the same command, perhaps after a sync, gives more.
INCOMPLETE = 3


def add_app(command: argparse.ArgumentParser) -> None:
    """Let the command be of the made-up app."""
    command.add_argument("--demo", action="store_true", help="the made-up app instead of yours")


def add_days(command: argparse.ArgumentParser) -> None:
    """Let the command be of some days."""
    command.add_argument("--start", help="first day, such as 2026-09-01; default: 60 days before the end")
    command.add_argument("--end", help="last day; default: today")
    command.add_argument("--tz", default="UTC", help="zone of the days, such as Europe/Paris; default: UTC")


def days_of(arguments: argparse.Namespace, client: nu.Client) -> tuple[str, str]:
    """First and last day, as given or the latest."""
    today = client.now().astimezone(parse_zone(arguments.tz)).date()
    end = arguments.end or str(today)
    return arguments.start or str((_date(end) or today) - dt.timedelta(days=60)), end


def _date(text: str) -> dt.date | None:
    """The date, or None for what the loaders will refuse with more to say."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def client_of(arguments: argparse.Namespace) -> nu.Client:
    """Give a client of the made-up app, or of that of the environment."""
    return nu.demo_client() if arguments.demo else nu.Client.from_env()
