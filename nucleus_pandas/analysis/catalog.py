"""What every event of an app carries: its attributes, their types and their most frequent values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.api.client import Client
from nucleus_pandas.api.http.api_request import Answer
from nucleus_pandas.api.loaders.count_loaders import load_event_properties
from nucleus_pandas.api.loaders.fanout import Harvest, fetch_all
from nucleus_pandas.api.loaders.window_requests import ask, window_of
from nucleus_pandas.api.parsing.counts import attribute_frame
from nucleus_pandas.api.parsing.schemas import EVENT_PROPERTIES, part
from nucleus_pandas.core.checks import checked_columns, checked_number
from nucleus_pandas.core.dtypes import COUNT, NUMBER, TEXT, Schema, make_frame
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.core.text import MISSING, counted
from nucleus_pandas.core.warnings import warn_incomplete

CATALOG: Schema = {
    "event": TEXT,
    "attribute": TEXT,
    "type": TEXT,
    "values": COUNT,
    "count": COUNT,
    "top_share": NUMBER,
    "top_values": TEXT,
}
_LONGEST = 40


def attribute_catalog(
    client: Client,
    start: When,
    end: When,
    *,
    tz: Zone | None = None,
    attributes: pd.DataFrame | None = None,
    top: int = 3,
    max_requests: int = 500,
    progress: bool = True,
) -> pd.DataFrame:
    """Get what each attribute of each event holds: one request an attribute.

    Parameters
    ----------
    client : Client
    start, end : date-like
        The first and the last day, or instants with a UTC offset.
    tz : str, int or tzinfo, optional
        The zone of the days; by default the client's.
    attributes : DataFrame, optional
        Rows of `load_event_properties`: the attributes to ask about. By default all of the interval.
    top : int, default 3
        How many values are named in ``top_values``.
    max_requests : int, default 500
        More are not sent; the error says how many it would take, and how long.
    progress : bool
        Show a bar in a notebook or a terminal.

    Returns
    -------
    pandas.DataFrame
        One row an event and attribute, sorted by both.

        - event, attribute: names, to be passed on to `load_attribute`
        - type: as the service gives it; several, joined by commas, where the attribute was sent with several
        - values: how many different ones came in the interval, missing not among them
        - count: events with the attribute, as the service counts them
        - top_share: the share of the most frequent value, of count; missing where nothing was counted
        - top_values: the most frequent ones with their counts, most first, such as ``free (75), pro (25)``; long ones
          are cut

        What the service could not be asked about, or does not know any more, has missing numbers.

    Raises
    ------
    ValueError
        For an interval or zone that cannot be read, for `attributes` without the columns of
        `load_event_properties`, and where it would take more than `max_requests`.
    TypeError
        If `attributes` is no DataFrame.
    NucleusError
        When a request fails. Its `partial` holds the rows that are done, and its `remaining` the attributes that are
        still to be asked for: pass them as `attributes` to go on.

    Warns
    -----
    IncompleteDataWarning
        When an answer is of another shape, or an attribute has a name that no path can carry.

    Notes
    -----
    Source: ``analytics/eventsprops`` and, once an attribute, ``analytics/events/:event/:attr``: at the client's
    `requests_per_second`, 5 by default, 300 attributes take a minute. An attribute with nearly as many values as
    counts is an id, a name or a free text: values can be what people typed, so look before you share the table.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> properties = nu.load_event_properties(app, "2026-09-01", "2026-09-30")
    >>> of_init = properties[properties["event"] == "init"]
    >>> catalog = nu.attribute_catalog(app, "2026-09-01", "2026-09-30", attributes=of_init)
    >>> catalog[["attribute", "type", "values"]]
         attribute     type  values
    0         beta  boolean       2
    1  displayName   string     ...
    2         plan   string       3
    """
    window = window_of(client, start, end, tz)
    top = checked_number("top", top, None, "how many values are named")
    most = checked_number("max_requests", max_requests, None, "how many requests may be sent")
    wanted = _wanted(load_event_properties(client, start, end, tz=tz) if attributes is None else attributes)
    if len(wanted) > most:
        raise ValueError(
            f"It takes {counted(len(wanted), 'request')}, one an attribute{_time(client, len(wanted))}. Pass "
            f"max_requests={len(wanted)} to send them, or those that you need: "
            'attributes=properties[properties["event"] == …], with properties of nu.load_event_properties.'
        )
    pairs = list(zip(wanted["event"], wanted["attribute"], strict=True))

    def fetch(row: int) -> Answer:
        answer = ask(client, "attribute", window, *pairs[row])
        part(answer.payload, "data", list, "attribute")
        return answer

    return _finish(fetch_all(fetch, len(pairs), client, label="attributes", progress=progress), wanted, top)


def _wanted(attributes: pd.DataFrame) -> pd.DataFrame:
    """One row an event and attribute, with its types."""
    checked_columns("attributes", attributes, list(EVENT_PROPERTIES), "Pass rows of nu.load_event_properties.")
    types: dict[tuple[str, str], dict[str, None]] = {}
    for event, attribute, kind in attributes[["event", "attribute", "type"]].itertuples(index=False):
        if not (pd.isna(event) or pd.isna(attribute)):
            types.setdefault((str(event), str(attribute)), {})[MISSING if pd.isna(kind) else str(kind)] = None
    rows = sorted(types)
    columns = {
        "event": [event for event, _ in rows],
        "attribute": [attribute for _, attribute in rows],
        "type": [", ".join(sorted(types[row])) for row in rows],
    }
    return make_frame({name: CATALOG[name] for name in columns}, columns)


def _summary(frame: pd.DataFrame, top: int) -> dict[str, Any]:
    """The numbers of one attribute, from its values with the most frequent first."""
    named = frame[frame["value"].notna()]
    values = [
        f"{_short(value)} ({'no count' if pd.isna(count) else f'{count:,}'})"
        for value, count in named[["value", "count"]].head(top).itertuples(index=False)
    ]
    total = int(frame["count"].sum())
    return {
        "values": len(named),
        "count": total,
        "top_share": named["count"].max() / total if total and len(named) else np.nan,
        "top_values": ", ".join(values) or None,
    }


def _short(value: str) -> str:
    """One line of a value, cut where it is long."""
    line = " ".join(value.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _time(client: Client, requests: int) -> str:
    if np.isinf(client.rate):
        return ""
    seconds = requests / client.rate
    return f", and some {counted(round(seconds / 60), 'minute') if seconds > 90 else counted(round(seconds), 'second')}"


def _finish(harvest: Harvest[Answer], wanted: pd.DataFrame, top: int) -> pd.DataFrame:
    """The table, or the error with the rows that are done and what is still to be asked for."""
    done = [*harvest.answers, *harvest.set_apart]
    if harvest.error is None:
        if missing := len(wanted) - len(harvest.answers):
            warn_incomplete(
                f"{missing:,} of {counted(len(wanted), 'attribute')} could not be asked about, were refused, or had an "
                "answer of another shape: their numbers are missing."
            )
        return _table(harvest, wanted, list(range(len(wanted))), top)
    error = harvest.error
    raise type(error)(
        f"{error} {len(harvest.answers):,} of {counted(len(wanted), 'attribute')} had been asked for: this error's "
        "`partial` holds them; attribute_catalog(client, …, attributes=error.remaining) goes on with the rest.",
        status=error.status,
        endpoint=error.endpoint,
        retry_after=error.retry_after,
        request_id=error.request_id,
        retryable=error.retryable,
        partial=_table(harvest, wanted, sorted(done), top),
        remaining=wanted.drop(index=done).reset_index(drop=True),
    ) from None


def _table(harvest: Harvest[Answer], wanted: pd.DataFrame, rows: list[int], top: int) -> pd.DataFrame:
    asked = wanted.iloc[rows].reset_index(drop=True)
    found: list[dict[str, Any]] = [dict.fromkeys(CATALOG) for _ in rows]
    for place, (row, event, attribute) in enumerate(zip(rows, asked["event"], asked["attribute"], strict=True)):
        if (answer := harvest.answers.get(row)) is not None:
            found[place] = _summary(attribute_frame([(answer.payload, None)], event, attribute, answer.as_of), top)
    numbers = {name: [one[name] for one in found] for name in CATALOG if name not in asked}
    return make_frame(CATALOG, {**{str(name): asked[name] for name in asked}, **numbers})
