"""A report with everything that one can hold, whose every text is one of the given names."""

from itertools import cycle

import matplotlib.pyplot as plt
import pandas as pd

import nucleus_pandas as nu
from nucleus_pandas.report.heatmap import heatmap_of
from nucleus_pandas.report.section import Card, Section

HOSTILE = [
    "<script>document.title = 1</script>",
    '"onload="alert(1)" x="',
    "'><img src=x onerror=alert(1)>",
    "{{7*7}} {% if %} ${7*7}",
    "javascript:alert(1)",
    "https://example.org/a.png",
    "\u202etxt.exe\u200f \u2066",
    "]]></style></title><b>",
    "</svg><![CDATA[ <!-- &lt; &amp;",
    "$x^{2}$ \\frac",
    "url(#a);}*{display:none}",
    "n" * 5000,
]
DAYS = pd.date_range("2026-09-07", periods=28)


def harmless(name: str) -> str:
    """Give a name of the same length, which takes as many lines."""
    return "".join("n" if char.isalnum() else " " if char == " " else "i" for char in name)


def daily() -> pd.DataFrame:
    users = pd.array([20 + day % 7 for day in range(28)], dtype="Int64")
    known = [True] * 26 + [False] * 2
    counts = {"new_users": users // 5, "active_users": users, "returning_users": users - users // 5}
    return pd.DataFrame(
        {"day": DAYS, **counts, "sessions": users * 2, "avg_session_seconds": 60.0, "complete": True, "settled": known}
    )


def events(names: list[str]) -> pd.DataFrame:
    """Count each name on each day of a week."""
    shown = names[:8]
    days = DAYS[:7].repeat(len(shown))
    counts = pd.array([1 + place % 11 for place in range(len(days))], dtype="Int64")
    return pd.DataFrame({"day": days, "event": shown * 7, "count": counts, "complete": True, "settled": True})


def log(names: list[str]) -> pd.DataFrame:
    """Let 60 users do one thing after the other, on ever more distant days."""
    rows = [
        (f"user {user}", DAYS[min(27, user % 9 + place * (1 + user % 5))], name)
        for user in range(60)
        for place, name in enumerate(names[: 2 + user % 4])
    ]
    table = pd.DataFrame(rows, columns=["user_id", "time", "event"])
    return table.assign(time=table["time"].dt.tz_localize("UTC"))


def full_report(names: list[str]) -> nu.Report:
    """Make it; the same number of names gives the same elements."""
    told = cycle(names)
    did, counted = log(names), events(names)
    report = nu.Report(next(told), next(told))
    cards = [Card(next(told), "1,204", f"▲ 12.3 % more than 1,072 {name}", name) for name in names[:5]]
    report.sections.append(Section(next(told), next(told), cards=cards))
    report.add(next(told), "\n\n".join(names), next(told))
    report.add("Same", pd.DataFrame({f"{place} {name}": names for place, name in enumerate(names)}))
    report.add("Same", pd.DataFrame({"x": []}), level=3)
    span = {"start": DAYS[0], "end": DAYS[-1], "as_of": DAYS[-1].tz_localize("UTC")}
    kept = nu.retention(did, freq="W", **span)
    cells, note = heatmap_of(kept)
    report.sections.append(Section(next(told), note, 3, cells=cells))
    shares = nu.breakdown(pd.DataFrame({"value": names, "count": range(1, len(names) + 1)}))
    for plot, table in [
        (nu.plot_daily, daily()),
        (nu.plot_event_counts, counted),
        (nu.plot_retention, kept),
        (nu.plot_growth, nu.growth(did, freq="W", **span)),
        (nu.plot_funnel, nu.funnel(did, names[:4], **span)),
        (nu.plot_breakdown, shares),
    ]:
        report.add(next(told), plot, next(told), data=table)
    report.add("Same", by_hand(names), data=shares)
    return report.add("Same", by_hand(names), level=3)


def by_hand(names: list[str]) -> plt.Axes:
    """Draw what no plot function did, with links and ids."""
    ax = plt.subplots(figsize=(6, 4))[1]
    (line,) = ax.plot([1, 2, 3], [2, 1, 3], label=names[0])
    line.set_url(names[4])
    line.set_gid(names[1])
    ax.bar([1, 2], [1, 2], color="#FFEE88")
    ax.axvspan(2.8, 3, hatch="//")
    ax.imshow([[1, 2], [3, 4]], extent=(2, 3, 0, 1))
    ax.set_title(names[2], loc="left", parse_math=False)
    ax.set_xlabel(names[8][:40], parse_math=False)
    ax.text(2.2, 0.5, names[3][:7], ha="center", parse_math=False)
    ax.legend()
    return ax
