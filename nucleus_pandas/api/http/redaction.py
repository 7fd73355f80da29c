"""Keep tokens and the ids of people out of messages, whoever wrote them there."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote

EXCERPT = 200
HIDDEN = "[hidden]"
# Below this length a value is hidden as a word of its own only: hiding every "4" would help nobody.
_SHORT = 4
_MARKUP = re.compile(r"<(script|style)\b[^<]*</\1\s*>|<!--[^<]*-->|<[^<>]*>", re.IGNORECASE)


class Redactor:
    """Replaces secrets in text: as they are, and as URLs, JSON, HTML and Base64 write them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        self.longest = max(map(len, forms), default=0)
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
        if cut:  # what looks harmless at the end may be half a secret
            text = text[: -self.longest or None]
        text = html.unescape(_MARKUP.sub(" ", self(text)[:8192]))
        text = "".join(c for c in text if c.isprintable() or c.isspace())
        text = self(" ".join(text.split()))
        return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def secrets_in(target: str, endpoint: str, authorization: Iterable[str]) -> set[str]:
    """Find what must not be shown: the token, and the values that stand for the endpoint's placeholders."""
    path, _, query = target.partition("?")
    parts, template = path.strip("/").split("/"), endpoint.strip("/").split("/")
    pairs = list(zip(reversed(parts), reversed(template), strict=False))
    if all(name.startswith(":") or name == value for value, name in pairs):
        found = {value for value, name in pairs if name.startswith(":")}
    else:  # not the endpoint it is said to be: then any part of the path may be an id
        found = set(parts)
    found |= {value for pair in query.split("&") if len(value := pair.partition("=")[2]) >= _SHORT}
    found |= {unquote(value) for value in found}
    for value in authorization:
        found |= {value, *value.split()}
    return found - {""}


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
    raw = secret.encode("utf-8", "surrogatepass")
    if len(raw) < 6:
        return
    # Base64 within a longer text starts at any of three offsets; the characters at both ends also depend
    # on the neighbours, so they are left out.
    for offset in range(3):
        text = base64.b64encode(bytes(offset) + raw)[(0, 2, 3)[offset] :].decode("ascii")
        core = text.rstrip("=")
        core = core[:-1] if (offset + len(raw)) % 3 else core
        yield core
        yield core.translate(str.maketrans("+/", "-_"))
