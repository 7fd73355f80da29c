"""``nucleus-pandas sandbox``: a local service for tracking clients."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

import nucleus_pandas as nu
from nucleus_pandas.cli.shell_messages import tell
from nucleus_pandas.core.text import counted, worded

_PORT = 8766
_LOOK_SECONDS = 1.0


def add_sandbox(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    sandbox = commands.add_parser(
        "sandbox",
        help="receive what your app tracks, on this machine",
        description="Receive what the official tracking clients send, until Ctrl-C, and serve it as the Data API does. "
        "Prints the settings of the library on stdout; the line for your app and the number of events on stderr.",
        epilog="example: nucleus-pandas sandbox --data sandbox.db",
    )
    sandbox.add_argument("--port", type=int, default=_PORT, help=f"default: {_PORT}; 0 picks a free port")
    sandbox.add_argument("--data", type=Path, help="file to keep the events in; default: gone at the end")
    sandbox.add_argument("--app-id", default="my-app", help="id of your app in the lines it prints; default: my-app")
    sandbox.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on, such as 0.0.0.0 to let other machines in: they can send events, and read them with "
        "the token; default: this machine only",
    )
    sandbox.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="website whose pages can send events, such as https://app.example, or * for all; repeatable; "
        "default: apps, files and pages of this machine only",
    )
    sandbox.set_defaults(run=_sandbox)


def _sandbox(arguments: argparse.Namespace) -> None:
    sandbox = nu.Sandbox(arguments.data, port=arguments.port, host=arguments.host, allow_origins=arguments.allow_origin)
    with _stopping_on_sigterm(), contextlib.suppress(KeyboardInterrupt), sandbox:
        sandbox.client(arguments.app_id).close()  # raises if this cannot be the id of an app
        print(f"export NUCLEUS_APP_ID={arguments.app_id}")
        print(f"export NUCLEUS_TOKEN={sandbox.token}")
        print(f"export NUCLEUS_BASE_URL={sandbox.base_url}", flush=True)
        print(_instructions(sandbox, arguments.app_id), file=sys.stderr)
        try:
            _count(sandbox)
        finally:
            _end_line()


def _instructions(sandbox: nu.Sandbox, app_id: str) -> str:
    """Return what to write in an app, for each of the clients."""
    host = sandbox.endpoint.removeprefix("ws://")
    lines = {
        f'Nucleus.init("{app_id}", {{ endpoint: "{sandbox.endpoint}" }})': "nucleus-nodejs, nucleus-analytics",
        f'Astrolytics.init("{app_id}", {{ endpoint: "{sandbox.endpoint}" }})': "astrolytics-desktop",
        f'Nucleus("{app_id}", {{ endpoint: "{host}", devMode: true }})': "electron-nucleus",
    }
    width = max(map(len, lines))
    return (
        "To read from the sandbox, paste the lines above into another shell. In your app, write one of:\n\n"
        + "".join(f"    {line:{width}}  // {client}\n" for line, client in lines.items())
        + (
            f"\nOn other machines, write this machine's address in place of {host.rpartition(':')[0]}. "
            "The library then\n"
            "sends the token without encryption, which it does only if told to: "
            "nu.Client.from_env(allow_http=True).\n"
        )
        * (not sandbox.is_loopback)
        + "\nPress Ctrl-C to stop."
    )


def _count(sandbox: nu.Sandbox) -> NoReturn:
    """Show how many events arrived, whenever more have, and why some were rejected, each reason once."""
    shown, problem, explained = "", None, set[str]()
    while True:
        line = "; ".join(_of_app(*row) for row in sandbox.arrivals().itertuples(index=False))
        if line != shown:
            _show(line)
            shown = line
        for reason in sandbox.rejections().keys() - explained:
            explained.add(reason)
            _end_line()
            tell(f"rejected: {reason}")
        if sandbox.failures and sandbox.failures[-1] is not problem:
            problem = sandbox.failures[-1]
            _end_line()
            tell(problem)
        time.sleep(_LOOK_SECONDS)


def _show(line: str) -> None:
    """Print a line; in a terminal, in the place of the one before."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{line[:width]:{width}}", end="", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


def _end_line() -> None:
    """Let what follows begin on a line of its own."""
    if sys.stderr.isatty():
        print(file=sys.stderr)


def _of_app(app_id: str, events: int, *others: int) -> str:
    names = (
        "{} sent again",
        "{} [event|events] rejected",
        "{} [message|messages] rejected",
        "{} [property|properties] left out",
    )
    parts = [counted(events, "event"), *(worded(name, n) for n, name in zip(others, names, strict=True) if n)]
    return f"{app_id}: {', '.join(parts)}"


@contextlib.contextmanager
def _stopping_on_sigterm() -> Iterator[None]:
    """Let SIGTERM stop the block as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
