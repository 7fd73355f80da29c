"""Keep tokens and the ids of people out of messages, whoever wrote them there."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from nucleus_pandas.api.http.api_request import ApiRequest

EXCERPT = 200
HIDDEN = "[hidden]"
# Below this length a value is hidden as a word of its own only: hiding every "4" would help nobody.
_SHORT = 4
_MARKUP = re.compile(r"<(script|style)\b[^<]*</\1\s*>|<!--[^<]*-->|<[^<>]*>", re.IGNORECASE)
# Base64, a hash and the like: long runs that are not made of words. Nobody needs them in a message, and a secret may
# be in them.
# Possessive, as there would be countless ways to cut a long run into words.
_WORD = r"(?:[A-Z]?[a-z]{2,}+|[A-Z]{3,}+)"
_OPAQUE = re.compile(
    rf"(?<![\w+/=-])(?!{_WORD}(?:[_/-]?{_WORD}|_[A-Z]{{2}})*+(?![\w+/=-]))[\w+/=-]{{16,}}",
    re.ASCII,
)


class Redactor:
    """Replaces secrets in text: as they are, and as URLs, JSON and HTML write them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        self._longest = max(map(len, forms), default=0)
        patterns = []
        for form in sorted(forms, key=len, reverse=True):
            pattern = re.escape(form)
            patterns.append(rf"(?<!\w){pattern}(?!\w)" if len(form) < _SHORT else pattern)
        # Percent and unicode escapes come in either case; hiding other spellings too does no harm.
        self._pattern = re.compile("|".join(patterns), re.IGNORECASE) if patterns else None

    def __call__(self, text: str) -> str:
        """Give the text without the secrets."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def excerpt(self, body: bytes, *, cut: bool) -> str:
        """Give the start of a body as one line of plain text; `cut` says that the body goes on."""
        text = body.decode("utf-8", "replace")
        if cut:  # what looks harmless at the end may be half a secret, and Base64 makes it a third longer
            text = text[: -2 * self._longest or None]
        text = html.unescape(_MARKUP.sub(" ", self(text)[:8192]))
        text = "".join(c for c in text if c.isprintable() or c.isspace())
        text = _OPAQUE.sub(HIDDEN, self(" ".join(text.split())))
        return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def secrets_in(request: ApiRequest) -> set[str]:
    """Find what must not be shown: the token, the values in the path, and those in the query."""
    values = {str(value) for value in request.params.values()}
    token = str(request.headers["Authorization"])
    return {token, *request.segments, *(value for value in values if len(value) >= _SHORT)}


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    yield quote_plus(secret)
    escaped = json.dumps(secret)[1:-1]
    yield escaped
    yield escaped.replace("/", "\\/")
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield html.escape(secret)
