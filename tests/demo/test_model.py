"""The made-up app: the same on every machine, like real data in the ways that hurt, true to what was planted."""

import hashlib
import json
import unicodedata
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from nucleus_pandas.demo.build import DEFAULT_END, build_app, end_for
from nucleus_pandas.demo.planted import truth_of
from nucleus_pandas.demo.records import DAY_MS, HOUR_MS, WEEK_MS, from_ms, to_ms
from tests.demo.handmade import two_friends

PARIS = ZoneInfo("Europe/Paris")
DIGEST = "455910be0a7edaa145f2bbe5f32aa836664668e70083c3e1aa8f4c8cd3c13e0d"


@pytest.fixture(scope="module")
def app():
    return build_app()


@pytest.fixture(scope="module")
def truth(app):
    return truth_of(app)


@pytest.fixture(scope="module")
def honest(app):
    """Sessions whose clock was right."""
    return [session for session in app.sessions if not session.clock_ms]


def by_utc_day(instants_ms):
    return Counter(from_ms(ms).date() for ms in instants_ms)


def digest(app):
    """Return a hash of every field of every record."""
    lines = hashlib.sha256()
    for user in app.users:
        fields = (user.db_id, user.user_id, user.anon_id, user.created_ms, user.plan, user.props, user.init_data)
        devices = [(d.device_id, d.platform, d.os_version, d.arch, d.ram_gb, d.releases) for d in user.devices]
        lines.update(json.dumps([fields, user.country, user.locale, user.offset_minutes, devices]).encode())
    for session in app.sessions:
        head = (session.device.device_id, session.session_id, session.version, session.first, session.clock_ms)
        events = [(e.type, e.time_ms, e.received_ms, e.data, e.duration) for e in session.events]
        lines.update(json.dumps([head, events]).encode())
    return lines.hexdigest()


def test_a_seed_gives_the_same_bytes_on_every_python_and_system(app):
    assert digest(app) == DIGEST


def test_another_seed_gives_other_data():
    assert digest(build_app(1, scale=0.02)) != digest(build_app(2, scale=0.02))


def test_by_default_there_are_some_2500_users_and_100000_events_in_180_days(app):
    assert app.end - app.start == timedelta(days=180)
    assert len(app.users) == 2508
    assert 95_000 < len(app.events) < 110_000


def test_scale_multiplies_the_users():
    assert len(build_app(scale=0.1).users) == 251


def test_another_end_moves_everything_in_time_and_changes_nothing_else():
    here, there = build_app(scale=0.1), build_app(scale=0.1, end=DEFAULT_END - timedelta(weeks=9))
    assert [(e.type, e.data) for e in here.events] == [(e.type, e.data) for e in there.events]
    assert {a.received_ms - b.received_ms for a, b in zip(here.events, there.events, strict=True)} == {9 * WEEK_MS}
    assert {a.created_ms - b.created_ms for a, b in zip(here.users, there.users, strict=True)} == {9 * WEEK_MS}


def test_a_date_as_end_is_the_last_day():
    assert build_app(scale=0.02, end=date(2026, 5, 24)).end == datetime(2026, 5, 25, tzinfo=UTC)


@pytest.mark.parametrize("hours", [0, 1, 24, 24 * 6, 24 * 7 - 1, 24 * 7, 24 * 400, -1, -24 * 400])
def test_end_for_is_a_whole_number_of_weeks_from_the_default_and_at_most_a_week_ahead(hours):
    now = DEFAULT_END + timedelta(hours=hours)
    end = end_for(now)
    assert timedelta() <= end - now < timedelta(weeks=1)
    assert (end - DEFAULT_END) % timedelta(weeks=1) == timedelta()


@pytest.mark.parametrize(
    "wrong",
    [
        {"days": 27},
        {"scale": 0},
        {"end": datetime(2026, 11, 16)},  # noqa: DTZ001 - the point of it
        {"end": datetime(2026, 11, 16, 1, tzinfo=UTC)},
    ],
)
def test_arguments_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build_app(**wrong)


def test_other_spans_have_everything_planted_too():
    truth = truth_of(build_app(days=60, scale=0.2))
    days = (truth.launch_day, truth.outage_day, truth.spike_day)
    assert all(truth.start.date() < day < truth.end.date() for day in days)


def test_weekends_are_quiet(honest):
    sessions = by_utc_day(session.start_ms for session in honest)
    weekend = sum(n for day, n in sessions.items() if day.weekday() >= 5) / 2
    working = sum(n for day, n in sessions.items() if day.weekday() < 5) / 5
    assert weekend < 0.6 * working


def test_use_grows(app, honest):
    month = [(session.start_ms - to_ms(app.start)) // (30 * DAY_MS) for session in honest]
    counts = Counter(month)
    assert counts[5] > 2 * counts[0]


def test_most_users_come_on_launch_day(app, truth):
    (busiest, first), (_, second) = by_utc_day(user.created_ms for user in app.users).most_common(2)
    assert busiest == truth.launch_day
    assert first > 1.2 * second


def test_nothing_happens_on_the_outage_day(app, truth):
    assert by_utc_day(event.time_ms for event in app.events)[truth.outage_day] == 0


def test_some_sign_up_on_the_outage_day_so_that_more_are_new_than_active(app, truth):
    assert by_utc_day(user.created_ms for user in app.users)[truth.outage_day] > 0


def test_some_signed_up_and_never_started_the_app(app, truth):
    assert truth.never_started == sum(not user.sessions for user in app.users) > 0


def test_use_is_heavy_tailed(app):
    counts = sorted((len(user.sessions) for user in app.users), reverse=True)
    assert sum(counts[: len(counts) // 10]) > 0.4 * sum(counts)


def test_there_are_all_platforms_plans_and_many_countries(app):
    spelled = {d.platform for u in app.users for d in u.devices}
    assert spelled == {"win", "win32", "Windows_NT", "mac", "Darwin", "linux", "Linux"}
    assert {u.plan for u in app.users} == {"free", "pro", "team"}
    assert len({u.country for u in app.users}) > 8


def test_some_users_have_no_user_id_but_an_anonymous_one_of_12_characters(app):
    anonymous = [user for user in app.users if user.user_id is None]
    assert 200 < len(anonymous) < 400
    assert all(len(user.anon_id) == 12 for user in anonymous)


@pytest.mark.parametrize("character", ["@", " ", "/", "+", "=", "%", "?", "#", "é", "e\u0301", "😀", "<", "&"])
def test_user_ids_hold(app, character):
    assert any(character in user.user_id for user in app.users if user.user_id)


def test_two_user_ids_differ_in_nothing_but_how_their_accent_is_composed(app):
    ids = [user.user_id for user in app.users if user.user_id]
    same = Counter(unicodedata.normalize("NFC", user_id) for user_id in ids)
    assert len(ids) == len(set(ids))
    assert same.most_common(1) == [("café@example.org", 2)]


def test_device_ids_are_64_hexadecimal_digits_or_15_characters_of_base64_with_all_its_signs(app):
    ids = [device.device_id for user in app.users for device in user.devices]
    assert {len(device_id) for device_id in ids} == {15, 64}
    assert len(ids) == len(set(ids))
    assert set("+/=") <= set("".join(ids))


def test_some_users_have_several_devices(app):
    assert sum(len(user.devices) > 1 for user in app.users) > 50


def test_session_ids_are_random_numbers_up_to_a_million_and_repeat_even_on_one_device(app):
    assert all(1 <= int(session.session_id) <= 1_000_000 for session in app.sessions)
    on_device = Counter((s.device.device_id, s.session_id) for s in app.sessions)
    assert sum(n > 1 for n in on_device.values()) > 10


def test_sessions_of_one_device_do_not_overlap(app):
    ends = {}
    for user in app.users:
        for session in user.sessions:
            start, end = session.start_ms - session.clock_ms, session.end_ms - session.clock_ms
            assert ends.get(session.device.device_id, 0) < start
            ends[session.device.device_id] = end


def test_each_session_begins_with_init_which_is_received_first(app):
    for session in app.sessions:
        first, *others = session.events
        assert first.type == "init"
        assert all(e.received_ms > first.received_ms and e.time_ms > first.time_ms for e in others)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_sessions_run_over_midnight_in_every_zone(honest, zone):
    def day(ms):
        return from_ms(ms).astimezone(ZoneInfo(zone)).date()

    assert any(day(session.start_ms) != day(session.end_ms) for session in honest)


def test_events_arrive_up_to_48_hours_late_and_never_early(honest):
    delays = [event.received_ms - event.time_ms for session in honest for event in session.events]
    assert min(delays) > 0
    assert 40 * HOUR_MS < max(delays) <= 48 * HOUR_MS
    assert sum(delay > HOUR_MS for delay in delays) > 1000


def test_a_few_clocks_are_years_ahead_or_behind(app):
    wrong = [event for event in app.events if event.session.clock_ms]
    assert 0 < len(wrong) < 1000
    assert any(event.time_ms > to_ms(app.end) + 365 * DAY_MS for event in wrong)
    assert any(event.time_ms < event.session.user.created_ms - 365 * DAY_MS for event in wrong)


def test_attributes_come_in_several_types_or_not_at_all(app):
    pages = [(event.data or {}).get("pages") for event in app.events if event.type == "EXPORT_PDF"]
    seats = [user.props.get("seats") for user in app.users]
    assert {type(value) for value in pages} == {int, float, str, bool, type(None)}
    assert {type(value) for value in seats} == {int, float, str, bool, type(None)}


def test_names_and_values_of_events_are_hostile(app):
    names = {event.type for event in app.events}
    assert names >= {"<script>alert(1)</script>", "$x^{2$", "=1+1", "../..", "error:$x^{2$"}
    assert any("\u200f" in name for name in names)


def test_errors_carry_message_and_stack(app):
    errors = {e.type: e.data for e in app.events if e.type in ("error:uncaughtException", "error:ExportFailed")}
    assert len(errors) == 2
    assert all(set(data) == {"message", "stack"} for data in errors.values())


def test_an_unattended_machine_starts_on_the_hour_in_every_hour_of_the_last_weeks(app):
    last = to_ms(app.end) - 7 * DAY_MS
    starts = {s.start_ms for s in app.sessions if s.user.plan == "team" and s.start_ms >= last}
    assert starts == set(range(last, to_ms(app.end), HOUR_MS))


def test_somebody_uses_the_app_in_the_first_hours_and_in_the_25th_hour_of_a_long_day(app):
    hours = defaultdict(set)
    for session in app.sessions:
        hour = (session.start_ms - to_ms(datetime(2026, 10, 24, 22, tzinfo=UTC))) // HOUR_MS
        hours[session.user.db_id].add(hour)
    assert any(24 in seen and seen & set(range(12)) for seen in hours.values())


def deepest(user, latest):
    """Try every start of the app as an entry to the funnel, slowly: return the deepest step reached within 7 days."""
    events = [event for session in user.sessions if not session.clock_ms for event in session.events]
    depth = 0
    for entry in (event.time_ms for event in events if event.type == "init" and event.time_ms <= latest):
        created = [e.time_ms for e in events if e.type == "PROJECT_CREATED" and 0 <= e.time_ms - entry <= WEEK_MS]
        exported = [e.time_ms for e in events if e.type == "EXPORT_PDF" and 0 <= e.time_ms - entry <= WEEK_MS]
        depth = max(depth, 1 + bool(created) + bool(created and exported and max(exported) >= min(created)))
    return depth


@pytest.mark.parametrize("plan", ["free", "pro"])
def test_funnel_counts_are_those_of_the_deepest_attempt_over_all_entries(app, truth, plan):
    latest = to_ms(app.end) - WEEK_MS - 2 * DAY_MS
    depths = [deepest(user, latest) for user in app.users if user.plan == plan]
    assert truth.funnel_counts[plan] == tuple(sum(depth >= step for depth in depths) for step in (1, 2, 3))


@pytest.mark.parametrize("seed", range(2, 5))
def test_the_funnel_comes_out_as_planted_in_every_seed(seed):
    truth = truth_of(build_app(seed))
    for plan in ("free", "pro"):
        rates = [n / truth.funnel_counts[plan][0] for n in truth.funnel_counts[plan]]
        assert rates == pytest.approx(truth.funnel_planted[plan], abs=0.01)


def test_two_days_after_the_launch_counting_everybody_makes_the_funnel_look_worse(app, truth):
    then = truth_of(app, datetime.combine(truth.launch_day, datetime.min.time(), UTC) + timedelta(days=2))
    entered, _, exported = then.funnel_counts_naive["free"]
    assert exported / entered < truth.funnel_planted["free"][2] - 0.05


def test_some_export_before_they_create_and_do_not_convert(app):
    def first(user, kind):
        return next((e.time_ms for s in user.sessions for e in s.events if e.type == kind), None)

    pairs = [(first(user, "EXPORT_PDF"), first(user, "PROJECT_CREATED")) for user in app.users]
    assert sum(bool(export and project and export < project) for export, project in pairs) > 10


@pytest.mark.parametrize("plan", ["free", "pro"])
def test_retention_comes_out_as_planted(truth, plan):
    for (retained, eligible), planted in zip(truth.retention_counts[plan], truth.retention_planted[plan], strict=True):
        deviation = (planted * (1 - planted) / eligible) ** 0.5
        assert retained / eligible == pytest.approx(planted, abs=3 * deviation + 1e-9)


def test_retention_counts_are_those_of_a_slow_count(app, truth):
    retained = eligible = 0
    for user in app.users:
        third = user.created_ms + 2 * WEEK_MS
        if user.plan == "pro" and user.sessions and third + WEEK_MS <= to_ms(app.end):
            eligible += 1
            retained += any(third <= s.start_ms < third + WEEK_MS for s in user.sessions if not s.clock_ms)
    assert truth.retention_counts["pro"][2] == (retained, eligible)


def test_the_bad_release_has_the_planted_error_rate_and_the_others_the_ordinary_one(truth):
    for version, (failed, sessions) in truth.error_sessions.items():
        planted = truth.error_rate_planted["bad" if version == truth.bad_release else "ordinary"]
        assert failed / sessions == pytest.approx(planted, abs=0.04)


def test_errors_spike_on_the_spike_day_whatever_the_release(truth):
    failed, sessions = truth.spike_sessions
    assert failed / sessions == pytest.approx(truth.error_rate_planted["spike"], abs=0.1)


def test_a_release_takes_over_in_stages(truth):
    for version in ("0.9.1", "0.10.0", "0.11.0", "1.0.0"):
        released = truth.releases[version].date()

        def share(days, version=version, released=released):
            counts = truth.adoption[released + timedelta(days=days)]
            return counts.get(version, 0) / sum(counts.values())

        assert share(0) < 0.15
        assert share(14) > 0.75


def test_no_release_is_used_before_its_day(honest, truth):
    released = [session for session in honest if session.version != "0.0.0"]
    assert all(session.start_ms >= to_ms(truth.releases[session.version]) for session in released)


def test_a_few_developers_run_the_app_from_its_source_and_report_no_version(app):
    of_source = [session for session in app.sessions if session.version == "0.0.0"]
    assert 0 < len({session.user.db_id for session in of_source}) < 10
    assert len(of_source) < len(app.sessions) / 100


def test_some_sessions_report_no_locale_but_c(app):
    assert 0 < sum(session.locale == "C" for session in app.sessions) < len(app.sessions) / 20


def test_memory_is_reported_in_whole_gigabytes_or_in_fractions(app):
    reported = {session.ram_gb for session in app.sessions if session.ram_gb is not None}
    assert 4 in reported
    assert 15.875 in reported


def test_stacks_name_the_files_of_the_device(app):
    stacks = {e.data["stack"] for s in app.sessions for e in s.events if e.is_error and "stack" in e.data}
    assert all("/home/ana/" in stack for stack in stacks)


def test_truth_counts_only_what_was_known_then(app):
    early = truth_of(app, app.start + timedelta(days=10))
    assert max(early.adoption) < (app.start + timedelta(days=10)).date()
    assert early.retention_counts["free"][1][1] < 60


def test_reference_counts_by_hand_on_the_25_hour_day_in_paris():
    days = two_friends().daily_counts(PARIS, date(2026, 10, 24), date(2026, 10, 26))
    empty, long, after = days.values()
    assert (empty.sessions, empty.active_users, empty.avg_session_seconds) == (0, 0, None)
    assert (long.new_users, long.sessions, long.active_users) == (1, 2, 1)
    assert long.avg_session_seconds == (90.5 + 3600) / 2
    assert long.hours == {1: 1, 23: 1}
    assert (long.events, long.errors) == ({"EXPORT_PDF": 1, "UNDO": 1}, {})
    assert (after.new_users, after.sessions, after.active_users) == (1, 2, 2)
    assert (after.events, after.errors) == ({"EXPORT_PDF": 1}, {"uncaughtException": 1})


def test_reference_counts_leave_out_what_was_not_received_yet():
    as_of = datetime(2026, 10, 25, 23, 15, tzinfo=UTC)
    day = two_friends().daily_counts(PARIS, date(2026, 10, 25), date(2026, 10, 25), as_of=as_of)[date(2026, 10, 25)]
    # The second session's error, an hour after its start, is still to come: for now the session has no length.
    assert (day.sessions, day.seconds) == (2, 90.5)


def test_reference_counts_have_a_wall_hour_twice_where_the_clock_is_put_back(app):
    day = app.daily_counts(PARIS, date(2026, 10, 25), date(2026, 10, 25))[date(2026, 10, 25)]
    first = to_ms(datetime(2026, 10, 25, 0, tzinfo=UTC))
    in_both = sum(first <= s.start_ms < first + 2 * HOUR_MS for s in app.sessions)
    assert day.hours[2] == in_both >= 2
