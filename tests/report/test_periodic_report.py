"""The report of a period shows what the functions give that it names, for the same days, and nobody's id."""

import datetime as dt
import warnings

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.demo import DemoClient
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.service import DemoService
from nucleus_pandas.report.table_cells import cells_of

NOW = dt.datetime(2026, 11, 18, 9, tzinfo=dt.UTC)  # a Wednesday
ZONE = "Europe/Paris"
WEEK = {"start": "2026-11-09", "end": "2026-11-15", "tz": ZONE}
BEFORE = {"start": "2026-11-02", "end": "2026-11-08", "tz": ZONE}
TREND = {"start": "2026-09-14", "end": "2026-11-15", "tz": ZONE}
STEPS = ["init", "PROJECT_CREATED", "EXPORT_PDF"]
HEADINGS = [
    *("At a glance", "Active users", "New, returning and resurrected users", "Retention", "Funnel", "Events", "Errors"),
    *("Versions", "Platforms", "Countries", "Languages", "init: plan", "What the numbers mean"),
]


@pytest.fixture(scope="module")
def app():
    with DemoClient(DemoService(build_app(scale=0.1, end=dt.date(2026, 11, 22)), as_of=NOW), tz=ZONE) as client:
        yield client


@pytest.fixture(scope="module")
def store(app, tmp_path_factory):
    made = nu.EventStore(tmp_path_factory.mktemp("store") / "app.duckdb")
    nu.sync(app, made, TREND["start"], NOW, progress=False)
    return made


@pytest.fixture(scope="module")
def log(store):
    return nu.EventLog(store)


@pytest.fixture(scope="module")
def full(app, store):
    return nu.periodic_report(app, store, funnel=STEPS, attribute=("init", "plan"))


@pytest.fixture(scope="module")
def plain(app):
    return nu.periodic_report(app, attribute=("init", "plan"))


@pytest.fixture
def words_alone(monkeypatch):
    """Lets reports draw their pictures and not write them as SVG, which takes half of the time that a report takes."""
    monkeypatch.setattr("nucleus_pandas.report.report.svg_of", lambda *_, **__: "<svg></svg>")


words = pytest.mark.usefixtures("words_alone")


def section(report, heading):
    (found,) = [one for one in report.sections if one.heading == heading]
    return found


def column(report, heading, name):
    cells = section(report, heading).cells
    place = cells.names.index(name)
    return [row[place] for row in cells.rows]


def numbers(values):
    return [f"{value:,}" for value in values]


def tenths(values):
    """Per cent, with 0 and 100 as whole numbers."""
    return [f"{100 * value:,.1f}" if value not in (0, 1) else f"{100 * value:.0f}" for value in values]


def signed(values):
    """Percentage points of differences of at least a tenth."""
    return [f"{100 * value:+,.1f}".replace("-", "−") for value in values]


@pytest.mark.parametrize("kind", ["full", "plain"])
def test_it_has_all_sections_with_and_without_a_store(kind, request):
    report = request.getfixturevalue(kind)
    assert [one.heading for one in report.sections if one.level == 2] == HEADINGS
    assert report.title == "Weekly report, 2026-11-09 to 2026-11-15"
    assert report.subtitle == "App demo. 2026-11-09 to 2026-11-15, days in Europe/Paris. Made 2026-11-18 09:00 UTC."


def test_the_cards_are_the_service_s_numbers_beside_those_before(app, full):
    daily, before = nu.load_daily(app, **WEEK), nu.load_daily(app, **BEFORE)
    errors, errors_before = (nu.load_error_counts(app, **days)["count"].sum() for days in (WEEK, BEFORE))
    users, users_before = (nu.load_totals(app, **days)["users"].iloc[0] for days in (WEEK, BEFORE))
    seconds = (daily["avg_session_seconds"] * daily["sessions"]).sum() / daily["sessions"].sum()
    cards = {card.name: card for card in section(full, "At a glance").cards}
    assert {name: card.value for name, card in cards.items()} == {
        "Active users": f"{users:,}",
        "New users": f"{daily['new_users'].sum():,}",
        "Sessions": f"{daily['sessions'].sum():,}",
        "Mean session": f"{seconds / 60:.1f} min",
        "Errors per 100 sessions": f"{100 * errors / daily['sessions'].sum():.2f}",
    }
    assert f"{users_before:,}" in cards["Active users"].change
    assert f"{before['sessions'].sum():,}" in cards["Sessions"].change
    assert f"{100 * errors_before / before['sessions'].sum():.2f}" in cards["Errors per 100 sessions"].change


def test_pictures_show_the_tables_of_the_store(store, full):
    users = nu.active_users(store, **TREND).drop(columns="sample").tail(14)
    growth = nu.growth(store, **TREND).drop(columns=["freq", "sample"])
    assert section(full, "Active users").cells == cells_of(users)
    assert section(full, "New, returning and resurrected users").cells == cells_of(growth)
    for heading in ("Active users", "New, returning and resurrected users", "Funnel", "Rate by day", "Versions"):
        assert section(full, heading).svg
        assert section(full, heading).narrow


def test_retention_is_that_of_users_by_their_creation(store, full):
    table = nu.retention(store, users=store.users(), freq="W", **TREND)
    table = table[table["cohort"] + pd.to_timedelta(7 * table["age"], unit="D") <= "2026-11-09"]
    wide = table.pivot_table(index="cohort", columns="age", values="rate")
    for period in (0, 1, 4):
        told = [text.rstrip("*") for text in column(full, "Retention", f"Week {period}")]
        assert told == ["" if pd.isna(rate) else f"{100 * rate:.0f}" for rate in wide[period].to_list()]
    first = nu.retention_curve(table).iloc[1]
    assert (
        section(full, "Retention")
        .paragraphs[0]
        .startswith(f"Of {first['eligible']} users of {first['cohorts']} cohorts, {100 * first['rate']:.0f} % (95 %: ")
    )


@words
@pytest.mark.parametrize("stored", [True, False])
def test_a_week_that_has_not_settled_is_so_in_every_section(on_monday, app, store, stored):
    # Both are of a week that ended less than 48 hours before the data end.
    report = nu.periodic_report(app, store, freq="D", day="2026-11-16") if stored else nu.periodic_report(on_monday)
    cells = section(report, "Retention").cells
    for cohort, row, looks in zip(column(report, "Retention", "Cohort"), cells.rows, cells.shades, strict=True):
        for number, (text, look) in enumerate(zip(row[2:], looks[2:], strict=True)):
            young = pd.Timestamp(cohort) + pd.Timedelta(weeks=number) == pd.Timestamp("2026-11-09")
            assert text.startswith("~") == look.endswith("open") == (young and text != "")
    assert "Hatched, with ~: may still change" in section(report, "Retention").note
    if stored:
        log = nu.EventLog(store)
        table = nu.retention(log, users=store.users(), freq="W", start="2026-09-21", tz=ZONE, as_of="2026-11-16")
        settled = table[table["cohort"] + pd.to_timedelta(7 * table["age"], unit="D") < "2026-11-09"]
        first = nu.retention_curve(settled).iloc[1]
        assert section(report, "Retention").paragraphs[0].startswith(f"Of {first['eligible']} users of ")
        growth = nu.growth(store, freq="W", end="2026-11-16", tz=ZONE, as_of="2026-11-16").set_index("period")
        assert growth.loc["2026-11-02":"2026-11-09", "settled"].tolist() == [True, False]


def test_without_a_store_retention_is_told_from_the_list_of_users(app, plain):
    table = nu.unbounded_retention(nu.load_users(app), freq="W", as_of=NOW, **TREND)
    table = table[table["cohort"] + pd.to_timedelta(7 * table["age"], unit="D") <= "2026-11-09"]
    first = table[table["age"] == 1].sort_values("cohort")
    told = [text.rstrip("*") for text in column(plain, "Retention", "Week 1")]
    assert told == [*(f"{100 * rate:.0f}" for rate in first["rate"]), ""]  # of the latest cohort no week 1 was over


def test_the_funnel_is_of_28_days_that_all_have_had_the_window_beside_the_28_before(store, full):
    log = nu.EventLog(store)
    # Known until Wednesday, 9:00 UTC: who entered on Sunday a week ago has had 7 days and 48 hours.
    now = nu.funnel(log, STEPS, start="2026-10-12", end="2026-11-08", tz=ZONE)
    before = nu.funnel(log, STEPS, start="2026-09-14", end="2026-10-11", tz=ZONE)
    compared = nu.compare(before, now)
    assert now["pending"].tolist() == [0, 0, 0]
    assert column(full, "Funnel", "users") == numbers(now["users"])
    assert "Entries of 2026-10-12 to 2026-11-08, 28 days" in section(full, "Funnel").note
    assert column(full, "Beside the 28 days before", "Users") == numbers(compared["count_b"])
    assert column(full, "Beside the 28 days before", "Difference, points") == signed(compared["difference"])


def test_events_are_the_most_frequent_with_their_rates(app, full):
    count = nu.load_event_counts(app, **WEEK).groupby("event")["count"].sum().sort_values(ascending=False)
    before = nu.load_event_counts(app, **BEFORE).groupby("event")["count"].sum()
    sessions, sessions_before = (nu.load_daily(app, **days)["sessions"].sum() for days in (WEEK, BEFORE))
    assert column(full, "Events", "Count") == numbers(count.head(10))
    names = column(full, "Events", "Event")
    assert column(full, "Events", "Per 100 sessions") == tenths(count[names] / sessions)
    assert column(full, "Events", "Per 100 before") == tenths(before[names] / sessions_before)


def test_errors_are_told_by_rate_and_version(app, log, full):
    trend = nu.error_trend(nu.load_error_counts(app, **TREND), nu.load_daily(app, **TREND))
    week = trend[trend["day"] >= WEEK["start"]]
    assert column(full, "Rate by day", "count") == numbers(week["count"])
    free = nu.error_free(log, freq=None, by="version", **WEEK)
    heading = "Sessions without an error, by version"
    assert column(full, heading, "Version") == free["segment"].tolist()
    assert column(full, heading, "Without an error, %") == tenths(free["error_free_sessions"])
    crash = nu.crash_free(log, freq=None, by="version", **WEEK)
    assert column(full, heading, "Without a crash, %") == tenths(crash["crash_free_sessions"])


@words
def test_a_spike_of_the_week_is_named(app):
    day = nu.demo.truth(scale=0.1, as_of=NOW).spike_day
    report = nu.periodic_report(app, day=day)
    assert str(day) in column(report, "Spikes", "Day")
    assert section(report, "Spikes").cells.names[0] == "Day"


def test_releases_stand_beside_those_before(log, full):
    releases = nu.compare_releases(log, **TREND, as_of="2026-11-15T23:00+00:00").iloc[::-1]
    assert column(full, "Releases", "Version") == releases["version"].tolist()
    assert column(full, "Releases", "Sessions") == numbers(releases["sessions"])
    assert column(full, "Releases", "Last share, %") == tenths(releases["latest_share"])


def test_every_verdict_of_a_release_has_its_bounds_beside_it(full):
    for ratio, verdict in (("Error", "Errors"), ("Crash", "Crashes")):
        ratios = column(full, "Releases", f"{ratio} sessions, times as before (95 %)")
        verdicts = column(full, "Releases", verdict)
        assert {"more", "fewer", "within normal variation"} & set(verdicts)
        for bounds, word in zip(ratios, verdicts, strict=True):
            assert (" to " in bounds) or word in ("too little history", "–")
    assert "95 % for errors and crashes of all rows together" in section(full, "Releases").note


def test_what_came_before_the_store_begins_was_not_seen_first_in_it(log, full):
    seen = dict(zip(column(full, "Releases", "Version"), column(full, "Releases", "First seen"), strict=True))
    planted = nu.demo.truth(scale=0.1, as_of=NOW).releases
    begin = dt.date(2026, 9, 15)
    assert {version for version, day in seen.items() if day == "–"} == {
        version for version in seen if planted[version].date() < begin
    }


@words
def test_a_report_of_the_past_knows_nothing_of_what_came_later(app, store):
    week = nu.periodic_report(app, store, day="2026-10-05")
    assert column(week, "Retention", "Cohort")[-1] == "2026-10-05"
    assert section(week, "Retention").cells.names[-1] == "Week 3"  # the store begins three weeks before
    end = "2026-10-11T22:00+00:00"
    shares = nu.compare_releases(store, start=TREND["start"], end="2026-10-11", tz=ZONE, as_of=end)["latest_share"]
    assert column(week, "Releases", "Last share, %") == tenths(shares.iloc[::-1])


def test_a_day_of_the_past_knows_nothing_of_the_rest_of_its_week(app, store):
    day = nu.periodic_report(app, store, freq="D", day="2026-10-27")  # a Tuesday
    begin = "2026-08-31" if TREND["start"] < "2026-08-31" else TREND["start"]
    until = {"start": begin, "end": "2026-10-27", "tz": ZONE, "as_of": "2026-10-27T23:00+00:00"}
    active = nu.growth(store, **until)["active"]
    assert column(day, "New, returning and resurrected users", "active") == numbers(active)
    last = column(day, "Retention", "Week 1")
    assert last[-2:] == ["", ""]  # neither of this week's users nor of last week's was it over


def test_growth_of_a_week_that_is_not_over_ends_with_its_days(app, store):
    running = nu.periodic_report(app, store, day="2026-11-17")
    table = nu.growth(store, start="2026-09-21", end="2026-11-17", tz=ZONE, as_of="2026-11-17")
    heading = "New, returning and resurrected users"
    assert column(running, heading, "active") == numbers(table["active"])
    assert column(running, heading, "active") != numbers(nu.growth(store, start="2026-09-21", tz=ZONE)["active"])


def test_shares_stand_beside_those_before(app, full):
    now, before = nu.load_dimensions(app, **WEEK), nu.load_dimensions(app, **BEFORE)
    platforms = [table[table["dimension"] == "platform"] for table in (before, now)]
    compared = nu.compare(*map(nu.breakdown, platforms))
    assert column(full, "Platforms", "Value") == compared["value"].tolist()
    assert column(full, "Platforms", "Share, %") == tenths(compared["rate_b"])
    plans = nu.load_attribute(app, "init", "plan", **WEEK)
    assert sorted(column(full, "init: plan", "Count")) == sorted(numbers(plans["count"]))


def test_shares_of_totals_have_no_bounds_and_no_verdict_and_the_page_says_why(full):
    for heading in ("Platforms", "Countries", "Languages", "init: plan"):
        assert section(full, heading).cells.names == ["Value", "Count", "Share, %", "Before, %"]
        assert "totals of an unknown number of users" in section(full, heading).note


def test_new_users_are_compared_with_those_before_and_all_tables_of_them_are_judged_together(app, full):
    users = nu.load_users(app)
    day = users["created_at"].dt.tz_convert(ZONE).dt.strftime("%Y-%m-%d")
    dimensions = {"platform": "platform", "country": "props.country", "language": "props.locale"}
    rows = pd.concat([users.assign(dimension=name, value=users[of], day=day) for name, of in dimensions.items()])
    before, now = (rows[rows["day"].between(days["start"], days["end"])] for days in (BEFORE, WEEK))
    compared = nu.compare(*(nu.breakdown(one, top=1_000) for one in (before, now)))
    for dimension in dimensions:
        table, heading = compared[compared["dimension"] == dimension], f"New users by {dimension}"
        assert column(full, heading, "Value") == table["value"].tolist()
        assert column(full, heading, "New users") == numbers(table["count_b"])
        assert column(full, heading, "Bounds from") == signed(table["difference_low"])
        assert set(column(full, heading, "Change")) <= {"higher", "lower", "within normal variation"}


@words
def test_the_first_weeks_of_an_app_are_too_little_history(app):
    start = (
        nu.load_daily(app, "2026-01-01", "2026-11-15", tz=ZONE).loc[lambda days: days["sessions"] > 0, "day"].iloc[0]
    )
    report = nu.periodic_report(app, day=start + pd.Timedelta(days=14))
    changes = {card.change for card in section(report, "At a glance").cards}
    assert all("too little history" in change for change in changes)
    assert "Too early to say" in section(report, "Movers").paragraphs[0]


def test_without_a_store_each_section_says_what_a_sync_would_add(plain):
    notes = [one.note for one in plain.sections if "nucleus-pandas sync" in one.note]
    assert len(notes) == 6


def test_nobody_s_id_is_on_the_page(app, store, full, plain):
    users, devices = store.users(), store.devices()
    ids = {*users["user_id"], *users["user_db_id"], *devices["device_id"]}
    html = full.to_html() + plain.to_html()
    assert len(ids) > 300
    assert not [one for one in ids if one in html]
    assert app.service.token not in html


def test_the_page_is_small_and_the_same_each_time(app, store, full):
    again = nu.periodic_report(app, store, funnel=STEPS, attribute=("init", "plan"))
    assert full.to_html() == again.to_html()
    assert len(full.to_html().encode()) < 300_000


@words
def test_the_report_of_a_week_from_sunday(app, store):
    week = nu.periodic_report(app, store, week_start="sunday")
    assert week.title == "Weekly report, 2026-11-08 to 2026-11-14"
    begin = nu.growth(store, week_start="sunday", tz=ZONE)["period"].dt.strftime("%Y-%m-%d").iloc[-2]
    assert begin == "2026-11-08"
    assert column(week, "New, returning and resurrected users", "period")[-1] == begin
    retained = nu.retention(store, users=store.users(properties=[]), week_start="sunday", tz=ZONE, end="2026-11-14")
    assert column(week, "Retention", "Users")[-1] == f"{retained['users'].iloc[-1]:,}"
    bare = nu.periodic_report(app, week_start="sunday")
    assert column(bare, "Versions", "period")[-1] == begin


@words
def test_the_report_of_a_day_and_of_a_month(app, store):
    day = nu.periodic_report(app, store, freq="D")
    assert day.title == "Daily report, 2026-11-17"
    assert "compare the last settled days, 2026-11-15, with 2026-11-08." in section(day, "At a glance").note
    month = nu.periodic_report(app, store, freq="M", day="2026-10-05", compare=None)
    assert month.title == "Monthly report, 2026-10-01 to 2026-10-31"
    assert {card.change for card in section(month, "At a glance").cards} == {""}
    assert "Movers" not in [one.heading for one in month.sections]


@words
def test_days_that_may_still_grow_are_told(app):
    report = nu.periodic_report(app, day="2026-11-17")
    assert section(report, "At a glance").note.startswith(
        "The week is not over: 2 days of it are here. Not settled: 2 of 2 days are younger than 48 hours"
    )


MONDAY = dt.datetime(2026, 11, 16, 9, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def on_monday():
    with DemoClient(DemoService(build_app(scale=0.1, end=dt.date(2026, 11, 22)), as_of=MONDAY), tz=ZONE) as client:
        yield client


@words
def test_a_report_made_on_monday_compares_settled_days_only(on_monday):
    report = nu.periodic_report(on_monday)
    assert report.title == "Weekly report, 2026-11-09 to 2026-11-15"
    note = section(report, "At a glance").note
    assert "compare the last settled days, 2026-11-07 to 2026-11-13, with 2026-10-31 to 2026-11-06." in note
    judged, before = (
        nu.load_daily(on_monday, *days, tz=ZONE)["sessions"].sum()
        for days in (("2026-11-07", "2026-11-13"), ("2026-10-31", "2026-11-06"))
    )
    change = section(report, "At a glance").cards[2].change
    assert change.startswith(f"settled days {judged}: ")
    assert f"{before}" in change


@words
def test_what_a_report_leaves_to_the_next_one_is_judged_there(on_monday):
    week = nu.periodic_report(on_monday)
    later = MONDAY + dt.timedelta(days=7)
    app = build_app(scale=0.1, end=dt.date(2026, 11, 29))
    with DemoClient(DemoService(app, as_of=later), tz=ZONE) as client:
        following = nu.periodic_report(client)
    assert section(week, "Spikes").note == (
        "Judged: 2026-11-07 to 2026-11-13, all that have settled since the report before. Not judged yet: 2026-11-14 "
        "(settles on 2026-11-17), 2026-11-15 (settles on 2026-11-18). The first weekly report that is made after that "
        "judges them."
    )
    assert "Judged: 2026-11-14 to 2026-11-20, " in section(following, "Spikes").note


@words
def test_a_daily_report_judges_the_day_that_has_settled_and_names_its_spike():
    spike = nu.demo.truth(scale=0.1, as_of=NOW).spike_day
    made = dt.datetime.combine(spike + dt.timedelta(days=3), dt.time(9), dt.UTC)
    with DemoClient(DemoService(build_app(scale=0.1, end=dt.date(2026, 11, 22)), as_of=made)) as client:
        report = nu.periodic_report(client, freq="D")
    assert report.title == f"Daily report, {spike + dt.timedelta(days=2)}"
    assert column(report, "Spikes", "Day") == [str(spike)]
    assert f"Judged: {spike}, " in section(report, "Spikes").note


@words
def test_a_report_of_settled_days_compares_just_these(full):
    assert "Compared with 2026-11-02 to 2026-11-08." in section(full, "At a glance").note
    assert "Judged: 2026-11-07 to 2026-11-15, " in section(full, "Spikes").note
    assert "Not judged yet" not in section(full, "Spikes").note
    assert "Per 100, settled days" not in section(full, "Events").cells.names


@words
def test_a_store_that_was_not_synced_since_is_said(store):
    later = NOW + dt.timedelta(days=5)
    with DemoClient(DemoService(build_app(scale=0.1, end=dt.date(2026, 11, 29)), as_of=later), tz=ZONE) as client:
        with pytest.warns(nu.IncompleteDataWarning, match="holds only 2026-11-16 to 2026-11-17 of these days"):
            report = nu.periodic_report(client, store, day="2026-11-20")
        assert report.sections[1].heading == "What is missing"
        with pytest.warns(nu.IncompleteDataWarning, match="holds nothing of 2026-06-01 to 2026-06-07"):
            early = nu.periodic_report(client, store, day="2026-06-01")
        assert "nucleus-pandas sync" in section(early, "Active users").note


@words
def test_a_store_of_some_users_is_said(app, tmp_path):
    part = nu.EventStore(tmp_path / "part.duckdb")
    nu.sync(app, part, "2026-11-02", NOW, sample=0.3, progress=False)
    told = section(nu.periodic_report(app, part, compare=None), "What is missing").paragraphs
    assert told[1] == "The store holds days since 2026-11-02: what follows users begins there."
    assert (
        told[0] == f"The store follows {100 * part.info().sample:.0f} % of the users: counts from it are of these only."
    )


def test_a_store_of_another_app_is_refused(app, store, monkeypatch):
    monkeypatch.setattr(app, "app_id", "another")
    with pytest.raises(nu.StoreError, match="of another app"):
        nu.periodic_report(app, store)


@words
def test_a_funnel_that_was_not_asked_for_says_how(app, store):
    assert "Pass its steps" in section(nu.periodic_report(app, store), "Funnel").paragraphs[0]


@words
def test_a_day_without_sessions_is_named(app):
    silent = nu.load_daily(app, **TREND).set_index("day")["sessions"].loc[lambda sessions: sessions == 0].index[0]
    report = nu.periodic_report(app, freq="D", day=silent)
    assert f"No sessions on {silent:%Y-%m-%d}: nobody was there" in section(report, "At a glance").note
    assert section(report, "Events").cells.rows == []
    assert section(report, "Spikes").note.endswith(
        "1 of these 3 days could not be judged: no sessions, or fewer than four weeks before."
    )


@words
def test_before_there_was_anybody_there_is_nothing_to_compare_with(app):
    report = nu.periodic_report(app, compare="year")
    note = "There were no sessions in 2025-11-10 to 2025-11-16: nothing to compare with."
    assert note in section(report, "At a glance").note
    assert {card.change for card in section(report, "At a glance").cards} == {""}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"attribute": "plan"}, r'attribute=\("init", "plan"\)'),
        ({"attribute": ("init", 7)}, r'attribute=\("init", "plan"\)'),
        ({"funnel": "init"}, r'pass its steps, funnel=\["init"'),
        ({"funnel": []}, r'pass its steps, funnel=\["init"'),
        ({"title": " "}, "title is empty"),
        ({"freq": "Y"}, 'freq="Y" is not known; write one of "D", "W"'),
        ({"freq": "Q"}, "there is no report of a quarter"),
        ({"freq": "W-SUN", "week_start": "sunday"}, "contradicts week_start"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_asked(app, monkeypatch, given, message):
    monkeypatch.setattr(nu.Client, "get", lambda *_, **__: pytest.fail("asked"))
    with pytest.raises(ValueError, match=message):
        nu.periodic_report(app, **given)


@words
def test_an_attribute_that_is_not_there_is_said_on_the_page(app):
    with pytest.warns(UserWarning, match="No values"):
        report = nu.periodic_report(app, attribute=("init", "plam"), compare=None)
    assert section(report, "init: plam").note == "Nothing was counted under this heading in these days."


def test_an_app_that_nobody_uses_has_a_report(empty_app, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        alone = nu.periodic_report(empty_app)
        store = nu.EventStore(tmp_path / "empty.duckdb")
        nu.sync(empty_app, store, "2026-10-01", "2026-11-20", progress=False)
        with_store = nu.periodic_report(empty_app, store, attribute=("init", "plan"))
    for report in (alone, with_store):
        assert section(report, "At a glance").cards[2].value == "0"
        assert "No rows." in report.to_html()
