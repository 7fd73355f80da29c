"""From bytes on the wire to a whole body, from a body to JSON that means one thing only, and from headers to dates."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from nucleus_pandas.exceptions import PayloadError

# More than any number of the service needs, and short enough that int() is never slow.
LONGEST_INTEGER = 300
#: A body above this size is large; hardly any is.
LARGE = 8 << 20
# What json may still hold in its hands when a text ends too early, apart from strings.
_UNFINISHED = re.compile(r"\s*(-|[.eE][-+]?|u[0-9a-fA-F]{0,4}|t|tr|tru|f|fa|fal|fals|n|nu|nul)?")
_PIECE = 1 << 18
# A date outside of these years comes from a server whose clock was never set.
_YEARS = range(2000, 2200)
_SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{0,15})?")


class BrokenBodyError(Exception):
    """The body is not what was sent: cut short, or damaged."""


class TooLargeError(Exception):
    """The body is above a size limit: `most` bytes, `where` they were counted."""

    def __init__(self, where: str, most: int) -> None:
        super().__init__(where)
        self.where = where
        self.most = most


class HeaderFloodError(Exception):
    """The head of the answer is longer than any service sends."""


class UnknownEncodingError(Exception):
    """The body is compressed in a way that was not asked for."""


class Unpacker:
    """Collects the pieces of a body, decompressed; `finish` gives the body if it was whole.

    zlib accepts a stream that is cut short without a word (as do urllib3 and httpx on top of it), so the
    end of the stream is looked for here; and it expands a thousandfold, so it is asked for small pieces. Before a body
    grows beyond `LARGE`, `before_large` is called once; what it raises passes through.
    """

    def __init__(self, encoding: str, *, most: int, before_large: Callable[[], object] = lambda: None) -> None:
        self._encoding = encoding.strip().lower() or "identity"
        if self._encoding not in {"identity", "gzip", "x-gzip"}:
            raise UnknownEncodingError
        self._most = most
        self._before_large: Callable[[], object] | None = before_large
        self._body = io.BytesIO()
        self._stream: Any = None  # zlib's decompressor has no public type
        self._ended = False

    def feed(self, piece: bytes) -> None:
        """Take the next piece as it came off the wire."""
        if self._encoding == "identity":
            self._keep(piece)
            return
        try:
            self._inflate(piece)
        except zlib.error:
            raise BrokenBodyError from None

    def finish(self) -> bytes:
        """Give the whole body."""
        if self._encoding != "identity":
            try:
                while self._stream and (rest := self._stream.decompress(b"", _PIECE)):
                    self._keep(rest)
            except zlib.error:
                raise BrokenBodyError from None
            if not (self._stream.eof if self._stream else self._ended):
                raise BrokenBodyError
        return self._body.getvalue()

    def so_far(self) -> bytes:
        """Give what there is, whole or not: for error pages."""
        return self._body.getvalue()

    def _inflate(self, piece: bytes) -> None:
        while piece:
            # What follows one gzip member must be another.
            self._stream = self._stream or zlib.decompressobj(wbits=31)
            self._keep(self._stream.decompress(piece, _PIECE))
            piece = self._stream.unconsumed_tail
            if self._stream.eof:
                piece, self._stream, self._ended = self._stream.unused_data, None, True

    def _keep(self, piece: bytes) -> None:
        if self._body.tell() + len(piece) > self._most:
            raise TooLargeError("unpacked", self._most)
        if self._before_large and self._body.tell() + len(piece) > LARGE:
            before_large, self._before_large = self._before_large, None
            before_large()
        self._body.write(piece)


@dataclass(frozen=True)
class Flaw:
    """Why a body is no answer, to be read after "The answer"; `cut` if it may be whole the next time."""

    text: str
    cut: bool = False


class _TrapError(ValueError):
    """Python's json would take it, but it has no one meaning."""


def parse_json(body: bytes, *, endpoint: str, allow_list: bool = False) -> Any:
    """Parse an answer strictly: an object (or a list, if allowed) in which every number is what was sent.

    Raises
    ------
    PayloadError
        A web page; not JSON; NaN or Infinity; a name twice in an object; nesting or numbers beyond reason; or not an
        object. `retryable` says that the text ends in the middle.
    """
    value, flaw = read_json(body, allow_list=allow_list)
    if flaw:
        raise PayloadError(f"The answer of {endpoint} {flaw.text}.", endpoint=endpoint, retryable=flaw.cut)
    return value


def read_json(body: bytes, *, allow_list: bool) -> tuple[Any, Flaw | None]:
    """Parse without raising: json's own errors hold the whole text, and so would whoever chains them."""
    if page := web_page(body):
        return None, page
    try:
        text = body.decode("utf-8-sig")  # JSON allows no byte order mark, but some servers send one
    except UnicodeDecodeError as error:
        return None, Flaw("is not UTF-8 text", cut=error.reason == "unexpected end of data")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except _TrapError as trap:
        return None, Flaw(str(trap))
    except RecursionError:
        return None, Flaw("is nested too deeply")
    except json.JSONDecodeError as error:
        if _is_cut(error):
            return None, Flaw("ends in the middle", cut=True)
        return None, Flaw(f"is not JSON (at character {error.pos})")
    if not isinstance(value, (dict, list) if allow_list else dict):
        names = {list: "a list", str: "a string", bool: "a truth value", type(None): "null"}
        wanted = "an object or a list" if allow_list else "an object"
        return None, Flaw(f"is {names.get(type(value), 'a number')} where {wanted} belongs")
    return value, None


def web_page(body: bytes) -> Flaw | None:
    """Recognise markup: no JSON starts with an angle bracket."""
    if not body[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return None
    return Flaw(
        "is a web page, not data: a proxy or login page may stand in between. Check base_url, proxies and the network"
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _TrapError("has the same name twice in one object")
    return result


def _constant(name: str) -> Any:
    raise _TrapError(f"contains {name}, which is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_INTEGER:
        raise _TrapError(f"contains an integer of {len(digits):,} digits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _TrapError("contains a number too large for a float")
    return number


def _is_cut(error: json.JSONDecodeError) -> bool:
    if error.msg == "Extra data" or error.doc.lstrip()[:1] not in {"", "{", "["}:
        return False
    unfinished = _UNFINISHED.fullmatch(error.doc, error.pos) is not None
    return unfinished or error.msg.startswith("Unterminated string")


def parse_http_date(text: str | None) -> dt.datetime | None:
    """Read a date such as ``Fri, 20 Nov 2026 12:00:00 GMT``; None for anything else."""
    try:
        moment = parsedate_to_datetime(text or "")
        return moment.astimezone(dt.UTC) if moment.tzinfo else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def service_time(headers: Mapping[str, str]) -> dt.datetime | None:
    """Give the instant at which the service answered by its own clock, to the second; None if it sent no usable one."""
    moment = parse_http_date(headers.get("Date"))
    return moment if moment is not None and moment.year in _YEARS else None


def parse_retry_after(value: str | None, *, date: str | None, now: Callable[[], float]) -> float | None:
    """Read a Retry-After header: seconds to wait, or None for none and for junk.

    A point in time is measured from the service's own `date` header where there is one, so that a wrong
    clock on this side does not matter.
    """
    if value is None:
        return None
    if _SECONDS.fullmatch(value.strip()):
        return float(value)
    moment = parse_http_date(value)
    if moment is None:
        return None
    start = parse_http_date(date)
    return max(0.0, moment.timestamp() - (now() if start is None else start.timestamp()))
