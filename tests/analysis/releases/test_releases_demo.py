"""Releases of made-up apps against what was planted in them.

Run ``python -m tests.analysis.releases.test_releases_demo 20`` for false alarms and misses in as many apps as you like.
"""

import sys

import pandas as pd
import pytest

import nucleus_pandas as nu
from nucleus_pandas.demo.build import build_app
from nucleus_pandas.demo.planted import truth_of

# Some clocks of the app are years behind.
pytestmark = pytest.mark.filterwarnings("ignore:.*clocks that are behind")

CLEAR = ("more", "fewer")


def events_of(app):
    """What the service has received by the end, as it would send it."""
    events = [event for event in app.events if event.received_ms <= app.end.timestamp() * 1000]
    return pd.DataFrame(
        {
            "user_id": [event.session.user.db_id for event in events],
            "device_id": [event.session.device.device_id for event in events],
            "session_id": [event.session.session_id for event in events],
            "session_start": pd.to_datetime([event.session.start_ms for event in events], unit="ms", utc=True),
            "time": pd.to_datetime([event.time_ms for event in events], unit="ms", utc=True),
            "event": [event.type for event in events],
            "version": [event.session.version if event.type == "init" else None for event in events],
        }
    )


def judged(seed, scale):
    """The table of an app, and its truth."""
    app = build_app(seed, scale=scale)
    log = nu.EventLog(events_of(app), as_of=app.end)
    return log, truth_of(app)


@pytest.mark.parametrize("seed", [1, 3])
def test_the_bad_release_is_found_and_no_other(seed):
    log, truth = judged(seed, scale=1.0)
    releases = nu.compare_releases(log).set_index("version")
    assert releases.index[releases["error_change"] == "more"].tolist() == [truth.bad_release]
    bad = releases.loc[truth.bad_release]
    planted = truth.error_rate_planted["bad"] / truth.error_rate_planted["ordinary"]
    assert bad["error_ratio_low"] < planted < bad["error_ratio_high"]
    assert releases.loc["0.10.1", "error_change"] == "fewer"


def test_adoption_is_what_was_counted_when_the_app_was_made():
    log, truth = judged(3, scale=0.2)
    table = nu.version_adoption(log, freq="D")
    assert table["version"].unique().tolist() == ["0.0.0", "0.9.0", "0.9.1", "0.10.0", "0.10.1", "0.11.0", "1.0.0"]
    used = table[table["sessions"] > 0]
    found = {}
    for row in used.itertuples():
        found.setdefault(row.period.date(), {})[row.version] = row.sessions
    assert found == truth.adoption


def test_half_of_the_sessions_are_of_a_release_when_half_of_the_devices_have_taken_it():
    log, truth = judged(3, scale=0.6)
    releases = nu.compare_releases(log).set_index("version")
    half = min(days for days, share in truth.rollout_planted.items() if share >= 0.5)
    # The 24 hours before a share lag behind it, and who installs late takes a release at once.
    assert releases["hours_to_50"].dropna().between(24 * (half - 2), 24 * (half + 1)).all()
    assert releases.loc["0.9.0", ["hours_to_50", "hours_to_90"]].isna().all()


def measure(seeds, scale=1.0):
    """Count what was flagged in many apps."""
    for per in ("sessions", "users"):
        found, wrong, missed, total = [], 0, 0, 0
        for seed in range(1, seeds + 1):
            log, truth = judged(seed, scale)
            table = nu.compare_releases(log, per=per).set_index("version")
            for failure in ("error", "crash"):
                change = table[f"{failure}_change"].dropna()
                missed += change[truth.bad_release] != "more"
                others = change.drop([truth.bad_release, "0.10.1"])  # the one after the bad one has fewer
                missed += change["0.10.1"] != "fewer"
                total += len(others)
                wrong += int(others.isin(CLEAR).sum())
                found += [(seed, failure, name, told) for name, told in others.items() if told in CLEAR]
        print(
            f"per={per}: {wrong} false alarms of {total} ({wrong / total:.1%}), {missed} misses of {4 * seeds}: {found}"
        )


if __name__ == "__main__":
    measure(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)
