"""Loaders of counts, one an endpoint: a window, a client, a frame function, and no logic of their own.

Loaders that take an interval share these parameters and errors.

start, end
    A bare date is a local day of `tz`; both days are inclusive. A datetime with a UTC offset is an instant and,
    as `end`, not part of the interval. Days that have not begun yet are left out.
tz
    An IANA name, an offset such as ``"+05:45"``, or minutes east; by default the client's.

A day or period is `complete` when all of it lies in the interval and it was over when the service was asked; it
is `settled` 48 hours after its end, as clients that were offline send that late.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from nucleus_pandas.api.client import Client, check_client
from nucleus_pandas.api.loaders.window_requests import ask, ask_periods, ask_runs, window_of
from nucleus_pandas.api.parsing import counts
from nucleus_pandas.core.calendar import Freq, WeekStart
from nucleus_pandas.core.instants import When, Zone
from nucleus_pandas.core.text import did_you_mean, near_names, shown
from nucleus_pandas.core.warnings import warn_incomplete


def load_quick_glance(client: Client) -> pd.DataFrame:
    """Get the last 24 hours beside the 24 hours before.

    Parameters
    ----------
    client : Client

    Returns
    -------
    pandas.DataFrame
        One row a metric.

        - metric: installs, users, sessions or errors
        - current, previous: counts of the last 24 hours and of the 24 hours before
        - change: current - previous
        - change_ratio: change / previous; NaN where previous is 0

    Raises
    ------
    NucleusError
        When the service does not answer as it should.

    Notes
    -----
    Source: ``analytics/quickglance``. Both spans end now and the latest events are still on their way, so
    `current` grows.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> nu.load_quick_glance(app)["metric"].tolist()
    ['installs', 'users', 'sessions', 'errors']
    """
    return counts.quick_glance_frame(check_client(client).get("quick_glance").payload)


def load_daily(client: Client, start: When, end: When, *, tz: Zone | None = None) -> pd.DataFrame:
    """Get users and sessions per local day.

    Parameters
    ----------
    client : Client
    start, end : date-like
        The first and the last day, or instants with a UTC offset.
    tz : str, int or tzinfo, optional
        The zone of the days; by default the client's.

    Returns
    -------
    pandas.DataFrame
        One row a day of the interval.

        - day: local date at midnight, without zone
        - new_users: users created on the day
        - active_users: users with a session on the day
        - returning_users: active users who are not new, as the service counts them; can be negative
        - sessions: sessions begun on the day
        - avg_session_seconds: mean duration over the day's sessions; NaN where there were none
        - complete, settled: see Notes

    Raises
    ------
    ValueError
        For an interval or zone that cannot be read.
    NucleusError
        When the service does not answer as it should.

    Warns
    -----
    IncompleteDataWarning
        When part of the answer could not be read, or fell outside the interval.

    Notes
    -----
    Source: ``analytics``, one request for each run of days with one UTC offset. On a day of more than 24 hours the
    service counts in two pieces; counts are added, the mean is weighted, and the active users are the answer's own
    total where it can be that number, else missing.

    A day is complete when all of it lies in the interval and it was over when the service was asked, and
    settled 48 hours after its end.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> daily = nu.load_daily(app, "2026-09-01", "2026-09-30", tz="Europe/Paris")
    >>> len(daily)
    30
    """
    window = window_of(client, start, end, tz)
    answers, window, as_of = ask_runs(client, "daily", window, window.runs)
    return counts.daily_frame(answers, window, as_of)


def load_hours(client: Client, start: When, end: When, *, tz: Zone | None = None) -> pd.DataFrame:
    """Get sessions per local hour.

    Parameters
    ----------
    client : Client
    start, end : date-like
        The first and the last day, or instants with a UTC offset.
    tz : str, int or tzinfo, optional
        The zone of the days and hours; by default the client's.

    Returns
    -------
    pandas.DataFrame
        One row an hour of a day.

        - day: local date at midnight, without zone
        - hour: 0 to 23, as the clock on the wall shows it
        - sessions: sessions begun in the hour
        - complete, settled: of the day, as in `load_daily`

        Hours that the clocks skip, that lie outside the interval or had not begun are no rows. An hour that
        the clocks repeat is one row with both.

    Raises
    ------
    ValueError
        For an interval or zone that cannot be read.
    NucleusError
        When the service does not answer as it should.

    Notes
    -----
    Source: ``analytics``, its ``hours``. A day on which the offset changes is asked for in its two parts, each
    with its own offset, so that every count belongs to the hour on the wall.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> hours = nu.load_hours(app, "2026-09-01", "2026-09-30", tz="Europe/Paris")
    >>> len(hours)  # 30 days of 24 hours
    720
    """
    window = window_of(client, start, end, tz)
    answers, window, as_of = ask_runs(client, "daily", window, window.hour_runs)
    return counts.hours_frame(answers, window, as_of)


def load_dimensions(
    client: Client,
    start: When,
    end: When,
    *,
    tz: Zone | None = None,
    freq: Freq | None = None,
    week_start: WeekStart | None = None,
) -> pd.DataFrame:
    """Get how often each platform, version, country, language and memory size occurs.

    Parameters
    ----------
    client : Client
    start, end : date-like
        The first and the last day, or instants with a UTC offset.
    tz : str, int or tzinfo, optional
        The zone of the days; by default the client's.
    freq : {"D", "W", "M", "Q"}, optional
        Count per day, week, month or quarter: one request each, five a second by default (`requests_per_second` of the
        client). ``"MS"``, ``"ME"``, ``"QS"``, ``"QE"`` and ``"W-SAT"`` (weeks that end on Saturday) mean what they do
        in pandas.
    week_start : {"monday", "tuesday", …}, optional
        The first day of weeks; by default Monday, or what `freq` says.

    Returns
    -------
    pandas.DataFrame
        One row a dimension and value, the most frequent first.

        - period: first date of the period, which may lie before `start`; only with `freq`
        - dimension: platform (win, mac, linux, ios, android, or as reported), platform_raw (as reported, so that a
          platform can have several rows), version, country (ISO 3166 alpha-2), language or ram_gb
        - value: text; missing where the service has none
        - count: as the service counts it over the interval or period
        - complete, settled: of the period; only with `freq`

    Raises
    ------
    ValueError
        For an interval, zone or `freq` that cannot be read.
    NucleusError
        When the service does not answer as it should.

    Notes
    -----
    Source: ``analytics``, its lists. The reference does not say what is counted, users, devices or sessions;
    the counts of one dimension are comparable with each other, not with those of another endpoint.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> weekly = nu.load_dimensions(app, "2026-09-07", "2026-09-20", freq="W")
    >>> weekly["period"].dt.strftime("%Y-%m-%d").unique().tolist()
    ['2026-09-07', '2026-09-14']
    """
    window = window_of(client, start, end, tz)
    answers, as_of = ask_periods(client, "daily", window, freq, week_start)
    return counts.dimensions_frame(answers, as_of)


def load_totals(client: Client, start: When, end: When, *, tz: Zone | None = None) -> pd.DataFrame:
    """Get users and installs of an interval as a whole.

    Parameters
    ----------
    client : Client
    start, end : date-like
        The first and the last day, or instants with a UTC offset.
    tz : str, int or tzinfo, optional
        The zone of the days; by default the client's.

    Returns
    -------
    pandas.DataFrame
        One row: users, installs. Users of an interval are not the sum of its days' users.

    Raises
    ------
    ValueError
        For an interval or zone that cannot be read.
    NucleusError
        When the service does not answer as it should.

    Notes
    -----
    Source: ``analytics``, its ``totalNumbers``.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> list(nu.load_totals(app, "2026-09-01", "2026-09-30"))
    ['users', 'installs']
    """
    window = window_of(client, start, end, tz)
    return counts.totals_frame(ask(client, "daily", window).payload)


def load_event_counts(client: Client, start: When, end: When, *, tz: Zone | None = None) -> pd.DataFrame:
    """Get counts of the app's own events per local day.

    Parameters
    ----------
    client : Client
    start, end : date-like
        The first and the last day, or instants with a UTC offset.
    tz : str, int or tzinfo, optional
        The zone of the days; by default the client's.

    Returns
    -------
    pandas.DataFrame
        One row a day and event, sorted by both. Every event of the interval has every day, zeros filled.

        - day: local date at midnight, without zone
        - event: its name
        - count: how often it happened
        - complete, settled: as in `load_daily`

    Raises
    ------
    ValueError
        For an interval or zone that cannot be read.
    NucleusError
        When the service does not answer as it should.

    Notes
    -----
    Source: ``analytics/events``, one request for each run of days with one UTC offset. An event that did not
    happen in the interval is not known to the answer and has no rows.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> events = nu.load_event_counts(app, "2026-09-01", "2026-09-30")
    >>> events.groupby("event").size().unique().tolist()  # every event has every day
    [30]
    """
    window = window_of(client, start, end, tz)
    answers, window, as_of = ask_runs(client, "events", window, window.runs)
    return counts.event_counts_frame(answers, window, as_of)


def load_error_counts(client: Client, start: When, end: When, *, tz: Zone | None = None) -> pd.DataFrame:
    """Get counts of errors by name per local day.

    Parameters
    ----------
    client : Client
    start, end : date-like
        The first and the last day, or instants with a UTC offset.
    tz : str, int or tzinfo, optional
        The zone of the days; by default the client's.

    Returns
    -------
    pandas.DataFrame
        One row a day and error, sorted by both. Every error of the interval has every day, zeros filled.

        - day: local date at midnight, without zone
        - error: uncaughtException, unhandledRejection, or a name that the app reports itself
        - count: how often it was reported; not a number of broken sessions
        - complete, settled: as in `load_daily`

    Raises
    ------
    ValueError
        For an interval or zone that cannot be read.
    NucleusError
        When the service does not answer as it should.

    Notes
    -----
    Source: ``analytics/errors``, one request for each run of days with one UTC offset.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> errors = nu.load_error_counts(app, "2026-09-01", "2026-09-30")
    >>> errors.groupby("error").size().unique().tolist()  # every error has every day
    [30]
    """
    window = window_of(client, start, end, tz)
    answers, window, as_of = ask_runs(client, "errors", window, window.runs)
    return counts.error_counts_frame(answers, window, as_of)


def load_event_properties(client: Client, start: When, end: When, *, tz: Zone | None = None) -> pd.DataFrame:
    """Get which attributes were reported with which event.

    Parameters
    ----------
    client : Client
    start, end : date-like
        The first and the last day, or instants with a UTC offset.
    tz : str, int or tzinfo, optional
        The zone of the days; by default the client's.

    Returns
    -------
    pandas.DataFrame
        One row an event, attribute and type, sorted by all three. An attribute that was sent with several types
        has several rows.

    Raises
    ------
    ValueError
        For an interval or zone that cannot be read.
    NucleusError
        When the service does not answer as it should.

    Notes
    -----
    Source: ``analytics/eventsprops``. Pass event and attribute on to `load_attribute`.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> properties = nu.load_event_properties(app, "2026-09-01", "2026-09-30")
    >>> "plan" in properties.loc[properties["event"] == "init", "attribute"].tolist()
    True
    """
    window = window_of(client, start, end, tz)
    return counts.event_properties_frame(ask(client, "event_properties", window).payload)


def load_attribute(
    client: Client,
    event: str,
    attribute: str,
    start: When,
    end: When,
    *,
    tz: Zone | None = None,
    freq: Freq | None = None,
    week_start: WeekStart | None = None,
) -> pd.DataFrame:
    """Get how often each value of an event's attribute was sent.

    Parameters
    ----------
    client : Client
    event, attribute : str
        Names as `load_event_properties` gives them.
    start, end : date-like
        The first and the last day, or instants with a UTC offset.
    tz : str, int or tzinfo, optional
        The zone of the days; by default the client's.
    freq : {"D", "W", "M", "Q"}, optional
        Count per day, week, month or quarter: one request each, five a second by default (`requests_per_second` of the
        client). ``"MS"``, ``"ME"``, ``"QS"``, ``"QE"`` and ``"W-SAT"`` (weeks that end on Saturday) mean what they do
        in pandas.
    week_start : {"monday", "tuesday", …}, optional
        The first day of weeks; by default Monday, or what `freq` says.

    Returns
    -------
    pandas.DataFrame
        One row a value, the most frequent first.

        - period: first date of the period, which may lie before `start`; only with `freq`
        - event, attribute: as asked for
        - value: as text; numbers and booleans as JSON spells them, so that 1 and ``"1"`` are one value
        - count: events with this value
        - complete, settled: of the period; only with `freq`

    Raises
    ------
    ValueError
        For a name that no path can carry, or an interval, zone or `freq` that cannot be read.
    NucleusError
        When the service does not answer as it should.

    Warns
    -----
    IncompleteDataWarning
        When the event was not reported with this attribute in the interval; names the nearest ones.

    Notes
    -----
    Source: ``analytics/events/:event/:attr``. Events without the attribute may not be counted, so the counts
    need not add up to those of `load_event_counts`. Only when no value comes is ``analytics/eventsprops`` asked as
    well, to distinguish a name that was not reported from an attribute without values.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> plans = nu.load_attribute(app, "init", "plan", "2026-09-01", "2026-09-30")
    >>> sorted(plans["value"])
    ['free', 'pro', 'team']
    """
    window = window_of(client, start, end, tz)
    answers, as_of = ask_periods(client, "attribute", window, freq, week_start, event, attribute)
    frame = counts.attribute_frame(answers, event, attribute, as_of)
    if frame.empty:
        _warn_of_unknown(ask(client, "event_properties", window).payload, event, attribute)
    return frame


def _warn_of_unknown(payload: Any, event: str, attribute: str) -> None:
    """Warn of a name that was not reported in the interval, with the nearest ones: most likely it is misspelt."""
    reported = counts.event_properties_frame(payload)
    attributes = reported.loc[reported["event"] == event, "attribute"].tolist()
    name, given, known = ("attribute", attribute, attributes) if attributes else ("event", event, reported["event"])
    if given in set(known):
        return
    hint = did_you_mean(near_names(given, map(str, known)))
    where = f"of the event {shown(event)} was" if attributes else "was"
    what = "" if attributes else " with attributes"
    warn_incomplete(
        f"No values: the {name} {shown(given)} {where} not reported{what} in this interval.{hint} "
        "load_event_properties lists what was."
    )
