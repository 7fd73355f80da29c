"""The page of standard tables: every table of the library is there, with the columns and dtypes that it has."""

import inspect
import re
from pathlib import Path

import pytest

import nucleus_pandas as nu

PAGE = Path(__file__).parents[1] / "docs" / "tables.md"
SPAN = {"start": "2026-10-01", "end": "2026-11-14"}
STEPS = ["init", "PROJECT_CREATED", "EXPORT_PDF"]
#: Tables that the page describes by naming another one.
SAME = {"load_user": "load_users", "load_live_events": "load_session_events"}
PLAN = {"events": {"EXPORT_PDF": {"required": {"nope": "string"}}}}


def sections():
    """The columns of each table of the page: name, dtype, whether it is always there."""
    found = {}
    for part in PAGE.read_text(encoding="utf-8").split("\n### ")[1:]:
        title = part.split("\n")[0].strip("`")
        rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (.*?) \| (.+) \|$", part, re.MULTILINE)
        found[title] = {
            name: (dtype.strip("`"), not meaning.startswith("Only ") and "<" not in name)
            for name, dtype, _, meaning in rows
        }
    return found


def made(folder):
    """A table of every kind, of a small app."""
    with nu.demo_client(scale=0.02) as app:
        store = nu.EventStore(folder / "app.duckdb")
        plan = nu.plan_sync(app, store, **SPAN)
        report = nu.sync(app, store, **SPAN, progress=False)
        log = nu.EventLog(store)
        users, daily = nu.load_users(app), nu.load_daily(app, **SPAN)
        sessions = nu.load_sessions(app, users.head(3), progress=False)
        errors = nu.load_error_counts(app, **SPAN)
        plans = nu.load_attribute(app, "init", "plan", **SPAN)
        kept = nu.retention(log)
        by_week = nu.load_attribute(app, "init", "plan", **SPAN, freq="W")
        dimensions = nu.load_dimensions(app, **SPAN)
        bracketed = nu.retention(log, by="platform", brackets=[1, 7])
        weekly = nu.error_free(log, freq="W")
        steps = nu.funnel(log, STEPS)
        by_platform = nu.funnel(log, STEPS, by="platform")
        someone = users["user_id"].iloc[0]
        yield from {
            "load_quick_glance": [nu.load_quick_glance(app)],
            "load_daily": [daily],
            "load_hours": [nu.load_hours(app, **SPAN)],
            "load_dimensions": [dimensions, nu.load_dimensions(app, **SPAN, freq="W")],
            "load_totals": [nu.load_totals(app, **SPAN)],
            "load_event_counts": [nu.load_event_counts(app, **SPAN)],
            "load_error_counts": [errors],
            "load_event_properties": [nu.load_event_properties(app, **SPAN)],
            "load_attribute": [plans, by_week],
            "attribute_catalog": [nu.attribute_catalog(app, **SPAN)],
            "load_users": [users, nu.load_user(app, someone)],
            "load_devices": [nu.load_devices(app)],
            "load_sessions": [sessions],
            "load_session_events": [
                nu.load_session_events(app, sessions.head(3), progress=False),
                nu.load_live_events(app),
            ],
            "load_live_user_count": [nu.load_live_user_count(app)],
            "load_live_users": [nu.load_live_users(app)],
            "plan_sync": [plan.table],
            "sync": [report.table],
            "sync failures": [report.failures],
            "reconcile": [nu.reconcile(app, store, **SPAN)],
            "check_tracking": [nu.check_tracking(store, PLAN)],
            "doctor": [nu.doctor(app)],
            "funnel": [steps, by_platform],
            "funnel_trend": [nu.funnel_trend(log, STEPS), nu.funnel_trend(log, STEPS, by="platform")],
            "funnel_users": [nu.funnel_users(log, STEPS), nu.funnel_users(log, STEPS, by="platform")],
            "paths": [nu.paths(log, "init")],
            "retention": [
                kept,
                bracketed,
                nu.retention(log, start_event="init", first_time=False),
            ],
            "retention_curve": [nu.retention_curve(kept), nu.retention_curve(nu.retention(log, brackets=[1, 7]))],
            "retention_trend": [nu.retention_trend(kept, 1)],
            "unbounded_retention": [nu.unbounded_retention(users)],
            "survival": [nu.survival(users), nu.survival(users, by="platform")],
            "active_users": [nu.active_users(log)],
            "growth": [nu.growth(log)],
            "days_active": [nu.days_active(log)],
            "usage_interval": [nu.usage_interval(log)],
            "error_trend": [nu.error_trend(errors, daily)],
            "new_errors": [nu.new_errors(errors)],
            "error_free": [nu.error_free(log), nu.error_free(log, by="platform")],
            "crash_free": [nu.crash_free(log), nu.crash_free(log, by="platform")],
            "top_errors": [nu.top_errors(log)],
            "impact_of_errors": [nu.impact_of_errors(store)],
            "version_adoption": [nu.version_adoption(log), nu.version_adoption(log, per="users")],
            "compare_releases": [nu.compare_releases(log)],
            "breakdown": [nu.breakdown(plans), nu.breakdown(dimensions), nu.breakdown(by_week)],
            "compare": [
                nu.compare(steps, steps),
                nu.compare(by_platform),
                nu.compare(kept, kept),
                nu.compare(bracketed, bracketed),
                nu.compare(weekly[weekly["period"] == "2026-10-05"], weekly[weekly["period"] == "2026-10-12"]),
                nu.compare(nu.survival(users), nu.survival(users)),
                nu.compare(nu.breakdown(plans), nu.breakdown(plans)),
                nu.compare(nu.breakdown(dimensions), nu.breakdown(dimensions)),
            ],
            "forget_user": [nu.forget_user(app, someone, confirm=someone)],
        }.items()


@pytest.mark.filterwarnings("ignore::nucleus_pandas.IncompleteDataWarning")
def test_tables_have_the_columns_and_dtypes_of_the_page(tmp_path):
    page = sections()
    seen = set()
    for title, frames in made(tmp_path):
        seen.add(title)
        described = {name: dtype for name, (dtype, _) in page[title].items()}
        always = {name for name, (_, required) in page[title].items() if required}
        for frame in frames:
            fixed = [name for name in frame if not name.startswith(("props.", "data."))]
            has = {re.sub(r"_\d$", "_<n>", name): str(frame[name].dtype) for name in fixed}
            assert has == {name: described.get(name) for name in has}, title
            assert always <= set(has), title
    assert seen == set(page)


def test_every_function_that_returns_a_table_has_a_section():
    page = sections()
    functions = [name for name in nu.__all__ if inspect.isfunction(getattr(nu, name))]
    tables = [name for name in functions if getattr(nu, name).__annotations__["return"] == "pd.DataFrame"]
    assert len(tables) > 40
    assert not [name for name in tables if SAME.get(name, name) not in page]
