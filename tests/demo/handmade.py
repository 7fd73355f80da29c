"""An app made by hand, small enough to count on one's fingers."""

from datetime import UTC, datetime

from nucleus_pandas.demo.model import DemoApp, DemoDevice, DemoEvent, DemoSession, DemoUser
from nucleus_pandas.demo.records import Planted, to_ms
from nucleus_pandas.demo.session_generator import reported_ram

START = datetime(2026, 10, 23, tzinfo=UTC)
END = datetime(2026, 10, 28, tzinfo=UTC)


def at(text):
    """Milliseconds of an instant, written as UTC ("10-24 21:59:30") in 2026."""
    return to_ms(datetime.fromisoformat(f"2026-{text}+00:00"))


def user(db_id, user_id, created, **fields):
    device = DemoDevice(f"device/{db_id}+==", "win", "10.0", "x64", 16, ())
    base = {
        "plan": "pro",
        "country": "FR",
        "locale": "fr-FR",
        "offset_minutes": 60,
        "props": {"plan": "pro", "seats": 5},
        "init_data": {"plan": "pro"},
    }
    who = DemoUser(
        db_id=db_id, user_id=user_id, anon_id=None if user_id else "anon", created_ms=at(created), **base | fields
    )
    who.devices.append(device)
    return who


def session(who, session_id, start, *events, late_hours=0, version="1.0.0"):
    """Add a session: an ``init`` at its start, then (seconds after it, type, data)."""
    device = who.devices[0]
    ram_gb = reported_ram(device, version)
    made = DemoSession(who, device, session_id, version, not who.sessions, 0, who.locale, ram_gb, "2.6.0")
    late_ms = late_hours * 3_600_000 or 100
    for seconds, kind, data in ((0, "init", who.init_data), *events):
        time_ms = at(start) + int(seconds * 1000)
        made.events.append(DemoEvent(made, kind, time_ms, time_ms + late_ms, data, None))
    who.sessions.append(made)


def app_of(*users):
    """The app of these users, in order of creation and receipt."""
    sessions = [made for who in users for made in who.sessions]
    events = sorted((e for made in sessions for e in made.events), key=lambda e: e.received_ms)
    planted = Planted(5, 0, 0, 0, (), "")
    return DemoApp(sorted(users, key=lambda u: u.created_ms), sessions, events, START, END, planted)


def two_friends():
    """Ana, with three sessions about the end of summer time in Paris, and an anonymous user with one, sent late."""
    ana = user("a1", "ana/ó@example.org", "10-24 23:10")
    # Paris: 25 October, 01:10; the local day began at 22:00 UTC and lasts 25 hours.
    session(ana, "1111", "10-24 23:10", (60, "EXPORT_PDF", {"format": "A4", "pages": 2}), (90.5, "UNDO", None))
    # Paris: 25 October, 23:30, in the 25th hour; ends on the 26th, when its error comes.
    session(ana, "2222", "10-25 22:30", (3600, "error:uncaughtException", {"message": "no", "stack": "x"}))
    # Paris: 26 October, 00:00; the first session's number comes again.
    session(ana, "1111", "10-25 23:00", (10, "EXPORT_PDF", {"format": "A5", "pages": "two"}))
    nobody = user("b2", None, "10-26 09:00", country=None, init_data={"plan": "free", "beta": True})
    session(nobody, "3333", "10-26 09:00", (5, "nucleus:view", {"view": "/"}), late_hours=30, version="0.9.0")
    return app_of(ana, nobody)
