"""What was planted in the made-up app, beside what its data then came to: the answers that analyses must find."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from nucleus_pandas.demo.model import DemoApp
from nucleus_pandas.demo.parameters import ERROR_RATE, FUNNEL_PERCENT, ROLLOUT, WEEKLY_PERCENT, still_there
from nucleus_pandas.demo.records import DAY_MS, WEEK_MS, DemoSession, DemoUser, from_ms, to_ms

FUNNEL_STEPS = ("init", "PROJECT_CREATED", "EXPORT_PDF")
PLANS = ("free", "pro")
SETTLED = timedelta(hours=48)  # clients send that late


@dataclass(frozen=True)
class Truth:
    """What was planted and what came of it; days are UTC dates, plans are ``free`` and ``pro``.

    Planted figures are the parameters of the build. Counts are of the data known at ``as_of``, over [start, end),
    without the sessions of clocks that are years off. The unattended machines (plan ``team``) count in adoption and
    errors; nothing else was planted for them.

    Attributes
    ----------
    start, end, as_of : datetime
        What the data cover, and until when they were counted.
    funnel_steps : tuple of str
        The events of the funnel, in order; the window is 7 days from a user's first start.
    funnel_planted : dict of plan to tuple of float
        Chance of each step, of those who start. The rate is the same for any and for first entries: who converts
        at all does so within 7 days of the first start.
    funnel_counts : dict of plan to tuple of int
        Users at each step, of those who first started 7 days + 48 h or longer before ``as_of``.
    funnel_counts_naive : dict of plan to tuple of int
        The same of everybody who started, those too who have not had their 7 days: too low.
    retention_planted : dict of plan to tuple of float
        Chance that a user starts a session in the n-th week (7 x 24 h) after creation; week 0 is certain.
    retention_counts : dict of plan to tuple of (int, int)
        (users who did, users whose week was over at ``as_of``), of those who ever started the app.
    never_started : int
        Users who signed up and have no session.
    bad_release, release_error : str
        The version that raises errors, and which error.
    error_rate_planted : dict of str to float
        Chance of an error in a session: ``ordinary``, ``bad`` (release) and ``spike`` (day).
    error_sessions : dict of version to tuple of (int, int)
        (sessions with an error, sessions), the spike day left out.
    spike_day : date
        Day on which errors rise whatever the release.
    spike_error : str
        Name of the error that rises on it.
    spike_sessions : tuple of (int, int)
        (sessions with an error, sessions) of that day.
    launch_day, outage_day : date
        Day with most new users; day without any session or event.
    releases : dict of version to datetime
        From when each version was handed out. A few developers run the app from its source and report 0.0.0.
    rollout_planted : dict of int to float
        Days after a release: share of the older devices that has been offered it and takes it at its next start.
    adoption : dict of date to dict of version to int
        Sessions started on each day, by version.
    """

    start: datetime
    end: datetime
    as_of: datetime
    funnel_steps: tuple[str, ...]
    funnel_planted: dict[str, tuple[float, ...]]
    funnel_counts: dict[str, tuple[int, ...]]
    funnel_counts_naive: dict[str, tuple[int, ...]]
    retention_planted: dict[str, tuple[float, ...]]
    retention_counts: dict[str, tuple[tuple[int, int], ...]]
    never_started: int
    bad_release: str
    release_error: str
    error_rate_planted: dict[str, float]
    error_sessions: dict[str, tuple[int, int]]
    spike_day: date
    spike_error: str
    spike_sessions: tuple[int, int]
    launch_day: date
    outage_day: date
    releases: dict[str, datetime]
    rollout_planted: dict[int, float]
    adoption: dict[date, dict[str, int]]


def truth_of(app: DemoApp, as_of: datetime | None = None) -> Truth:
    """Return what was planted in an app, and counts of its data known at ``as_of`` (default: its end)."""
    known = app.end if as_of is None else as_of.astimezone(UTC)
    now = to_ms(known)
    planted = app.planted

    def day(n: int) -> date:
        return (app.start + timedelta(days=n)).date()

    sessions = [s for s in app.sessions if not s.clock_ms and s.events[0].received_ms <= now]
    errors = _error_sessions(sessions, now, to_ms(app.start) + planted.spike_day * DAY_MS)
    weeks = planted.days // 7
    settled = to_ms(known - SETTLED) - WEEK_MS
    return Truth(
        start=app.start,
        end=app.end,
        as_of=known,
        funnel_steps=FUNNEL_STEPS,
        funnel_planted={plan: (1.0, FUNNEL_PERCENT[plan][0] / 100, FUNNEL_PERCENT[plan][1] / 100) for plan in PLANS},
        funnel_counts={plan: _funnel(app.users, plan, settled, now) for plan in PLANS},
        funnel_counts_naive={plan: _funnel(app.users, plan, now, now) for plan in PLANS},
        retention_planted={plan: tuple(weekly_rate(plan, n) for n in range(weeks)) for plan in PLANS},
        retention_counts={plan: _retention(sessions, plan, weeks, now) for plan in PLANS},
        never_started=sum(not user.devices for user in app.users if user.created_ms <= now),
        bad_release=planted.bad_release,
        release_error="uncaughtException",
        error_rate_planted={kind: rate / 10_000 for kind, rate in ERROR_RATE.items()},
        error_sessions=errors[0],
        spike_day=day(planted.spike_day),
        spike_error="unhandledRejection",
        spike_sessions=errors[1],
        launch_day=day(planted.launch_day),
        outage_day=day(planted.outage_day),
        releases={r.version: from_ms(r.released_ms) for r in planted.releases},
        rollout_planted={n: sum(wait <= n for wait in ROLLOUT) / len(ROLLOUT) for n in (0, 1, 2, 3, 4, 6, 9, 20)},
        adoption=_adoption(sessions),
    )


def weekly_rate(plan: str, week: int) -> float:
    """Return the planted chance that a user of this plan starts a session in the n-th week after creation."""
    return 1.0 if week == 0 else still_there(plan, week) * WEEKLY_PERCENT[plan] / 100_000


def _funnel(users: list[DemoUser], plan: str, latest: int, now: int) -> tuple[int, ...]:
    """Count users by the steps walked within 7 days of their first start, of those who started by ``latest``."""
    depths = [0, 0, 0]
    for user in users:
        if user.plan != plan or not user.sessions or user.created_ms > latest:
            continue
        events = [e for s in user.sessions for e in s.events if e.received_ms <= now and not e.session.clock_ms]
        entry, depth = user.created_ms, 0
        for event in events:
            if depth < 3 and event.type == FUNNEL_STEPS[depth] and event.time_ms - entry <= WEEK_MS:
                depth += 1
        for step in range(depth):
            depths[step] += 1
    return tuple(depths)


def _retention(sessions: list[DemoSession], plan: str, weeks: int, now: int) -> tuple[tuple[int, int], ...]:
    """Count (retained, eligible) users by week after creation."""
    active: dict[str, set[int]] = {}
    created: dict[str, int] = {}
    for session in sessions:
        user = session.user
        if user.plan == plan:
            created[user.db_id] = user.created_ms
            week = (session.start_ms - user.created_ms) // WEEK_MS
            active.setdefault(user.db_id, set()).add(week)
    counts = []
    for week in range(weeks):
        eligible = [who for who, start in created.items() if start + (week + 1) * WEEK_MS <= now]
        counts.append((sum(week in active[who] for who in eligible), len(eligible)))
    return tuple(counts)


def _error_sessions(
    sessions: list[DemoSession], now: int, spike_ms: int
) -> tuple[dict[str, tuple[int, int]], tuple[int, int]]:
    """Count (sessions with an error, sessions): by version without the spike day, and of that day."""
    by_version: dict[str, tuple[int, int]] = {}
    of_day = (0, 0)
    for session in sessions:
        failed = any(e.is_error and e.received_ms <= now for e in session.events)
        if 0 <= session.start_ms - spike_ms < DAY_MS:
            of_day = (of_day[0] + failed, of_day[1] + 1)
        else:
            bad, total = by_version.get(session.version, (0, 0))
            by_version[session.version] = (bad + failed, total + 1)
    return by_version, of_day


def _adoption(sessions: list[DemoSession]) -> dict[date, dict[str, int]]:
    """Count sessions by the UTC day of their start and version."""
    days: dict[date, dict[str, int]] = {}
    for session in sessions:
        versions = days.setdefault(from_ms(session.start_ms).date(), {})
        versions[session.version] = versions.get(session.version, 0) + 1
    return dict(sorted(days.items()))
