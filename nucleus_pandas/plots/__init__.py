"""Plots: one function a table, drawn on one Axes, which is returned.

A legend or colour bar stands to the right of the Axes, on the narrow figures of a report below it. A figure made with
``layout="constrained"`` makes room for it; without a layout engine the Axes is made smaller within its cell, and
nothing else on the figure moves (on a figure of several Axes call ``tight_layout`` before drawing, not after).
Characters that the font lacks are drawn as boxes, and Matplotlib warns: name a font that has them in
``rcParams["font.family"]``. Matplotlib is imported when the first plot is drawn, not before.
"""

from nucleus_pandas.plots.plot_active_users import plot_active_users
from nucleus_pandas.plots.plot_breakdown import plot_breakdown, plot_breakdown_trend
from nucleus_pandas.plots.plot_comparison import plot_comparison
from nucleus_pandas.plots.plot_daily import plot_daily
from nucleus_pandas.plots.plot_dimensions import plot_dimensions
from nucleus_pandas.plots.plot_error_counts import plot_error_counts
from nucleus_pandas.plots.plot_error_free import plot_error_free
from nucleus_pandas.plots.plot_error_impact import plot_impact_of_errors
from nucleus_pandas.plots.plot_error_trend import plot_error_trend
from nucleus_pandas.plots.plot_event_counts import plot_event_counts
from nucleus_pandas.plots.plot_funnel import plot_funnel
from nucleus_pandas.plots.plot_funnel_trend import plot_funnel_trend
from nucleus_pandas.plots.plot_growth import plot_growth
from nucleus_pandas.plots.plot_habits import plot_days_active, plot_usage_interval
from nucleus_pandas.plots.plot_hours import plot_hours
from nucleus_pandas.plots.plot_paths import plot_paths
from nucleus_pandas.plots.plot_releases import plot_releases
from nucleus_pandas.plots.plot_retention import plot_retention
from nucleus_pandas.plots.plot_retention_curve import plot_retention_curve, plot_retention_trend
from nucleus_pandas.plots.plot_survival import plot_survival
from nucleus_pandas.plots.plot_time_to_convert import plot_time_to_convert
from nucleus_pandas.plots.plot_version_adoption import plot_version_adoption

__all__ = [
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
]
