"""Answers of the published shapes, for tests to change."""

INSTANT = "2026-10-25T08:30:00.250Z"

DAYS = {"2026-10-24": 5, "2026-10-25": 7, "2026-10-26": 2}
VALUES = [{"value": "win", "count": 41}, {"value": "mac", "count": 4}]
DEVICE = {"_id": "d1", "lastSeen": INSTANT, "platform": "win", "osVersion": "8.1", "version": "0.4.1"}
USER = {
    "_id": "64a0",
    "userId": "ana@example.org",
    "createdAt": INSTANT,
    "lastSeen": INSTANT,
    "devices": [DEVICE, {**DEVICE, "_id": "d2"}],
    "props": {"country": "US", "seats": 3, "score": 0.5, "beta": True},
}
SESSION = {"device": "d1", "actions": 3, "errors": 0, "start": INSTANT, "end": INSTANT, "session": "48213"}
EVENT = {
    "platform": "win",
    "user_id": "ana@example.org",
    "machine_id": "d1",
    "version": "0.4.1",
    "locale": "en",
    "avail_ram": 4,
    "type": "init",
    "time": INSTANT,
    "country": "US",
    "arch": "x64",
    "first_time": False,
    "session_id": "48213",
    "error_hash": None,
    "os_version": "8.1",
    "data": {"plan": "pro", "seats": 3},
    "duration": None,
}

GLANCE = {
    "data": {
        **{"installs": 31, "users": 12, "appStarts": 190, "errors": 7},
        **{"previousInstalls": 24, "previousUsers": 18, "previousAppStarts": 41, "previousErrors": 9},
    }
}
DAILY = {
    "data": {
        "totalNumbers": {"users": 9, "installs": 4},
        **dict.fromkeys(["usage", "newUsers", "activeUsers", "nonNewUsers", "avgSessionDuration"], DAYS),
        "hours": {"2026-10-24": [0, 2, 3], "2026-10-25": [1]},
        **dict.fromkeys(["platforms", "ram", "languages", "versions", "countries"], VALUES),
    }
}
EVENTS = {"data": {"EXPORT_PDF": DAYS, "OTHER": {"2026-10-24": 1}}}
PROPERTIES = {"data": [{"event": "init", "keys": ["plan", "seats"], "type": "string"}]}
USERS = {"total": 1, "data": [USER]}
ONE_USER = {"user": USER, "sessions": [SESSION, {**SESSION, "session": "7"}]}
SESSION_EVENTS = {"data": [EVENT, {**EVENT, "type": "EXPORT_PDF"}]}
LIVE_USERS = {"data": [{"userDbId": "64a0", "userId": "ana", "deviceId": "d1", "lastSeen": INSTANT}]}
