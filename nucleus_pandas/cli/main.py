"""The command ``nucleus-pandas``: results on stdout, progress and errors on stderr.

Exit codes: 0 done, 1 failed, 2 usage error, 3 incomplete: the same command goes on where it ended. With tracking-check,
1 says that something differs from the plan, and 2 also that the command failed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import TextIO

import pandas as pd

import nucleus_pandas as nu
from nucleus_pandas.cli.export_command import add_export
from nucleus_pandas.cli.report_command import add_report
from nucleus_pandas.cli.sandbox_command import add_sandbox
from nucleus_pandas.cli.settings import add_app, client_of
from nucleus_pandas.cli.shell_messages import tell
from nucleus_pandas.cli.store_commands import add_store_commands
from nucleus_pandas.cli.tracking_command import add_tracking_check


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code."""
    with _printing_anything(sys.stdout), _printing_anything(sys.stderr), warnings.catch_warnings():
        parsed = _parser().parse_args(_with_offsets(sys.argv[1:] if arguments is None else arguments))
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: tell(message)
        return _run(parsed)


def _with_offsets(arguments: Sequence[str]) -> list[str]:
    """Join --tz and an offset to the west, such as -05:00, which would be taken for an option."""
    joined: list[str] = []
    for one in arguments:
        if joined and joined[-1] == "--tz" and re.fullmatch(r"-\d[\d:]*", one):
            joined[-1] += f"={one}"
        else:
            joined.append(one)
    return joined


@contextlib.contextmanager
def _printing_anything(stream: TextIO) -> Iterator[None]:
    """Write what the encoding of a terminal lacks as escapes: a path that cannot be shown is no failure."""
    if not isinstance(stream, io.TextIOWrapper):
        yield
        return
    before = stream.errors
    stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        stream.reconfigure(errors=before)


def _run(parsed: argparse.Namespace) -> int:
    """Run what was parsed, with errors in a sentence instead of a traceback."""
    try:
        return int(parsed.run(parsed) or 0)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 1
    except nu.NucleusError as error:
        tell(error)
        return 2 if isinstance(error, nu.ConfigurationError) else 1
    except ValueError as error:
        tell(error)
        return 2
    except OSError as error:
        tell(error)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nucleus-pandas",
        description="Product analytics of desktop apps, over the Data API v1 of Nucleus.",
        epilog="example: nucleus-pandas report --demo -o week.html",
    )
    parser.add_argument("--version", action="version", version=f"nucleus-pandas {nu.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_report(commands)
    demo = commands.add_parser(
        "demo",
        help="serve a made-up app on this machine",
        description="Serve a made-up app on 127.0.0.1 until Ctrl-C. It answers like the real service.",
        epilog="example: nucleus-pandas demo --port 8765",
    )
    demo.add_argument("--port", type=int, default=0, help="default: 0, which picks a free port")
    demo.add_argument("--scale", type=float, default=1.0, help="1 is some 2,500 users and 100,000 events")
    demo.set_defaults(run=_demo)
    add_sandbox(commands)
    add_export(commands)
    add_store_commands(commands)
    add_tracking_check(commands)
    doctor = commands.add_parser(
        "doctor",
        help="check the settings and the service",
        description="Check the app of NUCLEUS_APP_ID and NUCLEUS_TOKEN, or the made-up one: is it reachable, do the "
        "settings fit, what does the service do that its reference leaves open. Exit code 1 if something is not well.",
        epilog="example: nucleus-pandas doctor",
    )
    add_app(doctor)
    doctor.set_defaults(run=_doctor)
    return parser


def _demo(arguments: argparse.Namespace) -> None:
    client = nu.demo_client(scale=arguments.scale, port=arguments.port)
    service = client.service
    print(f"export NUCLEUS_APP_ID={service.app_id}")
    print(f"export NUCLEUS_TOKEN={service.token}")
    print(f"export NUCLEUS_BASE_URL={service.base_url}", flush=True)
    print("Serving a made-up app. To read from it, paste the lines above into another shell.", file=sys.stderr)
    print("Press Ctrl-C to stop.", file=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        service.serve_forever()


def _doctor(arguments: argparse.Namespace) -> int:
    with client_of(arguments) as client:
        table = nu.doctor(client)
    for check, ok, detail in table.itertuples(index=False):
        print(f"{'?' if pd.isna(ok) else 'ok' if ok else 'NOT OK':7}{check:17}{detail}")
    return int((~table["ok"].fillna(value=True)).any())
