"""``nucleus-pandas tracking-check``: the events that arrived, checked against a tracking plan."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

import nucleus_pandas as nu
from nucleus_pandas.analysis.tracking_plan import read_plan
from nucleus_pandas.api.http.addresses import is_loopback
from nucleus_pandas.cli.settings import INCOMPLETE, add_zone, check_days, store_at
from nucleus_pandas.cli.shell_messages import tell
from nucleus_pandas.core.instants import make_interval, microseconds
from nucleus_pandas.core.text import counted, one_line, shown
from nucleus_pandas.events.error_events import between
from nucleus_pandas.events.eventlog import as_event_log

_DIFFERS, _FAILED = 1, 2
# No interval can begin earlier.
_FIRST_DAY = dt.date(2000, 1, 1)
# Seconds between two looks at the sandbox.
_PAUSE = 0.5
# Anyone who can send events can make up names; JSON has all of them.
_MOST_ROWS = 100
_HEADINGS = ("problem", "event", "property", "expected", "found", "events", "users", "versions")
_CODE = ("event", "property", "expected", "found", "versions")
# In Markdown; and what `_without_commands` would change.
_ENDS_CODE = re.compile(r"[`|\\]|##|^ | $")


class _Checked(NamedTuple):
    """What a plan found: the problems, the events and users that arrived, and whether some could not be loaded."""

    problems: pd.DataFrame
    events: int
    users: int
    incomplete: bool

    @property
    def code(self) -> int:
        """The exit code."""
        if not self.events:
            return INCOMPLETE
        return _DIFFERS if len(self.problems) else INCOMPLETE * self.incomplete

    @property
    def can_change(self) -> bool:
        """Whether events that arrive later can make up for what is missing."""
        return not self.events or self.incomplete or bool((self.problems["problem"] == "missing event").any())


def add_tracking_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    check = commands.add_parser(
        "tracking-check",
        help="check the events that arrived against a tracking plan",
        description="Check which events and properties of a tracking plan are missing, unexpected or of another type. "
        "Exit code 0 if everything matches the plan, 1 if there are problems, 2 for a usage error or when the "
        "events cannot be loaded, 3 if nothing arrived yet or not all of it could be loaded.",
        epilog="example: nucleus-pandas tracking-check plan.toml --sandbox",
    )
    check.add_argument("plan", type=Path, help="file with the plan, in TOML")
    source = check.add_mutually_exclusive_group(required=True)
    source.add_argument("--store", type=Path, metavar="FILE", help="file of a store")
    source.add_argument(
        "--sandbox",
        nargs="?",
        const="",
        metavar="URL_OR_FILE",
        help="a running sandbox, or the file of one that was stopped; default: that of NUCLEUS_BASE_URL",
    )
    check.add_argument("--start", help="first day or instant; default: all that arrived")
    check.add_argument("--end", help="last day, or instant; default: all that arrived")
    add_zone(check)
    check.add_argument(
        "--wait",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="wait up to SECONDS for the planned events",
    )
    check.add_argument("--format", choices=_FORMATS, default="text", help="default: text")
    check.set_defaults(run=_run)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def _run(arguments: argparse.Namespace) -> int:
    try:
        found = _found(arguments)
    except (nu.NucleusError, OSError) as error:
        # 1 says that something differs from the plan.
        tell(error)
        return _FAILED
    print(_FORMATS[arguments.format](arguments.plan, found))
    return found.code


def _found(arguments: argparse.Namespace) -> _Checked:
    """Look at what arrived, again and again if that was asked for."""
    read_plan(arguments.plan)  # report its errors before anything is loaded
    check_days(arguments)
    if arguments.wait and (arguments.store is not None or _is_file(arguments.sandbox)):
        raise ValueError("--wait is for a running sandbox: files do not change.")
    if arguments.store is not None:
        return _check(store_at(arguments.store), arguments)
    with _sandbox(arguments.sandbox) as client, tempfile.TemporaryDirectory() as folder:
        store = nu.EventStore(Path(folder) / "sandbox.duckdb")

        def look() -> _Checked:
            nu.sync(client, store, _FIRST_DAY, client.now(), progress=False)
            return _check(store, arguments)

        return look_until(look, arguments.wait)


def look_until(
    look: Callable[[], _Checked],
    seconds: float,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> _Checked:
    """Look again for some seconds, until nothing is missing that could still arrive."""
    end = now() + seconds
    while True:
        found = look()
        left = end - now()
        if left <= 0 or not found.can_change:
            return found
        sleep(min(_PAUSE, left))


def _is_file(sandbox: str) -> bool:
    """Whether a sandbox is named by its file; otherwise it runs at an address, or at that of the environment."""
    return bool(sandbox) and "://" not in sandbox


@contextlib.contextmanager
def _sandbox(where: str) -> Iterator[nu.Client]:
    """Give a client of a sandbox that runs, or of one that is made of its file."""
    if _is_file(where):
        if not Path(where).is_file():
            raise ValueError(
                f"{where} does not exist. Name the one that nucleus-pandas sandbox --data wrote, or an address."
            )
        with nu.Sandbox(where) as sandbox, sandbox.client(_only_app(sandbox, where)) as client:
            yield client
        return
    if not where and not os.environ.get("NUCLEUS_BASE_URL", "").strip():
        raise nu.ConfigurationError(
            "NUCLEUS_BASE_URL is not set. Set the variables that nucleus-pandas sandbox prints, or name its address or "
            "its file: --sandbox sandbox.db."
        )
    # There is nobody to be polite to, and nothing to be kept.
    settings = {"base_url": where} if where else {}
    with nu.Client.from_env(**settings, requests_per_second=None, cache=False) as client:
        if not is_loopback(urlsplit(client.base_url).hostname or ""):
            raise nu.ConfigurationError(
                f"{client.base_url} is not on this machine, so it is no sandbox. Set the variables that nucleus-pandas "
                "sandbox prints. To check what your users sent, run nucleus-pandas sync and add --store FILE."
            )
        try:
            yield client
        except nu.NetworkError:
            address = urlsplit(client.base_url).netloc
            raise nu.NetworkError(f"No connection to {address}. Is the sandbox running?") from None


def _only_app(sandbox: nu.Sandbox, where: str) -> str:
    """Give the app of the environment, else the only one that reported."""
    apps = sandbox.arrivals()["app_id"].tolist()
    named = os.environ.get("NUCLEUS_APP_ID", "").strip()
    if not named and len(apps) > 1:
        raise nu.ConfigurationError(
            f"{where} holds events of several apps: {', '.join(map(shown, apps))}. Set NUCLEUS_APP_ID to one of them."
        )
    return named or next(iter(apps), "none")


def _check(store: nu.EventStore, arguments: argparse.Namespace) -> _Checked:
    span = make_interval(arguments.start, arguments.end, arguments.tz)
    log = as_event_log(store, within=span, properties=None)
    problems = nu.check_tracking(log, arguments.plan, start=arguments.start, end=arguments.end, tz=arguments.tz)
    inside = between(log.time, *(None if one is None else microseconds(one) for one in span))
    info = store.info()
    incomplete = info.unfinished or bool(info.missing_users or info.missing_sessions or info.missing_events)
    return _Checked(problems, int(inside.sum()), len(np.unique(log.user[inside])), incomplete)


def _verdict(plan: str, found: _Checked) -> str:
    """The outcome in a sentence."""
    if not found.events:
        return f"{plan}: nothing has arrived yet."
    problems = counted(len(found.problems), "problem") if len(found.problems) else "no problems"
    some = " Not all events could be loaded." if found.incomplete else ""
    return f"{plan}: {problems} in {counted(found.events, 'event')} of {counted(found.users, 'user')}.{some}"


def _records(problems: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of the table, None for what is missing."""
    found = problems.astype(object)
    return [dict(zip(found.columns, row, strict=True)) for row in found.where(found.notna(), None).to_numpy().tolist()]


def _rows(found: _Checked) -> list[tuple[str, ...]]:
    """The problems as people read them, headings first; none if nothing arrived."""
    if not found.events or not len(found.problems):
        return []
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for row in _records(found.problems.head(_MOST_ROWS)):
        events = f"{row['events']:,}" if row["property"] is None else f"{row['count']:,} of {row['events']:,}"
        versions = [row["first_version"], row["last_version"]]
        cells = [row[name] for name in _HEADINGS[:5]] + [events, row["users"]]
        rows.append((*map(_cell, cells), " to ".join(dict.fromkeys(_cell(one) for one in versions if one))))
    return rows


def _cell(value: object) -> str:
    return "" if value is None else one_line(value)


def _more(found: _Checked) -> list[str]:
    number = len(found.problems) - _MOST_ROWS
    return ["", f"{counted(number, 'more problem')}: --format json lists all."] if found.events and number > 0 else []


def _as_text(plan: Path, found: _Checked) -> str:
    rows = _rows(found)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return _without_commands("\n".join([_verdict(str(plan), found), *[""][: len(table)], *table, *_more(found)]))


def _as_markdown(plan: Path, found: _Checked) -> str:
    headings, *rows = _rows(found) or [()]
    cells = (
        [_code(cell) if name in _CODE else cell for name, cell in zip(_HEADINGS, row, strict=True)] for row in rows
    )
    table = [headings, ["---"] * len(headings), *cells] if rows else []
    lines = [f"| {' | '.join(row)} |" for row in table]
    return "\n".join([_verdict(_code(str(plan)), found), *[""][: len(lines)], *lines, *_more(found)])


def _code(text: str) -> str:
    """A text as code, also where it holds what would end the code or the cell."""
    if not text:
        return ""
    if not _ENDS_CODE.search(text):
        return f"`{text}`"
    return f"<code>{''.join(char if char.isalnum() else f'&#{ord(char)};' for char in text)}</code>"


def _as_json(plan: Path, found: _Checked) -> str:
    met = {0: True, _DIFFERS: False}.get(found.code)
    arrived = {"events": found.events, "users": found.users}
    content = {"plan": str(plan), "met": met, **arrived, "problems": _records(found.problems)}
    return _without_commands(json.dumps(content, indent=2), "\\u0023")


def _without_commands(text: str, hash_sign: str = r"\x23") -> str:
    """Keep names that an app sent from being commands: CI servers look for ## in what is printed."""
    return text.replace("##", f"#{hash_sign}")


_FORMATS: dict[str, Callable[[Path, _Checked], str]] = {
    "text": _as_text,
    "markdown": _as_markdown,
    "json": _as_json,
}
