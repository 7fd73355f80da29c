"""``nucleus-pandas plan``, ``sync`` and ``forget``: what has to do with a store."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pandas as pd

import nucleus_pandas as nu
from nucleus_pandas.cli.settings import INCOMPLETE, add_app, add_days, check_days, client_of, days_of, store_at
from nucleus_pandas.cli.shell_messages import tell

_T = TypeVar("_T")


def add_store_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands."""
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
        description="Erase a person at the service, in a store and in the cache of answers, for good, and check what "
        "is left. The id is read twice from the keyboard or a pipe, so that no command history keeps it. Exit code 1 "
        "if the service does not confirm the erasure, or if something is left or could not be checked.",
        epilog="example: nucleus-pandas forget --store myapp.duckdb",
    )
    for command, run in ((plan, _plan), (sync, _sync)):
        add_app(command)
        command.add_argument("store", type=Path, help="file of the store, such as myapp.duckdb; made by the first sync")
        add_days(command)
        command.add_argument("--window", default="7d", help="for how long after the end, too; default: 7d")
        command.add_argument("--sample", type=float, help="follow this share of the users, such as 0.1")
        command.set_defaults(run=run)
    add_app(forget)
    forget.add_argument("--store", type=Path, help="file of a store to erase the person from")
    forget.set_defaults(run=_forget)


def _plan(arguments: argparse.Namespace) -> None:
    store = _checked(arguments)
    with client_of(arguments) as client:
        print(_of_store(nu.plan_sync, store, arguments, client))


def _sync(arguments: argparse.Namespace) -> int:
    store = _checked(arguments)
    with client_of(arguments) as client:
        try:
            report = _of_store(nu.sync, store, arguments, client)
        except KeyboardInterrupt:
            print("Stopped. What came is kept; the same command goes on.", file=sys.stderr)
            return INCOMPLETE
        except (nu.NetworkError, nu.ServiceError, nu.RateLimitError) as error:
            tell(error)
            return INCOMPLETE
    print(report)
    return INCOMPLETE if len(report.failures) else 0


def _checked(arguments: argparse.Namespace) -> nu.EventStore:
    """Check what needs no app, and give the store."""
    check_days(arguments)
    return store_at(arguments.store)


def _of_store(call: Callable[..., _T], store: nu.EventStore, arguments: argparse.Namespace, client: nu.Client) -> _T:
    """Call `plan_sync` or `sync` with what was asked for."""
    return call(
        client,
        store,
        *days_of(arguments, client),
        tz=arguments.tz,
        window=arguments.window,
        sample=arguments.sample,
    )


def _forget(arguments: argparse.Namespace) -> int:
    store = None if arguments.store is None else store_at(arguments.store)
    with client_of(arguments) as client:
        user_id, again = (_line(prompt) for prompt in ("Id of the person: ", "The same once more: "))
        table = nu.forget_user(client, user_id, store=store, confirm=again)
    width = int(table["place"].str.len().max()) + 2
    for place, found, left, detail in table.itertuples(index=False):
        numbers = [
            f"{name} {'?' if pd.isna(number) else number}" for name, number in (("found", found), ("left", left))
        ]
        print(f"{place:{width}}{numbers[0]:14}{numbers[1]:10}{'' if pd.isna(detail) else detail}".rstrip())
    checked = table[table["place"].ne("elsewhere")]
    return int(bool(checked["left"].fillna(1).sum()))


def _line(prompt: str) -> str:
    """A line that was typed or piped in; what asks for it is no result."""
    print(prompt, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().rstrip("\r\n")
