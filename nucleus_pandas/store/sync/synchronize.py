"""`sync`: bring the store up to what the service knows."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nucleus_pandas.api.client import Client, check_client
from nucleus_pandas.api.endpoints import PATHS
from nucleus_pandas.api.parsing import people
from nucleus_pandas.api.parsing.values import ParseProblems
from nucleus_pandas.core.durations import Duration
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.core.warnings import warn_incomplete
from nucleus_pandas.exceptions import NotFoundError, NucleusError, StoreError
from nucleus_pandas.store.eventstore import EventStore, check_store
from nucleus_pandas.store.privacy import unfinished_erasures as unfinished
from nucleus_pandas.store.schema import get_meta, one_row, set_meta
from nucleus_pandas.store.sync import selection, writing
from nucleus_pandas.store.sync.crawl import Crawl, Outcome, UserTask
from nucleus_pandas.store.sync.plan import Request, Work, find_work, read_request
from nucleus_pandas.store.sync.selection import Listing, Refresh, user_keys
from nucleus_pandas.store.sync.sync_report import SyncReport, make_report, read_failures
from nucleus_pandas.store.table_frames import naive

if TYPE_CHECKING:
    import duckdb

    from nucleus_pandas.store.database import Database

_NO_ID = "has no id to ask by"
_UNSURE = "is not on the list any more, and it is not sure that the service would know it"


def sync(
    client: Client,
    store: EventStore,
    start: When,
    end: When,
    *,
    tz: Zone | None = None,
    window: Duration = "7d",
    sample: float | None = None,
    seed: int | None = None,
    refresh: Refresh = False,
    progress: bool = True,
) -> SyncReport:
    """Fetch users, sessions and events into a store; what it holds already is not requested again.

    Parameters
    ----------
    client : Client
        Its `max_workers` and `requests_per_second` set the pace.
    store : EventStore
        Its file is made if it does not exist.
    start, end : date or datetime
        The interval; a bare date as `end` means that whole day.
    tz : str, int or tzinfo, optional
        Zone of the dates; by default the client's.
    window : str or timedelta
        For how long after `end` sessions are fetched, too: a funnel that is entered on the last day has as long to
        be walked.
    sample : float, optional
        Follow only this share of the users: whole users, drawn at random among those of each week of creation. By
        default as the store does already, else all. A later sync may raise it, not lower it.
    seed : int, optional
        Draws the sample; 0 by default.
    refresh : bool, pandas.DataFrame or iterable of str
        Fetch what the store holds already once more: True for all users, or only for the users given as rows of
        ``store.users()`` or as ids. Their sessions that touch the interval or its window are requested again. What the
        store holds stays until the new answers arrive.
    progress : bool
        Show a bar in a notebook or a terminal.

    Returns
    -------
    SyncReport
        Numbers of what was fetched and skipped, and a frame `failures` of what could not be loaded in full.

    Raises
    ------
    ValueError
        For an interval, window or sample that cannot be, or a user in `refresh` who is not in the store.
    AuthenticationError
        When the service refuses the token; everything is kept that came before. A single user or session that it
        refuses is set aside, and requested again by the next sync.
    NucleusError
        When the service fails altogether, likewise: for several users in a row, and for a request that is about nobody.
    StoreLockedError, StoreError
        When the store cannot be used, is that of another app, or is being synced already.

    Warns
    -----
    IncompleteDataWarning
        When users or sessions could not be loaded, the service sent fewer users than it counts, it did not confirm an
        erasure, or it lists somebody whose erasure it confirmed.

    Notes
    -----
    Source: ``users``, ``users/:userId``, ``users/:userId/session/:sessionId``; the cache of answers is not used.

    Users not seen since `start`, or created after `end`, are not asked about, nor are those who were not seen since the
    last sync and were asked about 48 hours after that: what they did is final. Of the others, sessions are fetched that
    touch the interval, its window included, and are new or have grown.
    Sessions and their note of having been fetched land in one transaction. So a sync can be stopped at any moment, by
    Ctrl-C, an error or a crash, and the next one goes on: at most 1,000 requests are made again.

    Session ids are random and repeat: an event belongs to the session of that user, device and id that it lies in, and
    sessions that share them are counted as clashes. An event that came twice is kept once.

    Users who are gone from the service's list are asked about, and deleted from the store when the service does not
    know them, unless they are more than half.

    An erasure by `forget_user` that stopped half-way is finished: the person is deleted from the store, and the service
    is asked again to erase them as long as its list holds them. Whoever was erased is not taken in again.

    Examples
    --------
    >>> app = nu.demo_client(scale=0.1)
    >>> store = nu.EventStore("myapp.duckdb")
    >>> report = nu.sync(app, store, "2026-11-01", "2026-11-14")
    >>> len(report.failures)
    0
    """
    check_client(client)
    database = check_store(store).database
    with database.alone("sync"):
        problems = ParseProblems(PATHS["users"])
        listing = selection.ask_listing(client, problems)
        erased = unfinished.finish_in_store(database, client.app_id)
        ledger = selection.read_ledger(database, listing, client.app_id)
        asked = read_request(client, listing, ledger, start, end, tz=tz, window=window, sample=sample, seed=seed)
        outdated = selection.users_to_refresh(ledger, refresh)
        if outdated.any():
            ledger.ask_again(outdated)
            with database.writing() as connection:
                writing.mark_outdated(connection, ledger.users.loc[outdated, "user_no"], asked.interval)
        work = find_work(client, database, listing, ledger, asked)
        problems.warn()
        people.warn_of_missing_users(listing.total, listing.came)
        unfinished.finish_at_service(client, listing, ledger)
        return _Run(client, database, listing, work, asked, erased).go(progress=progress)


class _Run:
    """One sync, from its first transaction to its last."""

    def __init__(
        self, client: Client, database: Database, listing: Listing, work: Work, asked: Request, erased: int
    ) -> None:
        self.client, self.database, self.listing, self.work, self.asked = client, database, listing, work, asked
        self.erased = erased  # users deleted already, to finish an erasure

    def go(self, *, progress: bool) -> SyncReport:
        begun = time.monotonic()
        with self.database.writing() as connection:
            number, deleted = self._begin(connection)
        tasks, unaskable = self._tasks()
        expected = len(tasks) + self.work.groups + self.work.expected
        interval = self.asked.interval
        crawl = Crawl(
            self.client,
            self.database,
            tasks,
            self.work.others,
            interval,
            now=self.listing.as_of,
            dated=self.listing.dated,
            expected=expected,
            progress=progress,
        )
        outcome = crawl.outcome
        outcome.user_failures.update(unaskable)
        try:
            crawl.run()
        except KeyboardInterrupt:
            self._finish(number, outcome, time.monotonic() - begun, finished=False)
            print(f"Stopped. {_kept(outcome)}", file=sys.stderr)  # noqa: T201
            raise
        except StoreError as error:
            raise type(error)(f"{error} {_kept(outcome)}") from None
        seconds = time.monotonic() - begun
        gone, failures = self._finish(number, outcome, seconds, finished=outcome.error is None)
        if deleted + gone:
            self.database.rewrite()
        for problems in crawl.problems:
            problems.warn()
        if outcome.error is not None:
            raise _ended_early(outcome, outcome.error)
        if len(failures):
            warn_incomplete(
                f"{len(failures):,} users or sessions could not be loaded in full. The report's `failures` "
                "lists them with the reasons. Later syncs request them again, up to five times with growing delays; "
                "refresh=True requests everything again."
            )
        return make_report(self.work, outcome, failures, self.erased + deleted + gone, seconds)

    def _begin(self, connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
        """Note what is known from the users' list and what this sync is to bring; delete who must not be there."""
        set_meta(connection, "app_id", self.client.app_id)
        set_meta(connection, "sample", repr(self.asked.sample))
        set_meta(connection, "seed", str(self.asked.seed))
        self._put_users(connection)
        deleted = self._drop_erased(connection)
        (number,) = one_row(connection, "SELECT coalesce(max(run), 0) + 1 FROM kept.runs")
        instants = [self.asked.start, self.asked.end, self.asked.window_end, self.listing.as_of]
        connection.execute(
            "INSERT INTO kept.runs VALUES (?, ?, ?, ?, ?, ?, false, 1, 0, ?, ?)",
            [number, *map(naive, instants), self.asked.sample, self.listing.came, self.listing.total],
        )
        return number, deleted

    def _put_users(self, connection: duckdb.DuckDBPyConnection) -> None:
        users = self.work.users
        wanted = np.flatnonzero(users["decision"].ne("forgotten"))
        listed = self.listing.users
        numbers = pd.Series(users["user_no"].to_numpy(), index=user_keys(listed["user_id"], listed["user_db_id"]))
        devices = self.listing.devices
        of_device = numbers.reindex(user_keys(devices["user_id"], devices["user_db_id"])).to_numpy()
        theirs = np.flatnonzero(np.isin(of_device, users["user_no"].to_numpy()[wanted]))
        writing.put_users(
            connection,
            {name: values[wanted] for name, values in self.listing.users.items()},
            [self.listing.properties[row] for row in wanted],
            {name: values[theirs] for name, values in devices.items()},
            {name: users[name].to_numpy()[wanted] for name in ("user_no", "bucket", "chosen")}
            | {"device_user_no": of_device[theirs]},
        )

    def _drop_erased(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Delete users of the store who have taken on the id of somebody erased; gives how many these were."""
        users = self.work.users
        numbers = users.loc[users["decision"].eq("forgotten"), "user_no"].tolist()
        connection.register("theirs", {"user_no": np.array(numbers, dtype=np.int32)})
        (deleted,) = one_row(connection, "SELECT count(*) FROM kept.users WHERE user_no IN (FROM theirs)")
        writing.drop_users(connection, numbers)
        return int(deleted)

    def _tasks(self) -> tuple[list[UserTask], dict[int, str]]:
        """Whom to ask about, and who cannot be asked about."""
        listed = self.work.users[["user_no", "decision"]].assign(
            user_id=self.listing.users["user_id"], user_db_id=self.listing.users["user_db_id"]
        )
        listed = listed[listed.pop("decision").eq("ask")]
        tasks, unaskable = [], {}
        for users, on_list in ((listed, True), (self.work.gone, False)):
            ids = users[["user_id", "user_db_id"]].astype(object)
            for number, (user_id, db_id) in zip(users["user_no"].tolist(), ids.to_numpy().tolist(), strict=True):
                path_id = db_id if self.client.user_path == "_id" else user_id
                if not isinstance(path_id, str):
                    unaskable[number] = _NO_ID
                    continue
                known = [one if isinstance(one, str) else None for one in (user_id, db_id)]
                tasks.append(UserTask(number, known[0], known[1], path_id, on_list))
        return tasks, unaskable

    def _finish(self, number: int, outcome: Outcome, seconds: float, *, finished: bool) -> tuple[int, pd.DataFrame]:
        """Note failures and the end of the run; delete whom the service does not know any more.

        Gives how many these were, and what of the interval could not be loaded.
        """
        with self.database.writing() as connection:
            if outcome.path_works:
                set_meta(connection, "user_path", self.client.user_path)
            gone = outcome.vanished
            if get_meta(connection, "user_path") == self.client.user_path:
                gone = gone + outcome.unsure
            else:
                outcome.user_failures.update(dict.fromkeys(outcome.unsure, _UNSURE))
            writing.drop_users(connection, gone)
            writing.put_failures(connection, outcome.user_failures, outcome.group_failures)
            condition, values = self.asked.interval.condition()
            connection.execute(
                "UPDATE kept.sessions s SET failure = ?"
                f" WHERE (device_id IS NULL OR session_id IS NULL) AND {condition}",
                [_NO_ID, *values],
            )
            connection.execute(
                "UPDATE kept.runs SET finished = ?, requests = ?, seconds = ? WHERE run = ?",
                [finished, outcome.requests + 1, seconds, number],
            )
            return len(gone), read_failures(connection, self.asked.interval)


def _kept(outcome: Outcome) -> str:
    tally = outcome.tally
    return (
        f"What came is kept: the lists of sessions of {outcome.users:,} users, and {tally.sessions:,} sessions with "
        f"{tally.events:,} events. Call sync again with the same arguments to go on."
    )


def _ended_early(outcome: Outcome, error: NucleusError) -> NucleusError:
    text = str(error)
    if isinstance(error, NotFoundError):
        text = (
            "The service knows none of the users (404). It seems to expect the other id in the path: set user_path of "
            "Client; nucleus_pandas.doctor(client) finds out which."
        )
    return type(error)(
        f"{text} {_kept(outcome)}",
        status=error.status,
        endpoint=error.endpoint,
        retry_after=error.retry_after,
        request_id=error.request_id,
        retryable=error.retryable,
    )
