"""What several commands ask for: which app, which days, which store."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import re
from collections.abc import Iterator
from pathlib import Path

import nucleus_pandas as nu
from nucleus_pandas.core.instants import make_interval, parse_zone

#: Exit code of what went through with something missing: the same command, perhaps after a sync, gives more.
INCOMPLETE = 3
# Where a DuckDB file has its mark.
_MARK, _MARK_AT = b"DUCK", 8


def add_app(command: argparse.ArgumentParser) -> None:
    """Let the command be of the made-up app."""
    command.add_argument("--demo", action="store_true", help="the made-up app instead of yours")


def add_zone(command: argparse.ArgumentParser) -> None:
    """Let the command be of days in a zone."""
    command.add_argument("--tz", type=_zone, default="UTC", help="zone of the days, such as Europe/Paris; default: UTC")


def add_days(command: argparse.ArgumentParser) -> None:
    """Let the command be of some days."""
    command.add_argument("--start", help="first day, such as 2026-09-01; default: 60 days before the end")
    command.add_argument("--end", help="last day; default: today")
    add_zone(command)


def _zone(text: str) -> str | int:
    """A name or an offset, such as +0200, as it is; minutes east of Greenwich as a number."""
    return int(text) if re.fullmatch(r"[+-]?\d{1,3}", text) else text


def check_days(arguments: argparse.Namespace) -> None:
    """Raise for days or a zone that cannot be, before anything is loaded."""
    make_interval(arguments.start, arguments.end, arguments.tz)


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


def store_at(path: Path) -> nu.EventStore:
    """Give the store at a path, or raise where there is something else."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder. Name the file of a store, such as {path / 'myapp.duckdb'}.")
    if path.is_file() and os.access(path, os.R_OK):
        with path.open("rb") as file:
            head = file.read(_MARK_AT + len(_MARK))
        if head[_MARK_AT:] != _MARK:
            raise ValueError(f"{path} is not a store. Name a file that nucleus-pandas sync made, or a new one.")
    return nu.EventStore(path)


@contextlib.contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Name in the message of an error what could not be written, and not a file that stands in for it."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror or error}.") from None
