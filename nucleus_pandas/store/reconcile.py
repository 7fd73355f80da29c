"""The store's counts beside the service's, to know whether they can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nucleus_pandas.api.client import Client, check_client
from nucleus_pandas.api.loaders.count_loaders import load_event_counts
from nucleus_pandas.api.windows import make_window, states
from nucleus_pandas.core.dtypes import COUNT, DAY, TEXT, make_frame
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.store.schema import check_app

if TYPE_CHECKING:
    from nucleus_pandas.store.eventstore import EventStore

_COLUMNS = {"day": DAY, "event": TEXT, "service": COUNT, "store": COUNT, "gap": COUNT, "settled": np.dtype(bool)}


def reconcile(store: EventStore, client: Client, start: When, end: When, *, tz: Zone | None) -> pd.DataFrame:
    """Compare counts per local day and custom event; see `EventStore.reconcile`."""
    zone = check_client(client).tz if tz is None else tz
    with store.database.reading() as connection:
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
    both = service.merge(ours, on=["day", "event"], how="outer").sort_values(["day", "event"], ignore_index=True)
    known = dict(zip(dates, states(window.days, now)["settled"], strict=True))
    both["settled"] = [known[np.datetime64(day, "us")] for day in both["day"]]
    for name in ("count", "store"):
        both[name] = both[name].astype(COUNT).fillna(0)
    both["gap"] = both["store"] - both["count"]
    table = make_frame(_COLUMNS, {name: both["count" if name == "service" else name] for name in _COLUMNS})
    print(_words(table, store.info().sample))  # noqa: T201
    return table


def _words(table: pd.DataFrame, sample: float) -> str:
    """The gap in a few sentences."""
    service, ours = int(table["service"].sum()), int(table["store"].sum())
    missing, beyond = int((-table["gap"]).clip(lower=0).sum()), int(table["gap"].clip(lower=0).sum())
    text = f"{service:,} custom events at the service, {ours:,} in the store"
    if sample < 1:
        return f"{text}, which follows {sample:.1%} of the users; {service * sample:,.0f} were to be expected."
    if not missing and not beyond:
        return f"{text}: no difference on any day."
    days = table.loc[table["gap"].ne(0), "day"].nunique()
    settled = int(table.loc[table["settled"], "gap"].abs().sum())
    share = f" ({missing / service:.2%})" if service else ""
    return (
        f"{text}: {missing:,} missing{share}, {beyond:,} that the service does not count, on {days:,} days; "
        f"{settled:,} of these on settled days."
    )
