"""Product analytics of desktop apps in pandas, over the Data API v1 of Nucleus.

Start with `demo_client` (a made-up app on this machine) or `Client.from_env` (yours), then load a table::

    import nucleus_pandas as nu

    app = nu.demo_client()
    daily = nu.load_daily(app, "2026-09-01", "2026-10-31", tz="Europe/Paris")
    nu.plot_daily(daily)
"""

from typing import TYPE_CHECKING, Any

from nucleus_pandas import demo
from nucleus_pandas.analysis.activity.growth import active_users, growth
from nucleus_pandas.analysis.activity.habits import days_active, usage_interval
from nucleus_pandas.analysis.breakdown.breakdown import breakdown
from nucleus_pandas.analysis.catalog import attribute_catalog
from nucleus_pandas.analysis.compare import compare
from nucleus_pandas.analysis.errors.error_free import crash_free, error_free
from nucleus_pandas.analysis.errors.error_impact import impact_of_errors
from nucleus_pandas.analysis.errors.error_trend import error_trend, new_errors
from nucleus_pandas.analysis.errors.top_errors import top_errors
from nucleus_pandas.analysis.funnel.funnel import funnel, funnel_trend, funnel_users
from nucleus_pandas.analysis.paths import paths
from nucleus_pandas.analysis.releases.release_comparison import compare_releases
from nucleus_pandas.analysis.releases.version_adoption import version_adoption
from nucleus_pandas.analysis.retention.retention import retention, retention_curve, retention_trend
from nucleus_pandas.analysis.retention.survival import survival
from nucleus_pandas.analysis.retention.unbounded import unbounded_retention
from nucleus_pandas.analysis.tracking import check_tracking
from nucleus_pandas.api.client import Client
from nucleus_pandas.api.doctor import doctor
from nucleus_pandas.api.http.addresses import ASTROLYTICS_URL, NUCLEUS_URL
from nucleus_pandas.api.loaders.count_loaders import (
    load_attribute,
    load_daily,
    load_dimensions,
    load_error_counts,
    load_event_counts,
    load_event_properties,
    load_hours,
    load_quick_glance,
    load_totals,
)
from nucleus_pandas.api.loaders.people_loaders import (
    load_devices,
    load_live_events,
    load_live_user_count,
    load_live_users,
    load_session_events,
    load_sessions,
    load_user,
    load_users,
)
from nucleus_pandas.demo import demo_client
from nucleus_pandas.events.buckets import Buckets
from nucleus_pandas.events.eventlog import EventLog
from nucleus_pandas.events.steps import step
from nucleus_pandas.exceptions import (
    AuthenticationError,
    CacheWarning,
    ConfigurationError,
    IncompleteDataWarning,
    NetworkError,
    NotFoundError,
    NucleusError,
    PayloadError,
    RateLimitError,
    ServiceError,
    StoreError,
    StoreLockedError,
)
from nucleus_pandas.plots import (
    plot_active_users,
    plot_breakdown,
    plot_breakdown_trend,
    plot_comparison,
    plot_daily,
    plot_days_active,
    plot_dimensions,
    plot_error_counts,
    plot_error_free,
    plot_error_trend,
    plot_event_counts,
    plot_funnel,
    plot_funnel_trend,
    plot_growth,
    plot_hours,
    plot_impact_of_errors,
    plot_paths,
    plot_releases,
    plot_retention,
    plot_retention_curve,
    plot_retention_trend,
    plot_survival,
    plot_time_to_convert,
    plot_usage_interval,
    plot_version_adoption,
)
from nucleus_pandas.report.periodic_report import periodic_report
from nucleus_pandas.report.report import Report
from nucleus_pandas.store.eventstore import EventStore
from nucleus_pandas.store.privacy.forget import forget_user
from nucleus_pandas.store.privacy.subject_access import export_user
from nucleus_pandas.store.reconcile import reconcile
from nucleus_pandas.store.sync.plan import plan_sync
from nucleus_pandas.store.sync.synchronize import sync

if TYPE_CHECKING:
    from nucleus_pandas.sandbox import Sandbox

__version__ = "0.1.0"

__all__ = [
    "ASTROLYTICS_URL",
    "NUCLEUS_URL",
    "AuthenticationError",
    "Buckets",
    "CacheWarning",
    "Client",
    "ConfigurationError",
    "EventLog",
    "EventStore",
    "IncompleteDataWarning",
    "NetworkError",
    "NotFoundError",
    "NucleusError",
    "PayloadError",
    "RateLimitError",
    "Report",
    "Sandbox",
    "ServiceError",
    "StoreError",
    "StoreLockedError",
    "active_users",
    "attribute_catalog",
    "breakdown",
    "check_tracking",
    "compare",
    "compare_releases",
    "crash_free",
    "days_active",
    "demo",
    "demo_client",
    "doctor",
    "error_free",
    "error_trend",
    "export_user",
    "forget_user",
    "funnel",
    "funnel_trend",
    "funnel_users",
    "growth",
    "impact_of_errors",
    "load_attribute",
    "load_daily",
    "load_devices",
    "load_dimensions",
    "load_error_counts",
    "load_event_counts",
    "load_event_properties",
    "load_hours",
    "load_live_events",
    "load_live_user_count",
    "load_live_users",
    "load_quick_glance",
    "load_session_events",
    "load_sessions",
    "load_totals",
    "load_user",
    "load_users",
    "new_errors",
    "paths",
    "periodic_report",
    "plan_sync",
    "plot_active_users",
    "plot_breakdown",
    "plot_breakdown_trend",
    "plot_comparison",
    "plot_daily",
    "plot_days_active",
    "plot_dimensions",
    "plot_error_counts",
    "plot_error_free",
    "plot_error_trend",
    "plot_event_counts",
    "plot_funnel",
    "plot_funnel_trend",
    "plot_growth",
    "plot_hours",
    "plot_impact_of_errors",
    "plot_paths",
    "plot_releases",
    "plot_retention",
    "plot_retention_curve",
    "plot_retention_trend",
    "plot_survival",
    "plot_time_to_convert",
    "plot_usage_interval",
    "plot_version_adoption",
    "reconcile",
    "retention",
    "retention_curve",
    "retention_trend",
    "step",
    "survival",
    "sync",
    "top_errors",
    "unbounded_retention",
    "usage_interval",
    "version_adoption",
]


def __getattr__(name: str) -> Any:
    """Import what needs a server and a database only when somebody asks for it."""
    if name == "Sandbox":
        from nucleus_pandas.sandbox import Sandbox

        return Sandbox
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
