"""What the made-up app says: countries, names of events with their attributes, errors, awkward ids.

Plain tables. Everything that looks hostile here (markup, formulas, path segments, right-to-left marks) is data
that real apps send, and that whatever reads it must treat as data.
"""

from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None
Payload: TypeAlias = dict[str, Scalar] | None
Slot: TypeAlias = tuple[str, tuple[Payload, ...]]

MIX_SIZE = 1000  # slots of a mix of events: the weight of a name is its number of slots
PAYLOADS = 16  # payloads of a name: how often one stands among them is how often it is sent

# country (ISO 3166, None: the service could not tell), locale, minutes east of UTC (without summer time: people's
# habits need not be exact), weight.
COUNTRIES: tuple[tuple[str | None, str, int, int], ...] = (
    ("US", "en-US", -300, 20),
    ("US", "en-US", -480, 10),
    ("FR", "fr-FR", 60, 14),
    ("DE", "de-DE", 60, 12),
    ("GB", "en-GB", 0, 9),
    ("BR", "pt-BR", -180, 6),
    ("JP", "ja-JP", 540, 6),
    ("IN", "en-IN", 330, 6),
    ("AU", "en-AU", 600, 4),
    ("NP", "ne-NP", 345, 3),
    ("LB", "ar-LB", 120, 3),
    ("NZ", "en-NZ", 720, 2),
    ("CA", "fr-CA", -300, 3),
    (None, "en", 0, 2),
)

# platform, os version (of macOS that of its kernel, as Node.js gives it), architecture, weight. A platform is spelled
# as the Data API's examples do, or as Node.js does, which most tracking clients repeat.
SYSTEMS: tuple[tuple[str, str, str, int], ...] = (
    ("win", "10.0.19045", "x64", 12),
    ("Windows_NT", "10.0.19045", "x64", 18),
    ("win32", "10.0.22631", "x64", 3),
    ("Windows_NT", "10.0.22631", "x64", 21),
    ("win", "6.3.9600", "ia32", 3),
    ("Darwin", "23.5.0", "arm64", 20),
    ("mac", "21.6.0", "x64", 9),
    ("Linux", "6.8.0-45-generic", "x64", 12),
    ("linux", "6.1.0", "arm64", 2),
)
NODE_PLATFORMS = ("Windows_NT", "Darwin", "Linux")

# Activity by local hour: two working peaks, an evening, and a night that is never quite empty.
HOURS = (3, 2, 2, 1, 1, 2, 3, 6, 11, 16, 18, 16, 11, 14, 17, 17, 15, 12, 9, 8, 8, 7, 6, 4)


def _spread(*payloads: Payload) -> tuple[Payload, ...]:
    """Return the payloads repeated until there are ``PAYLOADS`` of them."""
    return tuple(payloads[i % len(payloads)] for i in range(PAYLOADS))


NOTHING = _spread(None)

# "pages" and "template" come as several types, or not at all: apps change what they send.
EVENTS: dict[str, tuple[Payload, ...]] = {
    "PROJECT_CREATED": _spread(
        {"template": "blank"},
        {"template": "invoice"},
        {"template": "blank"},
        {"template": "poster", "shared": True},
        {"template": "blank", "shared": False},
        {"template": 7},
        {"template": None},
        None,
    ),
    "EXPORT_PDF": _spread(
        {"format": "A4", "pages": 1},
        {"format": "A4", "pages": 2},
        {"format": "Letter", "pages": 1},
        {"format": "A4", "pages": "12"},
        {"format": "A5", "pages": True},
        {"format": "A4", "pages": 1.5},
        {"format": "Letter"},
        {"pages": 3},
    ),
    "EXPORT_PNG": _spread({"scale": 1}, {"scale": 2}, {"scale": 1.5}, None),
    "FILE_OPENED": _spread({"kind": "local"}, {"kind": "cloud"}, None),
    "FILE_SAVED": _spread({"kind": "local", "auto": True}, {"kind": "local", "auto": False}, {"kind": "cloud"}),
    "SEARCH": _spread({"results": 0}, {"results": 3}, {"results": 12}, {"results": "many"}),
    "UNDO": NOTHING,
    "COMMENT_ADDED": _spread({"length": 12}, {"length": 140}, {"length": 31, "emoji": "🎉"}),
    "SHARE_LINK": _spread({"role": "viewer"}, {"role": "editor"}),
    "THEME_CHANGED": _spread({"theme": "dark"}, {"theme": "light"}, {"theme": None}),
    "SETTINGS_OPENED": NOTHING,
    "IMPORT_LEGACY": _spread({"ok": True}, {"ok": False}),
    "Café ouvert ☕": _spread({"été": "oui"}, None),
    "nucleus:view": _spread({"view": "/projects"}, {"view": "/editor"}, {"view": "/settings?tab=a&b=%20"}),
    "nucleus:heartbeat": NOTHING,
    "<script>alert(1)</script>": _spread({"<b>attribute</b>": "<img src=x onerror=alert(1)>"}),
    "$x^{2$": _spread({"$\\alpha$": "$x^{2$"}),
    "=1+1": _spread({"=cmd|' /C calc'!A0": "@SUM(1+1)"}),
    "../..": _spread({"../attribute": "../../etc/passwd"}),
    "\u200fإعدادات": _spread({"\u202eoot": "\u200fيمين"}),
}

_COMMON = {
    "FILE_OPENED": 200,
    "FILE_SAVED": 190,
    "SEARCH": 100,
    "UNDO": 90,
    "COMMENT_ADDED": 45,
    "EXPORT_PNG": 30,
    "SHARE_LINK": 30,
    "SETTINGS_OPENED": 22,
    "THEME_CHANGED": 12,
    "nucleus:view": 130,
    "nucleus:heartbeat": 50,
    "IMPORT_LEGACY": 2,
    "Café ouvert ☕": 2,
    "<script>alert(1)</script>": 1,
    "$x^{2$": 1,
    "=1+1": 1,
    "../..": 1,
    "\u200fإعدادات": 1,
}


def mix(**weights: int) -> tuple[Slot, ...]:
    """Return ``MIX_SIZE`` slots of the common events and those named; searching fills what is left."""
    slots: list[Slot] = []
    for name, weight in {**_COMMON, **weights}.items():
        slots += [(name, EVENTS[name])] * weight
    slots += [("SEARCH", EVENTS["SEARCH"])] * (MIX_SIZE - len(slots))
    return tuple(slots)


def _error(name: str, message: str, place: str) -> tuple[str, Payload]:
    """Return an error as the clients send it: its type, and message and stack, with paths of the device."""
    app = "/home/ana/Apps/maquette/resources/app.asar"
    stack = f"{message}\n    at {place.replace('(', f'({app}/')}\n    at {app}/app.js:1:1"
    return f"error:{name}", {"message": message, "stack": stack}


# The error that the bad release brings, the one of the spike day, and the everyday ones.
RELEASE_ERROR = _error(
    "uncaughtException",
    "TypeError: Cannot read properties of undefined (reading 'layers')",
    "render (canvas.js:88:14)",
)
SPIKE_ERROR = _error("unhandledRejection", "Error: licence server answered 503", "check (licence.js:12:9)")
ERRORS: tuple[tuple[str, Payload], ...] = (
    _error("uncaughtException", "Error: ENOSPC: no space left on device, write", "save (disk.js:40:3)"),
    _error("uncaughtException", "RangeError: Maximum call stack size exceeded", "walk (tree.js:7:21)"),
    _error("unhandledRejection", "TypeError: Failed to fetch", "sync (cloud.js:55:2)"),
    _error("unhandledRejection", "Error: timeout of 5000 ms exceeded", "sync (cloud.js:61:2)"),
    _error("ExportFailed", "Font 'Ünïcode Sans' not found", "embed (pdf.js:203:8)"),
    _error("ExportFailed", "<script>alert(1)</script> is not a page size", "layout (pdf.js:19:8)"),
    _error("windowError", "ResizeObserver loop limit exceeded", "window"),
    ("error:$x^{2$", {"message": "=1+1"}),
)

# User ids that break what builds a URL, a file name, a formula or a table from them. Two of them look the same:
# the first "café" is composed, the second decomposed.
AWKWARD_IDS: tuple[str, ...] = (
    "ana+news@example.org",
    "Ana María López",
    "caf\u00e9@example.org",
    "cafe\u0301@example.org",
    "a/b/c",
    "50%",
    "100%25",
    "who?",
    "#1",
    "x=y&z=1",
    "key==",
    "00123",
    "1e5",
    "null",
    "😀 smile",
    "<script>alert(1)</script>",
    "=1+1",
    "$x^{2$",
    "../..",
    "\u200fمستخدم",
    "Quote \"double\" and 'single'",
    "back\\slash",
    "semi;colon,comma",
    "session",
    "李 雷",
    "long-" + "x" * 200,
)

FIRST_NAMES = ("ana", "ben", "chloé", "david", "emma", "farid", "grace", "hugo", "ines", "jonas", "kenji", "léa")
LAST_NAMES = ("martin", "schmidt", "silva", "sharma", "tanaka", "o'neil", "dubois", "smith", "haddad", "møller")
