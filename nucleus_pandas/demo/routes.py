"""Which answer belongs to which path of the Data API: the same for every service that keeps a ledger."""

import re
from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from nucleus_pandas.api.http.addresses import is_loopback
from nucleus_pandas.demo import answers
from nucleus_pandas.demo.answers import Answer, Window
from nucleus_pandas.demo.ledger import Ledger, UserPath, UserRecord

PREFIX = ["api", "v1", "apps"]
MAX_OFFSET = 24 * 60
_INTEGER = re.compile(r"-?[0-9]{1,15}")

Query = dict[str, list[str]]
UtcOffsetSign = Literal["east", "west"]


class RefusedError(Exception):
    """A request that gets an error for an answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def guarded(
    answer: Callable[[], tuple[int, Answer | None]], failures: MutableSequence[Exception]
) -> tuple[int, Answer | None]:
    """Return an answer, or the error that a client gets in its place; bugs are kept."""
    try:
        return answer()
    except RefusedError as refused:
        return refused.status, {"error": str(refused)}
    except Exception as error:  # the client gets an answer, the test gets the bug
        failures.append(error)
        return HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "The service failed; this is a bug."}


def check_door(host: str | None, port: int) -> None:
    """Refuse a host name that is not this machine's: a web page that rebinds its own name still sends that name."""
    try:
        parts = urlsplit(f"http://{host or ''}")
        named = 80 if parts.port is None else parts.port
        fits = is_loopback(parts.hostname or "") and named == port
    except ValueError:
        fits = False
    if not fits:
        raise RefusedError(
            HTTPStatus.MISDIRECTED_REQUEST, "This host name is not served here. Use 127.0.0.1 or localhost."
        )


def split_path(target: str) -> tuple[list[str], Query]:
    """Return the decoded segments of a request's path, and its query."""
    try:
        parts = urlsplit(target)
    except ValueError:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The path is not a valid URL.") from None
    try:
        # Decoded only after the path was taken apart: an id may hold an encoded slash.
        segments = [unquote(segment, errors="strict") for segment in parts.path.split("/")[1:]]
    except UnicodeDecodeError:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The path is not UTF-8.") from None
    return segments, parse_qs(parts.query, keep_blank_values=True)


def split_app(segments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the app that a path of the Data API names, and what follows it."""
    if list(segments[:3]) != PREFIX or len(segments) < 4:
        raise RefusedError(HTTPStatus.NOT_FOUND, "No such route.")
    return segments[3], segments[4:]


@dataclass(frozen=True, slots=True)
class Routes:
    """The 13 endpoints over the ledger of one app; ``erase`` erases the user whom a DELETE names, if any."""

    ledger: Ledger
    app_id: str
    erase: Callable[[str], bool]
    utc_offset_sign: UtcOffsetSign = "east"
    user_path: UserPath = "user_id"
    end_inclusive: bool = False
    page_size: int | None = None

    def answer(self, method: str, segments: Sequence[str], query: Query, now_ms: int) -> tuple[int, Answer | None]:
        """Return status and body of the answer, by method and path; no body with 204."""
        match method, segments:
            case "DELETE", ["users", user]:
                if not self.erase(user):
                    raise RefusedError(HTTPStatus.NOT_FOUND, "No such user.")
                return HTTPStatus.NO_CONTENT, None
            case "GET", ["analytics", *rest]:
                return HTTPStatus.OK, self._analytics(rest, query, now_ms)
            case "GET", ["users", *rest]:
                return HTTPStatus.OK, self._users(rest, query)
            case "GET", ["live", "events"]:
                return HTTPStatus.OK, answers.live_events(self.ledger, now_ms, self.app_id)
            case "GET", ["live", "users"]:
                return HTTPStatus.OK, answers.live_users(self.ledger, now_ms)
            case "GET", ["live", "users", "count"]:
                return HTTPStatus.OK, answers.live_user_count(self.ledger, now_ms)
            case "GET" | "DELETE", _:
                raise RefusedError(HTTPStatus.NOT_FOUND, "No such route.")
        raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET, and DELETE of a user.")

    def _analytics(self, segments: Sequence[str], query: Query, now_ms: int) -> Answer:
        """Answer the endpoints that count."""
        simple: dict[tuple[str, ...], Callable[[Ledger, Window], Answer]] = {
            (): answers.daily,
            ("events",): answers.events,
            ("eventsprops",): answers.event_properties,
            ("errors",): answers.errors,
        }
        if count := simple.get(tuple(segments)):
            return count(self.ledger, self._window(query))
        match segments:
            case ["quickglance"]:
                return answers.quickglance(self.ledger, now_ms)
            case ["events", event]:
                return answers.attribute(self.ledger, self._window(query), event, None)
            case ["events", event, key]:
                return answers.attribute(self.ledger, self._window(query), event, key)
        raise RefusedError(HTTPStatus.NOT_FOUND, "No such route.")

    def _users(self, segments: Sequence[str], query: Query) -> Answer:
        """Answer the endpoints about people."""
        match segments:
            case []:
                return answers.users(self.ledger, self.page_size)
            case [user]:
                return answers.user_detail(self.user(user), self.app_id)
            case [user, "session", session]:
                record = self.user(user)
                device = query.get("device", [""])[0]
                if not device:
                    raise RefusedError(HTTPStatus.BAD_REQUEST, "device is required.")
                if found := answers.session_events(record, session, device, self.app_id):
                    return found
                raise RefusedError(HTTPStatus.NOT_FOUND, "No such session.")
        raise RefusedError(HTTPStatus.NOT_FOUND, "No such route.")

    def user(self, wanted: str) -> UserRecord:
        """Return the user whom a path names."""
        if record := self.ledger.find(wanted, self.user_path):
            return record
        raise RefusedError(HTTPStatus.NOT_FOUND, "No such user.")

    def _window(self, query: Query) -> Window:
        """Return the interval asked for, and the shift to the local clock by the service's sign."""
        start, end = _integer(query, "start"), _integer(query, "end")
        offset = _integer(query, "utcOffset", default=0)
        if start >= end:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "start must be before end.")
        if abs(offset) > MAX_OFFSET:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "utcOffset is in minutes.")
        east = offset if self.utc_offset_sign == "east" else -offset
        return Window(start * 1000, end * 1000 + self.end_inclusive, east * 60_000)


def _integer(query: Query, name: str, default: int | None = None) -> int:
    """Return a parameter as an integer."""
    text = query.get(name, [None])[0]
    if text is None and default is not None:
        return default
    if text is None or not _INTEGER.fullmatch(text):
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"{name} must be an integer.")
    return int(text)
