"""The report of a day, a week or a month: the numbers of the service, and of a store where there is one."""

from __future__ import annotations

import warnings
from collections.abc import Sized
from typing import TYPE_CHECKING, Final

from nucleus_pandas.api.client import check_client
from nucleus_pandas.core.instants import parse_zone
from nucleus_pandas.core.text import counted, percent
from nucleus_pandas.exceptions import IncompleteDataWarning
from nucleus_pandas.report import service_sections as of_counts
from nucleus_pandas.report import store_sections as of_people
from nucleus_pandas.report.report import Report
from nucleus_pandas.report.report_period import make_span, read_report_calendar
from nucleus_pandas.report.section import Section
from nucleus_pandas.report.service_tables import load
from nucleus_pandas.report.store_sections import people_of
from nucleus_pandas.report.summary_cards import cards_of
from nucleus_pandas.store.eventstore import check_store

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from nucleus_pandas.api.client import Client
    from nucleus_pandas.core.calendar import Freq, WeekStart
    from nucleus_pandas.core.instants import When, Zone
    from nucleus_pandas.events.steps import StepLike
    from nucleus_pandas.report.report_period import Compare, Span
    from nucleus_pandas.report.service_tables import Loaded
    from nucleus_pandas.report.store_sections import People
    from nucleus_pandas.store.eventstore import EventStore

_TITLES: Final = {"D": "Daily report", "W": "Weekly report", "M": "Monthly report"}


def periodic_report(
    client: Client,
    store: EventStore | None = None,
    *,
    freq: Freq = "W",
    week_start: WeekStart | None = None,
    day: When | None = None,
    tz: Zone | None = None,
    funnel: Sequence[StepLike] | None = None,
    attribute: tuple[str, str] | None = None,
    compare: Compare | None = "previous",
    title: str | None = None,
) -> Report:
    """Make the report of a day, a week or a month.

    Parameters
    ----------
    client : Client
        Whose app it is about.
    store : EventStore, optional
        A store of this app, synced for the period and, better, for the eight weeks (months: six months) before it.
        Without it, sections that follow users say what one sync would add. Nothing is synced here.
    freq : {"D", "W", "M"}, default "W"
        A day, a week, or a calendar month. pandas' other names for these are accepted, such as ``"W-SAT"`` for a week
        that ends on Saturday. In the report of a day, users are followed by weeks, as a day says little about who
        returns.
    week_start : {"monday", "tuesday", …}, optional
        The first day of weeks; by default Monday, or what `freq` says.
    day : date-like, optional
        Any day of the period; of months also ``"2026-10"``. By default the last period that is over. Of a period that
        is not over, the days that are.
    tz : str, int or tzinfo, optional
        The zone of the days; by default the client's.
    funnel : list of steps, optional
        As for `funnel`; needs the store. Users have 7 days for all steps. Entries count of the latest 28 days of which
        everybody has had them by now, beside those of the 28 days before.
    attribute : (str, str), optional
        An event and an attribute of it whose values are broken down, such as ``("init", "plan")``.
    compare : {"previous", "year"} or None
        The period before; the one 52 weeks before, of months the same month a year before; or nothing. A day is
        compared with the same weekday, as weekdays differ. Months differ in length: compare their rates and shares
        rather than their sums.
    title : str, optional
        The heading of the page, such as the name of your app; by default ``Weekly report`` with the days.

    Returns
    -------
    Report
        To be saved (``.save("week.html")``), mailed (``.to_eml``), shown in a notebook, or added to. It holds counts,
        shares and names of events, errors and versions, and no ids of users.

    Raises
    ------
    ValueError
        For a period of which no day is over, for invalid arguments, and for steps that are no events of the store.
    NucleusError
        If the service refuses or fails; `StoreError` if the store belongs to another app.

    Warns
    -----
    IncompleteDataWarning
        When something is missing; the page says it, too.

    Notes
    -----
    Changes of counts are tested against those from one period to the next before, eight weeks or six months back
    (Student's t of differences of logarithms), and against chance. Changes of shares of new users are tested with users
    as the sampling unit. Both allow for the number of rows of a section (Holm). A report of the past knows nothing of
    what came later, but for its funnel.

    Without a store it takes some 30 requests; with one, 21. The figures are those of the functions that the page names
    at its end, called for the same days. Days younger than 48 hours still grow, as apps send late: the page says how
    many there are, and compares as many settled days as the period has, which end before them. Errors are judged day by
    day, on all days that have settled since the report before could have been made: no day is left out where each
    period has its report, whenever it is made, and a daily report is made on working days. The same answers give the
    same bytes, but for the time at which it was made.

    Examples
    --------
    >>> app = nu.demo_client()
    >>> report = nu.periodic_report(app, freq="W", day="2026-10-19", attribute=("init", "plan"))
    >>> report.title
    'Weekly report, 2026-10-19 to 2026-10-25'
    """
    check_client(client)
    _check(funnel, attribute)
    stored = None if store is None else check_store(store)
    zone = parse_zone(client.tz if tz is None else tz)
    span = make_span(read_report_calendar(freq, week_start, zone), day, client.now(), compare)
    title = f"{_TITLES[span.calendar.unit]}, {_days(span.first, span.until)}" if title is None else title
    report = Report(title, _subtitle(client, span))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        people = people_of(stored, span, client.app_id, funnel)
        loaded = load(client, span, attribute, stored=people is not None)
        _add_sections(report, people, loaded, span, funnel, attribute)
    missing = list(dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, IncompleteDataWarning)))
    if people is not None and people.log.sample < 1:
        share = percent(people.log.sample, decimals=None)
        missing.append(f"The store follows {share} of the users: counts from it are of these only.")
    if people is not None and people.since > span.since:
        missing.append(f"The store holds days since {people.since}: what follows users begins there.")
    if missing:
        report.sections.insert(1, Section("What is missing", paragraphs=missing))
    for one in {str(one.message): one for one in caught}.values():
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    report.add("What the numbers mean", _definitions(span, people))
    return report


def _check(funnel: object, attribute: object) -> None:
    if isinstance(funnel, str) or (isinstance(funnel, Sized) and not len(funnel)):
        raise ValueError(f'funnel={funnel!r}: pass its steps, funnel=["init", "PROJECT_CREATED"].')
    pair = isinstance(attribute, tuple | list) and len(attribute) == 2 and set(map(type, attribute)) == {str}
    if attribute is not None and not pair:
        raise ValueError(f'attribute={attribute!r}: pass an event and an attribute of it, attribute=("init", "plan").')


def _add_sections(
    report: Report,
    people: People | None,
    loaded: Loaded,
    span: Span,
    funnel: Sequence[StepLike] | None,
    attribute: tuple[str, str] | None,
) -> None:
    state = " ".join(filter(None, [_state(span), _compared(span, loaded), _silent(loaded)]))
    report.sections.append(Section("At a glance", state, cards=cards_of(loaded, settled=span.settled)))
    of_people.add_active_users(report, people, loaded.daily)
    of_people.add_growth(report, people)
    of_people.add_retention(report, people, loaded.users, span)
    of_people.add_funnel(report, people, funnel)
    of_counts.add_events(report, loaded, span)
    of_counts.add_errors(report, loaded, span)
    of_people.add_error_free(report, people)
    of_people.add_releases(report, people, loaded.versions)
    of_counts.add_breakdowns(report, loaded, span, attribute)


def _subtitle(client: Client, span: Span) -> str:
    days = _days(span.first, span.until)
    return f"App {client.app_id}. {days}, days in {span.zone}. Made {span.now:%Y-%m-%d %H:%M} UTC."


def _days(first: dt.date, last: dt.date) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _state(span: Span) -> str:
    """Say how complete and how settled the days are."""
    of = "" if span.until == span.last else f"The {span.noun} is not over: {counted(span.days, 'day')} of it are here. "
    young = span.days - span.settled_days
    if not young:
        return f"{of}Settled: all days are older than 48 hours, and grow no more."
    if span.days == 1:
        return f"{of}Not settled: the day is younger than 48 hours, and may still grow."
    verb = "is" if young == 1 else "are"
    return f"{of}Not settled: {young} of {span.days} days {verb} younger than 48 hours, and may still grow."


def _compared(span: Span, loaded: Loaded) -> str:
    if span.before is None:
        return ""
    earlier = _days(*(span.compared_with or span.before))
    if loaded.before is None:
        return f"There were no sessions in {earlier}: nothing to compare with."
    if span.settled:
        return f"Compared with {earlier}."
    return f"Changes compare the last settled days, {_days(*span.compared)}, with {earlier}."


def _silent(loaded: Loaded) -> str:
    """Name the days on which nobody was there, or nothing was sent."""
    days = loaded.now.daily.loc[loaded.now.daily["sessions"] == 0, "day"]
    named = ", ".join(days.dt.strftime("%Y-%m-%d"))
    return f"No sessions on {named}: nobody was there, or nothing was sent." if named else ""


def _definitions(span: Span, people: People | None) -> str:
    """Say what the numbers are of, and which functions give them."""
    months_or_weeks = "six months" if span.calendar.unit == "M" else "eight weeks"
    paragraphs = [
        f"Days are local days in {span.zone}, from midnight to midnight.",
        "Active users: different users of the days, as the service counts them (load_totals). New users, sessions and "
        "their mean length: load_daily. Errors per 100 sessions: every report counts (load_error_counts).",
        "Events: load_event_counts. A rate is per 100 sessions. Spikes: error_trend, against the same weekday of up to "
        "8 weeks before. New errors: new_errors.",
        "Each change is judged in one of three ways, allowing for the number of rows of its section. A clear change "
        "(an arrow, higher, lower, more, fewer): chance alone would make one as large in fewer than 1 of 20 cases. "
        "Within normal variation: tested, and not clear. Too little history: not enough to test it. A clear change "
        "says nothing about its cause.",
        f"Counts and rates are compared with how they usually change from {span.step}, over the {months_or_weeks} "
        "before. Shares and funnels are compared user by user "
        "(compare).",
        "Shares are of all that was counted; what has no value may not be counted (breakdown). What the service counts "
        "are totals: how many users they are of is not known, so their shares have no bounds and no verdict.",
        "95 %: the bounds within which the true share, difference or ratio lies in 95 of 100 such cases; beside a "
        "verdict, for all rows of the section together.",
    ]
    if people is None:
        paragraphs.append(
            "Retention: of users created in a period, who was there in a period or later (unbounded_retention)."
        )
    else:
        paragraphs.append(
            f"From the store, known until {people.as_of:%Y-%m-%d %H:%M} UTC, {_days(people.since, people.until)}: "
            "active_users, growth, retention, funnel, error_free, crash_free, version_adoption, compare_releases. "
            "Users in 7 and 28 days: of the days up to and including the day, each counted once."
        )
    return "\n\n".join(paragraphs)
