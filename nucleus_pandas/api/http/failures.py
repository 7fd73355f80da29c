"""What an answer, or the lack of one, means: the words for the user, and whether to try again."""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError, NameResolutionError, ProxyError, SSLError

from nucleus_pandas.api.http.decoding import (
    BrokenBodyError,
    TooLargeError,
    UnknownEncodingError,
    Unpacker,
    parse_retry_after,
)
from nucleus_pandas.api.http.redaction import Redactor
from nucleus_pandas.exceptions import (
    AuthenticationError,
    NetworkError,
    NotFoundError,
    NucleusError,
    PayloadError,
    RateLimitError,
    ServiceError,
)

# 52x are Cloudflare's names for an origin that is down or slow. 400, 401, 403, 404, 409 and 422 are not
# here: the same request would get the same answer.
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
# What was asked for may have been done although the answer was one of these.
_MAYBE_DONE = RETRIED - {408, 425, 429}
_ERROR_PAGE_BYTES = 1 << 16
_MIB = 1 << 20


@dataclass
class Failure:
    """Why an attempt gave no reply, and what follows from it.

    Attributes
    ----------
    again : bool
        Whether this call tries again by itself.
    retryable : bool
        Whether the user may.
    maybe_done : bool
        Whether the service may have done what it was asked to.
    """

    kind: type[NucleusError]
    what: str
    advice: str = ""
    status: int | None = None
    request_id: str = ""
    said: str = ""
    again: bool = False
    retryable: bool = False
    retry_after: float | None = None
    maybe_done: bool = False

    def error(self, name: str, endpoint: str, attempts: int, note: str) -> NucleusError:
        """Make the exception; `name` is the method and the endpoint's template."""
        details = [f"HTTP {self.status}"] if self.status else []
        details += [name, f"{attempts} attempts"] if attempts > 1 else [name]
        details += [self.request_id] if self.request_id else []
        parts = [f"{self.what} ({', '.join(details)}).", note, self.advice]
        # Of a person's endpoint, the service may name them by another id than the one that was sent.
        parts += [f"It said: {self.said}"] if self.said and ":userId" not in endpoint else []
        return self.kind(
            " ".join(filter(None, parts)),
            status=self.status,
            endpoint=endpoint,
            retry_after=self.retry_after,
            request_id=self.request_id or None,
            retryable=self.retryable,
        )


def flawed(what: str, status: int, *, cut: bool) -> Failure:
    """Judge a body that arrived whole but is no answer."""
    return Failure(PayloadError, what, status=status, again=cut, retryable=cut, maybe_done=True)


def too_large(problem: TooLargeError, endpoint: str) -> Failure:
    """Judge a body above a cap."""
    setting = "max_wire_bytes" if problem.where == "on the wire" else "max_body_bytes"
    raise_it = f"aise {setting} of Client, for example to {2 * problem.most:,} bytes."
    return Failure(
        PayloadError,
        f"The answer is larger than {problem.most / _MIB:,.4g} MiB {problem.where}",
        # The others take no interval.
        f"Ask for a shorter interval, or r{raise_it}" if endpoint.startswith("analytics") else f"R{raise_it}",
        maybe_done=True,
    )


def header_flood() -> Failure:
    """Judge an answer whose head does not end."""
    return Failure(
        PayloadError,
        "The answer has more than 100 headers, or longer ones than any service sends",
        "Something in between may have answered: check base_url, proxies and the network.",
        maybe_done=True,
    )


def refused(response: Any, redact: Redactor, now: Callable[[], float]) -> Failure:
    """Judge an answer with any status but 2xx."""
    status, headers = response.status, response.headers
    if status // 100 == 3:
        what = f"The service redirects to {_pointed_to(headers.get('Location'), redact)}"
        return Failure(ServiceError, what, "Nothing was sent there. Check base_url.", status)
    kind, what, advice = _meaning(status)
    body, cut = _error_page(response)
    again = status in RETRIED
    return Failure(
        kind,
        what,
        advice,
        status,
        request_id=_request_id(headers, redact),
        said=redact.excerpt(body, cut=cut),
        again=again,
        retryable=again,
        retry_after=parse_retry_after(headers.get("Retry-After"), date=headers.get("Date"), now=now),
        maybe_done=status in _MAYBE_DONE,
    )


def lost(problem: Exception, host: str, *, sent: bool) -> Failure:
    """Judge a failure of the network, in our own words: urllib3's may quote addresses and headers."""
    if isinstance(problem, SSLError) and isinstance(problem.args[0], ssl.SSLCertVerificationError):
        advice = "Check base_url, the clock of this machine, and verify."
        return Failure(NetworkError, f"The certificate of {host} cannot be trusted", advice)
    advice = "Check the network, and the address: base_url of Client, or NUCLEUS_BASE_URL."
    if isinstance(problem, ProxyError):
        what, advice = "The proxy cannot be reached, or refused", "Check proxies."
    elif isinstance(problem, NameResolutionError):
        what = f"The host {host} is not known"
    elif not sent:
        what = f"No connection to {host}"
    else:
        what = "The connection was lost, or the answer damaged, before it was whole"
        advice = "Try again later."
    return Failure(NetworkError, what, advice, again=True, retryable=True, maybe_done=sent)


def _meaning(status: int) -> tuple[type[NucleusError], str, str]:
    same_account = "NUCLEUS_TOKEN and NUCLEUS_APP_ID: both must come from the same account."
    if status == 401:
        return AuthenticationError, "The service refused the token for this app", f"Check {same_account}"
    if status == 403:
        advice = f"If other requests are answered, it refuses this one only; if not, check {same_account}"
        return AuthenticationError, "The service refused the request", advice
    if status == 404:
        advice = "Check NUCLEUS_APP_ID, and who or what was asked for; for users, see the setting user_path of Client."
        return NotFoundError, "The service does not know what was asked for", advice
    if status == 429:
        return RateLimitError, "The service wants fewer requests", "Lower requests_per_second."
    if status // 100 == 5:
        return ServiceError, "The service failed", "Try again later."
    return (
        ServiceError,
        "The service answered with an error",
        "Check the arguments; if they are right, please report it.",
    )


def _error_page(response: Any) -> tuple[bytes, bool]:
    """Read the start of an error's body: it explains, but the status counts, so it may be broken."""
    try:
        unpacker = Unpacker(response.headers.get("Content-Encoding", ""), most=_ERROR_PAGE_BYTES)
    except UnknownEncodingError:
        return b"", False
    try:
        for piece in response.stream(_ERROR_PAGE_BYTES // 4, decode_content=False):
            unpacker.feed(piece)
        return unpacker.finish(), False
    except (TooLargeError, BrokenBodyError, HTTPError, http.client.HTTPException, OSError, ValueError):
        return unpacker.so_far(), True


def _request_id(headers: Mapping[str, str], redact: Redactor) -> str:
    for name in ("x-request-id", "cf-ray"):
        value = headers.get(name, "")
        if re.fullmatch(r"[\w.:/+=-]{1,128}", value, re.ASCII):
            return f"{name} {redact(value)}"
    return ""


def _pointed_to(location: str | None, redact: Redactor) -> str:
    """Give scheme and host only: path and query may hold anything."""
    try:
        parts = urlsplit(location or "")
        host, port = parts.hostname, parts.port
    except ValueError:
        return "an address that cannot be read"
    if not host:
        return "another path of its own" if location else "nowhere"
    if not re.fullmatch(r"[\w.:-]{1,253}", host, re.ASCII) or parts.scheme not in {"http", "https", ""}:
        return "an address that cannot be read"
    scheme = f"{parts.scheme}://" if parts.scheme else "//"
    return redact(f"{scheme}{host}" + (f":{port}" if port else ""))
