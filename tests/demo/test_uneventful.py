"""An app in which nothing was planted: what analyses must not find."""

from collections import Counter

from nucleus_pandas.demo.build import build_app

DAY_MS = 86_400_000


def test_an_uneventful_app_has_no_launch_no_outage_and_no_machines():
    app = build_app(3, scale=0.4, eventful=False)
    created = Counter((user.created_ms - app.users[0].created_ms) // DAY_MS for user in app.users)
    assert max(created.values()) < 4 * len(app.users) / 180
    days = {session.start_ms // DAY_MS for session in app.sessions if not session.clock_ms}
    assert days >= set(range(min(days), max(days)))
    assert not any(user.plan == "team" for user in app.users)


def test_an_uneventful_app_has_no_version_with_more_errors_than_others():
    app = build_app(3, scale=0.4, eventful=False)
    sessions, failed = Counter(), Counter()
    for session in app.sessions:
        sessions[session.version] += 1
        failed[session.version] += any(event.type.startswith("error:") for event in session.events)
    rates = [failed[version] / sessions[version] for version in sessions if sessions[version] > 300]
    assert max(rates) < 0.08
