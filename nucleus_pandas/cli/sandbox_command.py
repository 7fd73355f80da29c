"""``nucleus-pandas sandbox``: a local service for tracking clients."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import nucleus_pandas as nu

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
    sandbox.add_argument("--port", type=int, default=_PORT, help=f"default: {_PORT}; 0: any that is free")
    sandbox.add_argument("--data", type=Path, help="file to keep the events in; default: gone at the end")
    sandbox.add_argument("--app-id", default="my-app", help="id of your app in the lines it prints; default: my-app")
    sandbox.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on, such as 0.0.0.0 to let other machines in: they can send events, and read them with "
        "the token; default: this machine only",
    )
    sandbox.set_defaults(run=_sandbox)


def _sandbox(arguments: argparse.Namespace) -> None:
    sandbox = nu.Sandbox(arguments.data, port=arguments.port, host=arguments.host)
    with _stopping_on_sigterm(), contextlib.suppress(KeyboardInterrupt), sandbox:
        with sandbox.client(arguments.app_id) as client:
            print(f"export NUCLEUS_APP_ID={client.app_id}")
        print(f"export NUCLEUS_TOKEN={sandbox.token}")
        print(f"export NUCLEUS_BASE_URL={sandbox.base_url}", flush=True)
        print(
            "The lines above make the sandbox the library's service in another shell. In your app, write:\n\n"
            f'    Nucleus.init("{arguments.app_id}", {{ endpoint: "{sandbox.endpoint}" }})\n\n'
            "Ctrl-C ends it.",
            file=sys.stderr,
        )
        _count(sandbox)


def _count(sandbox: nu.Sandbox) -> None:
    """Print how many events arrived, whenever more have."""
    shown, problems = "", 0
    while True:
        counts = sandbox.arrivals()
        line = "; ".join(_of_app(*row) for row in counts.itertuples(index=False))
        if line != shown:
            print(line, file=sys.stderr, flush=True)
            shown = line
        if len(sandbox.failures) > problems:
            problems = len(sandbox.failures)
            print(f"nucleus-pandas: {sandbox.failures[-1]}", file=sys.stderr, flush=True)
        time.sleep(_LOOK_SECONDS)


def _of_app(app_id: str, events: int, *others: int) -> str:
    names = ("sent again", "events rejected", "messages rejected", "properties left out")
    parts = [f"{events:,} events", *(f"{n:,} {name}" for n, name in zip(others, names, strict=True) if n)]
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
