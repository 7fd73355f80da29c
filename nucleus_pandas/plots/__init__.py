"""Plots: one function a table, drawn on one Axes, which is returned.

A legend or colour bar stands to the right of the Axes. A figure made with ``layout="constrained"`` makes room
for it; without a layout engine the Axes is made smaller within its cell, and nothing else on the figure moves
(on a figure of several Axes call ``tight_layout`` before drawing, not after).
Characters that the font lacks are drawn as boxes, and Matplotlib warns: name a font that has them in
``rcParams["font.family"]``. Matplotlib is imported when the first plot is drawn, not before.
"""

from nucleus_pandas.plots.daily import plot_daily
from nucleus_pandas.plots.dimensions import plot_dimensions
from nucleus_pandas.plots.errors import plot_errors
from nucleus_pandas.plots.events import plot_events
from nucleus_pandas.plots.funnel import plot_funnel
from nucleus_pandas.plots.funnel_trend import plot_funnel_trend
from nucleus_pandas.plots.hours import plot_hours
from nucleus_pandas.plots.paths import plot_paths
from nucleus_pandas.plots.retention import plot_retention
from nucleus_pandas.plots.retention_curve import plot_retention_curve, plot_retention_trend
from nucleus_pandas.plots.time_to_convert import plot_time_to_convert

__all__ = [
    "plot_daily",
    "plot_dimensions",
    "plot_errors",
    "plot_events",
    "plot_funnel",
    "plot_funnel_trend",
    "plot_hours",
    "plot_paths",
    "plot_retention",
    "plot_retention_curve",
    "plot_retention_trend",
    "plot_time_to_convert",
]
