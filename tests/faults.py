"""What becomes of an analysis when the service misbehaves, the program is killed, or somebody else looks on.

Run: python -m tests.faults [--kills 30] [--only TEXT]

Each fault is played over real sockets against loaders, `sync` and `forget_user`, once (only the first answer of its
kind is bad) and always. It passes if the result is the undisturbed one, if a `NucleusError` says what is wrong, or if a
warning does. For a store, the warning must persist until the next sync, and once the service is well again this must
bring the undisturbed data. "Plausible" are answers that nobody can tell from those of a service in order, such as a
list of sessions without one of them. Prints a line for each failure, and the totals.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

import nucleus_pandas as nu
from nucleus_pandas.demo import DemoClient
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.server import JsonHandler, JsonServer
from nucleus_pandas.demo.service import DemoService

ROOT = Path(__file__).parents[1]
AS_OF = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
ALL = {"start": "2026-05-01", "end": "2026-11-20", "progress": False}
APP = build_app(scale=0.006, end=dt.date(2026, 11, 22))

#: The bytes to send in place of a good answer; None hangs up.
Fault = Callable[[int, Any], bytes | None]


def reply(body: bytes, status: int = 200, *headers: str, length: int | None = None) -> bytes:
    date = "Date: Fri, 20 Nov 2026 12:00:00 GMT"
    size = f"Content-Length: {len(body) if length is None else length}"
    return "\r\n".join([f"HTTP/1.1 {status} X", date, size, *headers, "", ""]).encode() + body


def as_json(answer: Any, status: int = 200, *headers: str) -> bytes:
    return reply(json.dumps(answer).encode(), status, *headers)


def main_key(answer: Any) -> str:
    """The key that holds what was asked for."""
    return "sessions" if isinstance(answer, dict) and "sessions" in answer else "data"


def replaced(value: Any) -> Fault:
    return lambda status, answer: as_json({**answer, main_key(answer): value}, status)


def each_row(change: Callable[[dict[str, Any]], Any]) -> Fault:
    """Change each row of the list that was asked for; what holds no list is left as it is."""

    def fault(status: int, answer: Any) -> bytes:
        rows = answer[main_key(answer)]
        return as_json(
            {**answer, main_key(answer): [change(row) for row in rows] if isinstance(rows, list) else rows}, status
        )

    return fault


def without(key: str) -> Fault:
    return each_row(lambda row: {name: value for name, value in row.items() if name != key})


def put(**values: Any) -> Fault:
    return each_row(lambda row: {**row, **{name: value for name, value in values.items() if name in row}})


def cut_gzip(status: int, answer: Any) -> bytes:
    return reply(gzip.compress(json.dumps(answer).encode())[:-12], status, "Content-Encoding: gzip")


FAULTS: dict[str, Fault] = {
    "hangs up": lambda status, answer: None,
    "ends in the middle": lambda status, answer: reply(json.dumps(answer).encode()[:-3], status),
    "shorter than announced": lambda status, answer: reply(b'{"data":', status, length=5000),
    "gzip cut short": cut_gzip,
    "a web page": lambda status, answer: reply(b"<html>Log in</html>", 200, "Content-Type: text/html"),
    "an empty body": lambda status, answer: reply(b""),
    "null": lambda status, answer: reply(b"null"),
    "an empty object": lambda status, answer: reply(b"{}"),
    "an empty list": lambda status, answer: reply(b"[]"),
    "a byte order mark": lambda status, answer: reply(b"\xef\xbb\xbf" + json.dumps(answer).encode(), status),
    "NaN": lambda status, answer: reply(b'{"data": NaN}'),
    "a key twice": lambda status, answer: reply(b'{"data": {}, "data": {}}'),
    "data: null": replaced(None),
    "data: empty list": replaced([]),
    "data: empty object": replaced({}),
    "data: text": replaced("none"),
    "rows that are no objects": each_row(lambda row: 7),
    "the first row is missing": lambda status, answer: as_json(
        {**answer, main_key(answer): answer[main_key(answer)][1:]}
        if isinstance(answer[main_key(answer)], list)
        else answer,
        status,
    ),
    "each row twice": lambda status, answer: as_json(
        {**answer, main_key(answer): answer[main_key(answer)] * 2}
        if isinstance(answer[main_key(answer)], list)
        else answer,
        status,
    ),
    "error with 200": lambda status, answer: as_json({"error": "no"}),
    "error beside data": lambda status, answer: as_json({**answer, "error": "no"}),
    "401": lambda status, answer: as_json({"error": "no"}, 401),
    "403": lambda status, answer: as_json({"error": "no"}, 403),
    "404": lambda status, answer: as_json({"error": "no"}, 404),
    "400": lambda status, answer: as_json({"error": "no"}, 400),
    "429 for an hour": lambda status, answer: as_json({}, 429, "Retry-After: 3600"),
    "500": lambda status, answer: as_json({}, 500),
    "a redirect": lambda status, answer: as_json({}, 302, "Location: https://example.org/login"),
    "unreadable times": put(time="soon", start="soon", createdAt="soon", lastSeen="soon"),
    "times without a value": put(time=None, start=None, lastSeen=None),
    "times are missing": without("time"),
    "starts are missing": without("start"),
    "devices are missing": without("device"),
    "ends before it starts": put(end="2026-01-01T00:00:00.000Z"),
    "negative counts": put(actions=-5, errors=-5),
    "counts that are texts": put(actions="many", errors="none"),
    "half a surrogate pair": put(type="EXPORT\ud800", version="\udfff"),
    "of another device": put(machine_id="somebody-else"),
    "of another session": put(session_id="1"),
    "without a name": without("type"),
    "numbers for names": put(type=7, platform=8),
    "nested data": put(data={"a": {"b": [1, {}]}}),
    "data that is a list": put(data=[1, 2]),
}


class _FaultyHandler(JsonHandler):
    """Sends what the fault makes of a good answer."""

    def send_json(self, status: int, answer: dict[str, Any] | None, *headers: str) -> None:
        fault = self.server.service.fault_of(self.command, self.path)
        if fault is None or answer is None or status >= 300:
            super().send_json(status, answer, *headers)
            return
        data = fault(status, answer)
        if data is None:
            self.close_connection = True
        else:
            self.wfile.write(data)


class FaultyService(DemoService):
    """The demo service with one fault, in the answers whose target matches a pattern."""

    fault: Fault | None = None
    matching = ""
    once = False
    _used = False

    def start(self):
        super().start()
        self._server.RequestHandlerClass = _FaultyHandler
        self._server.service = self
        return self

    def fault_of(self, method: str, target: str) -> Fault | None:
        if method != "GET" or not re.search(self.matching + "$", urlsplit(target).path):
            return None
        if self.once and self._used:
            return None
        self._used = True
        return self.fault

    def play(self, name: str | None, matching: str = "", *, once: bool = False) -> None:
        self.fault, self.matching, self.once, self._used = FAULTS.get(name or ""), matching, once, False
        if name is None:
            self.matching = "nothing"


JsonServer.service = None

SPAN = {"start": "2026-10-01", "end": "2026-10-31"}


def sessions_of(client: nu.Client) -> pd.DataFrame:
    return nu.load_sessions(client, USERS.head(8), progress=False)


def events_of(client: nu.Client) -> pd.DataFrame:
    return nu.load_session_events(client, SESSIONS.head(12), progress=False)


#: What is asked, and the path of the answers that go wrong.
LOADERS: dict[str, tuple[Callable[[nu.Client], pd.DataFrame], str]] = {
    "load_quick_glance": (nu.load_quick_glance, "quickglance"),
    "load_daily": (lambda client: nu.load_daily(client, **SPAN), "analytics"),
    "load_hours": (lambda client: nu.load_hours(client, **SPAN), "analytics"),
    "load_dimensions": (lambda client: nu.load_dimensions(client, **SPAN), "analytics"),
    "load_totals": (lambda client: nu.load_totals(client, **SPAN), "analytics"),
    "load_event_counts": (lambda client: nu.load_event_counts(client, **SPAN), "events"),
    "load_error_counts": (lambda client: nu.load_error_counts(client, **SPAN), "errors"),
    "load_event_properties": (lambda client: nu.load_event_properties(client, **SPAN), "eventsprops"),
    "load_attribute": (lambda client: nu.load_attribute(client, "init", "plan", **SPAN), "plan"),
    "load_users": (nu.load_users, "/users"),
    "load_devices": (nu.load_devices, "/users"),
    "load_sessions": (sessions_of, "/users/[^/]+"),
    "load_session_events": (events_of, "/session/[^/]+"),
    "load_live_users": (nu.load_live_users, "live/users"),
}
#: Answers that a service in order gives about other data, so that nobody can tell.
PLAUSIBLE = {
    *((name, "data: empty list") for name in ("load_event_properties", "load_attribute", "load_live_users")),
    *((name, "data: empty object") for name in ("load_event_counts", "load_error_counts")),
    *((name, "the first row is missing") for name in ("load_event_properties", "load_attribute", "load_sessions")),
    *((name, "the first row is missing") for name in ("load_live_users", "a user")),
    *((name, "nested data") for name in ("load_session_events", "events")),
    ("load_event_properties", "numbers for names"),
}
SYNCS = {"users' list": "/users", "a user": "/users/[^/]+", "events": "/session/[^/]+"}


@dataclass
class Result:
    """How one case ended; `right` if nobody could take the outcome for the undisturbed data."""

    case: str
    how: str
    right: bool


def client_of(service: FaultyService, **settings: Any) -> nu.Client:
    return DemoClient(service, deadline=1.5, max_workers=2, **settings)


def same(frame: pd.DataFrame, truth: pd.DataFrame) -> bool:
    try:
        pd.testing.assert_frame_equal(frame, truth)
    except AssertionError:
        return False
    return True


def _gather(action: Callable[[], Any]) -> tuple[Any, str]:
    """The result, and "error", "warning" or "" for what was said; other exceptions are bugs."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            result = action()
        except nu.NucleusError as error:
            return error, "error"
        except (Exception, SystemExit) as error:
            return error, f"bug: {type(error).__name__}: {error}"
    return result, "warning" if any(issubclass(w.category, nu.IncompleteDataWarning) for w in said) else ""


def try_loader(service: FaultyService, name: str, fault: str, *, once: bool) -> Result:
    load, matching = LOADERS[name]
    client = client_of(service)
    try:
        service.play(fault, matching, once=once)
        found, said = _gather(lambda: load(client))
    finally:
        client.close()
        service.start()
    case = f"{name}, {fault}, {'once' if once else 'always'}"
    if said in ("error", "warning"):
        return Result(case, said, right=True)
    if said:
        return Result(case, said, right=False)
    if same(found, TRUTH[name]):
        return Result(case, "correct", right=True)
    if (name, fault) in PLAUSIBLE:
        return Result(case, "plausible", right=True)
    return Result(case, "silently wrong", right=False)


def frames(store: nu.EventStore) -> list[pd.DataFrame]:
    return [store.users(), store.devices(), store.sessions(), store.events()]


def try_sync(service: FaultyService, where: str, fault: str, folder: Path, *, once: bool) -> Result:
    """A sync with the fault, and one without it."""
    case = f"sync, {where}, {fault}, {'once' if once else 'always'}"
    plausible = (where, fault) in PLAUSIBLE
    store = nu.EventStore(folder / "app.duckdb")
    client = client_of(service)
    try:
        service.play(fault, SYNCS[where], once=once)
        _, said = _gather(lambda: nu.sync(client, store, **ALL))
        if said.startswith("bug"):
            return Result(case, said, right=False)
        if not said or said == "warning":
            held, persists = _gather(lambda: frames(store))
            right = persists == "" and all(map(same, held, TRUTH["store"])) if not said else persists == "warning"
            if not said and not right and persists != "warning":
                return Result(case, "plausible" if plausible else "silently wrong", right=plausible)
            if said and not right and not all(map(same, held, TRUTH["store"])):
                return Result(case, "the warning does not persist", right=False)
        service.play(None)
        _, again = _gather(lambda: nu.sync(client, store, **ALL))
        held, left = _gather(lambda: frames(store))
        if again or left or not (plausible or all(map(same, held, TRUTH["store"]))):
            return Result(case, f"not completed by the next sync ({again or left or 'silently wrong'})", right=False)
    finally:
        service.play(None)
        client.close()
        service.start()
        for path in folder.iterdir():
            path.unlink()
    return Result(case, said or "correct", right=True)


ERASURES: dict[str, tuple[bytes | None, bool]] = {
    # What DELETE is answered with, and whether the service erases the person.
    "204": (b"HTTP/1.1 204 X\r\n\r\n", True),
    "200 and an object": (as_json({"ok": True}), True),
    "200 and an error": (as_json({"error": "no"}), False),
    "200 and ok: false": (as_json({"ok": False}), False),
    "200 and text": (reply(b"OK"), False),
    "200 and nothing": (reply(b""), False),
    "200 and a web page": (reply(b"<html></html>"), False),
    "403": (as_json({"error": "no"}, 403), False),
    "500": (as_json({"error": "no"}, 500), False),
    "500, erased all the same": (as_json({"error": "no"}, 500), True),
    "hangs up": (None, False),
    "hangs up, erased all the same": (None, True),
    "a redirect": (as_json({}, 302, "Location: /"), False),
}


class _ErasingHandler(JsonHandler):
    def do_DELETE(self) -> None:  # noqa: N802 - http.server's name
        data, erases = self.server.erasure
        if erases:
            self.server.answer("DELETE", self.path, self.headers.get("Host"), self.headers.get("Authorization"))
        if data is None:
            self.close_connection = True
        else:
            self.wfile.write(data)


def try_erasure(name: str, folder: Path) -> Result:
    """What `forget_user` reports must be so, at the service and in the store."""
    service = DemoService(APP, as_of=AS_OF)
    client = DemoClient(service, deadline=1.5)
    service._server.RequestHandlerClass = _ErasingHandler
    service._server.erasure = ERASURES[name]
    store = nu.EventStore(folder / "app.duckdb")
    nu.sync(client, store, **ALL)
    who = store.users()["user_id"].iloc[2]
    report, said = _gather(lambda: nu.forget_user(client, who, store=store, confirm=who))
    known = who in set(nu.load_users(client)["user_id"])
    stored = any(frame.isin([who]).any(axis=None) for frame in frames(store))
    told = said == "" and report.set_index("place").loc["service", "left"] == 0
    client.close()
    for path in folder.iterdir():
        path.unlink()
    case = f"forget_user, DELETE answered with {name}"
    if said.startswith("bug"):
        return Result(case, said, right=False)
    right = (not known and not stored) if told else said == "error" and not stored
    return Result(case, "correct" if told else "error", right) if right else Result(case, "false report", False)


def all_cases(only: str) -> Iterator[Result]:
    service = FaultyService(APP, as_of=AS_OF).start()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for fault in FAULTS:
            for once in (True, False):
                how = f"{fault}, {'once' if once else 'always'}"
                for loader in LOADERS:
                    if only in f"{loader}, {how}":
                        yield try_loader(service, loader, fault, once=once)
                for where in SYNCS:
                    if only in f"sync, {where}, {how}":
                        yield try_sync(service, where, fault, folder, once=once)
        for erasure in ERASURES:
            if only in f"forget_user, DELETE answered with {erasure}":
                yield try_erasure(erasure, folder)
    service.stop()


def prepare() -> None:
    """Find out what an undisturbed service gives."""
    global USERS, SESSIONS, TRUTH
    with DemoClient(DemoService(APP, as_of=AS_OF)) as client, tempfile.TemporaryDirectory() as name:
        USERS = nu.load_users(client)
        SESSIONS = sessions_of(client)
        TRUTH = {loader: load(client) for loader, (load, _) in LOADERS.items()}
        store = nu.EventStore(Path(name) / "app.duckdb")
        nu.sync(client, store, **ALL)
        TRUTH["store"] = frames(store)


def try_kills(kills: int) -> Iterator[Result]:
    """Kill syncs and erasures at random moments, and look whether a row is lost or anybody is left."""
    app = build_app(scale=0.1, end=dt.date(2026, 11, 22))
    for action, seconds in (("sync", 0.6), ("forget_user", 0.8)):
        with (
            tempfile.TemporaryDirectory() as name,
            DemoClient(DemoService(app, as_of=AS_OF, latency=0.004)) as client,
        ):
            store, fresh = (nu.EventStore(Path(name) / f"{one}.duckdb") for one in ("app", "fresh"))
            victims: list[str] = []
            if action == "forget_user":
                nu.sync(client, store, **ALL)
                victims = store.users()["user_id"].tolist()[: 2 * kills]
            driver = [sys.executable, "-m", "tests.store.crash_driver", action, str(store.path)]
            done = subprocess.run(
                [*driver, client.service.base_url, str(kills), str(seconds)],
                input="\n".join(victims),
                capture_output=True,
                text=True,
                cwd=ROOT,
                check=False,
            )
            nu.sync(client, fresh, **ALL)
            left = [path.name for path in Path(name).iterdir() if not path.name.startswith(("app.duckdb", "fresh."))]
            right = (
                done.stdout.split() == [str(kills), "0"] and not left and all(map(same, frames(store), frames(fresh)))
            )
            left_over = set(fresh.users()["user_id"])
            erased = f", {sum(one not in left_over for one in victims):,} users erased" if victims else ""
            how = f"store as a fresh crawl{erased}" if right else f"{left} {done.stdout}{done.stderr[-500:]}"
            yield Result(f"{action}, killed {kills} times", how, right)


def try_another_account() -> Result:
    """Let another account poll the files of a folder while everything is written there that the library writes."""
    case = "another account looks on"
    with (
        tempfile.TemporaryDirectory() as name,
        DemoClient(DemoService(APP, as_of=AS_OF), cache=f"{name}/cache") as client,
    ):
        folder, umask = Path(name), os.umask(0)
        folder.chmod(0o755)
        poller = subprocess.Popen(
            [sys.executable, "tests/store/poller.py", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        poller.stdout.readline()
        try:
            store = nu.EventStore(folder / "app.duckdb")
            nu.sync(client, store, **ALL)
            who = nu.load_users(client)["user_id"].iloc[3]
            nu.export_user(client, who, folder / "person.json", progress=False)
            store.export(folder / "parquet")
            store.export(folder / "csv", format="csv")
            nu.periodic_report(client, store).save(folder / "week.html")
            nu.forget_user(client, who, store=store, confirm=who)
            nu.sync(client, store, refresh=True, **ALL)
        finally:
            os.umask(umask)
            read = poller.communicate("done")[0].split()
    return Result(case, f"read {', '.join(read)}" if read else "could read nothing", right=not read)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=30, help="SIGKILLs of sync and of forget_user; default: 30")
    parser.add_argument("--only", default="", help="only the cases with this text in their name")
    asked = parser.parse_args()
    prepare()
    ends: Counter[str] = Counter()
    failed = 0
    results = [all_cases(asked.only)]
    if not asked.only and hasattr(os, "fork"):
        results.append(try_kills(asked.kills))
    if not asked.only and hasattr(os, "getuid") and os.getuid() == 0:
        results.append(iter([try_another_account()]))
    for result in (one for some in results for one in some):
        failed += not result.right
        if not result.right or result.case.endswith(("times", "looks on")):
            print(f"{'ok' if result.right else 'FAILED':7} {result.case}: {result.how}", flush=True)
        ends[result.how if result.how in ("correct", "error", "warning", "plausible") else "other"] += 1
    print(f"{sum(ends.values()):,} cases: " + ", ".join(f"{count:,} {how}" for how, count in ends.items()))
    print(f"{failed:,} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
