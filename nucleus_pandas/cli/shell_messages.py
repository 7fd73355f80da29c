"""Messages of the library in the terms of a shell: options and variables in place of Python arguments."""

from __future__ import annotations

import re
import sys

_OPTIONS = {name: name for name in ("start", "end", "tz", "window", "sample", "port", "scale", "funnel", "attribute")}
_OPTIONS |= {"app_id": "app-id", "compare": "compare", "title": "title", "day": "day", "freq": "freq", "host": "host"}
_VALUE = r"""\[[^]]*\]|\([^)]*\)|"[^"]*"|'[^']*'|[\w.+:-]*\w"""
_ARGUMENT = re.compile(rf"(?<![\w-])({'|'.join(_OPTIONS)})=({_VALUE})")
_QUOTED = re.compile(r"""^["']([\w.+:/-]+)["']$""")
_PHRASES = {
    ", or set allow_http=True if you must": "",
    "nucleus_pandas.sync(client, store, ...) makes it": "nucleus-pandas sync makes it",
    "use nucleus_pandas.demo_client()": "add --demo",
    "load_event_properties lists what was": "event_properties.csv of nucleus-pandas export lists what was",
    "Call forget_user again": "Run nucleus-pandas forget again",
    "base_url of Client, or NUCLEUS_BASE_URL": "NUCLEUS_BASE_URL",
    "Leave out the host for": "Leave out --host for",
    "base_url": "NUCLEUS_BASE_URL",
    "the setting user_path of Client": "NUCLEUS_USER_PATH",
    "user_path of Client": "NUCLEUS_USER_PATH",
    "user_path": "NUCLEUS_USER_PATH",
    "allow_origins: ": "--allow-origin: ",
    "utc_offset_sign": "NUCLEUS_UTC_OFFSET_SIGN",
}


def tell(message: object) -> None:
    """Write a warning, or the sentence of an error, on stderr."""
    if isinstance(message, OSError) and message.filename and message.strerror:
        # Its own text begins with a number: [Errno 13].
        message = f"{message.filename}: {message.strerror}."
    print(f"nucleus-pandas: {in_shell_terms(str(message))}", file=sys.stderr)


def in_shell_terms(message: str) -> str:
    """Write arguments as options, and what only Python can do as what the command can."""
    for phrase, of_shell in _PHRASES.items():
        message = message.replace(phrase, of_shell)
    return _ARGUMENT.sub(lambda found: f"--{_OPTIONS[found[1]]} {_of_shell(found[2])}", message)


def _of_shell(value: str) -> str:
    """Write a Python value, or a list of them, as the words that follow an option."""
    if value[0] in "[(":
        return " ".join(_of_shell(one.strip()) for one in value[1:-1].split(",") if one.strip())
    return _QUOTED.sub(r"\1", value)
