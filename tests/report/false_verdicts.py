"""How often a report calls something a clear change in apps in which nothing changed.

``python -m tests.report.false_verdicts`` makes the tables of 50 apps with nothing planted, for two weeks and two months
each, and prints of each table how many of 100 have a clear change; it takes about a minute.
``python -m tests.report.false_verdicts 5 0.2`` takes 5 apps of a fifth of the size.
"""

import datetime as dt
import sys
import warnings
from collections import Counter

import nucleus_pandas as nu
from nucleus_pandas.core.instants import parse_zone
from nucleus_pandas.demo import DemoClient
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.service import DemoService
from nucleus_pandas.report import service_sections as of_counts
from nucleus_pandas.report.report import Report
from nucleus_pandas.report.report_period import make_span, read_report_calendar
from nucleus_pandas.report.service_tables import load
from nucleus_pandas.report.summary_cards import cards_of
from tests.analysis.releases.test_releases_demo import events_of

NOW = dt.datetime(2026, 11, 18, 9, tzinfo=dt.UTC)
PERIODS = {"W": ("2026-11-09", "2026-10-12"), "M": ("2026-10-01", "2026-09-01")}
CLEAR = ("▲", "▼", "higher", "lower", "more", "fewer")


def tables_of(client, log, freq, day):
    """The words for changes in each table of a report."""
    span = make_span(read_report_calendar(freq, None, parse_zone("UTC")), day, client.now(), "previous")
    loaded = load(client, span, None, stored=True)
    report = Report("title", "subtitle")
    of_counts.add_breakdowns(report, loaded, span, None)
    found = {"cards": [card.change for card in cards_of(loaded, settled=True)]}
    events = of_counts.event_table(loaded)
    found["events"] = ["▲" if verdict == "clear change" else "" for verdict in events["verdict"]]
    for section in report.sections:
        if "Change" in section.cells.names:
            place = section.cells.names.index("Change")
            found[section.heading] = [row[place] for row in section.cells.rows]
    releases = nu.compare_releases(log, start=span.since, end=span.until, as_of=span.end)
    found["Releases"] = [*releases["error_change"], *releases["crash_change"]]
    return found


def main(apps=50, scale=0.5):
    tables, wrong = Counter(), Counter()
    for seed in range(1, apps + 1):
        app = build_app(seed, scale=scale, end=dt.date(2026, 11, 22), eventful=False)
        with DemoClient(DemoService(app, as_of=NOW)) as client, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            log = nu.EventLog(events_of(app), as_of=NOW)
            for freq, days in PERIODS.items():
                for day in days:
                    for name, changes in tables_of(client, log, freq, day).items():
                        tables[freq, name] += 1
                        wrong[freq, name] += any(str(change).startswith(CLEAR) for change in changes)
    for (freq, name), number in sorted(tables.items()):
        share = 100 * wrong[freq, name] / number
        print(f"{freq}  {name:24} {wrong[freq, name]:4} of {number:4} tables, {share:5.1f} of 100")


if __name__ == "__main__":
    main(*(kind(one) for kind, one in zip((int, float), sys.argv[1:], strict=False)))
