"""The store's counts beside the service's, to know whether they can be trusted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nucleus_pandas.api.client import Client, check_client
from nucleus_pandas.api.loaders.count_loaders import load_event_counts
from nucleus_pandas.api.windows import make_window, states
from nucleus_pandas.core.dtypes import COUNT, DAY, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.store.eventstore import EventStore, check_store
from nucleus_pandas.store.schema import check_app

_COLUMNS: Schema = {
    "day": DAY,
    "event": TEXT,
    "service": COUNT,
    "store": COUNT,
    "gap": COUNT,
    "settled": np.dtype(bool),
    "sample": NUMBER,
}


def reconcile(client: Client, store: EventStore, start: When, end: When, *, tz: Zone | None = None) -> pd.DataFrame:
    """The store's counts of custom events beside the service's own.

    Parameters
    ----------
    client : Client
    store : EventStore
    start, end : str, date or datetime
        The interval; a bare date as `end` means that whole day.
    tz : str, int or tzinfo, optional
        Zone of the days; by default the client's.

    Returns
    -------
    pandas.DataFrame
        One row per day and event.

        - day: the local day
        - event: the name
        - service: events that the service counts (`load_event_counts`)
        - store: events in the store
        - gap: store − service; negative where the store lacks events
        - settled: the day was over for 48 hours, so that late events have arrived
        - sample: the fraction of users that the store follows; `store` is not scaled, so expect about
          sample × service

    Raises
    ------
    ValueError
        For an invalid interval.
    StoreError
        If the store belongs to another app.
    NucleusError
        If the service refuses or fails.

    Notes
    -----
    Source: ``analysis/events`` of the service, requested now, beside what was synced until ``store.info().as_of``.
    Events received since the sync therefore appear as a gap.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> store = nu.EventStore("myapp.duckdb")
    >>> report = nu.sync(app, store, start="2026-10-29", end="2026-10-30", progress=False)
    >>> table = nu.reconcile(app, store, start="2026-10-29", end="2026-10-30")
    >>> bool((table["gap"] == 0).all())
    True
    """
    zone = check_client(client).tz if tz is None else tz
    with check_store(store).database.reading() as connection:
        check_app(connection, client.app_id, store.database.path)
    service = load_event_counts(client, start, end, tz=zone)
    now = client.service_date() or client.now()
    window = make_window(start, end, zone, now=now)
    log = store.events(window.start, window.end, columns=["time", "event", "kind"])
    log = log[log["kind"].eq("custom").fillna(value=False)]
    edges = np.array([day.start.replace(tzinfo=None) for day in window.days], dtype="datetime64[us]")
    dates = np.array([day.date for day in window.days], dtype=DAY)
    moments = log["time"].dt.tz_localize(None).to_numpy("datetime64[us]")
    counted = log.assign(day=dates[np.searchsorted(edges, moments, side="right") - 1])
    ours = counted.groupby(["day", "event"], as_index=False).size().rename(columns={"size": "store"})
    both = service.rename(columns={"count": "service"}).merge(ours, on=["day", "event"], how="outer")
    both = both.sort_values(["day", "event"], ignore_index=True)
    settled = dict(zip(dates, states(window.days, now)["settled"], strict=True))
    counts = {name: both[name].astype(COUNT).fillna(0) for name in ("service", "store")}
    columns = {
        "day": both["day"],
        "event": both["event"],
        **counts,
        "gap": counts["store"] - counts["service"],
        "settled": [settled[np.datetime64(day, "us")] for day in both["day"]],
        "sample": np.full(len(both), store.info().sample),
    }
    return make_frame(_COLUMNS, columns)
