"""Names from the data, and numbers, as messages write them."""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
from collections.abc import Iterable, Sequence

#: What a table calls values that are missing, and those beyond its largest.
MISSING, OTHER = "(none)", "(other)"
# Comparing takes time that grows with the square of the length.
_COMPARED = 200
_AGREEING = re.compile(r"\[([^]|]*)\|([^]|]*)\]")


def shown(name: object) -> str:
    """Write a name from the data in a message: quoted, escaped, and cut where it is long."""
    return f'"{one_line(name)}"'


def one_line(name: object) -> str:
    """Cut a name from the data where it is long, and escape what could break its line or turn it around."""
    text = str(name)
    text = text if len(text) <= 60 else f"{text[:40]}…{text[-15:]}"
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def near_names(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> list[str]:
    """Give up to three of the known names that resemble a name, whatever their case; the closest first."""
    folded: dict[str, str] = {}
    for one in known:
        folded.setdefault(one.casefold()[:_COMPARED], one)
    wanted = name.strip().casefold()[:_COMPARED]
    return [folded[match] for match in difflib.get_close_matches(wanted, folded, n=3, cutoff=cutoff)]


def did_you_mean(names: Sequence[str]) -> str:
    """Write names as a question that follows a message; nothing where there are none."""
    return f" Did you mean {' or '.join(map(shown, names))}?" if names else ""


def counted(number: int, noun: str) -> str:
    """Write a number and its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def worded(template: str, number: int) -> str:
    """Write a number in place of ``{}``, and the words that agree with it: ``{} [copy|copies] [is|are] left out``."""
    return _AGREEING.sub(r"\1" if number == 1 else r"\2", template).replace("{}", f"{number:,}")


def is_utf8(text: str) -> bool:
    """Say whether a text can be encoded; one with lone surrogates cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def short_date(date: dt.date) -> str:
    """Write a date without its year, such as 7 Sep."""
    return f"{date.day} {date:%b}"


def percent(share: float, *, decimals: int | None = 1) -> str:
    """Write a share in per cent: 0 and 1 as whole numbers, and never what rounds to them as if it were them.

    Without `decimals`, shares below 10 % have one and others none.
    """
    if decimals is None:
        decimals = 1 if share < 0.0995 else 0
    if math.isnan(share):
        return "no rate"
    share = round(share, 12) + 0.0  # a difference such as 1 - 0.9 - 0.1 is none, and no negative zero
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    text = f"{100 * share:,.{decimals}f} %"
    smallest = 10.0**-decimals
    if 0 < share < 1 and text == f"{0:.{decimals}f} %":
        return f"< {smallest:.{decimals}f} %"
    if 0 < share < 1 and text == f"{100:.{decimals}f} %":
        return f"> {100 - smallest:.{decimals}f} %"
    return text


def percent_number(share: float) -> str:
    """Write a share in per cent without the sign, for a column or axis that has it."""
    return percent(share).removesuffix(" %")


def points(difference: float) -> str:
    """Write a difference of shares in percentage points, with its sign and as many decimals as a digit needs."""
    value = round(100 * difference, 10)
    if not value:
        return "0"
    decimals = max(1, -math.floor(math.log10(abs(value))))
    return f"{value:+,.{decimals}f}".replace("-", "−")


def rounded(value: float, decimals: int = 1) -> str:
    """Write a number with so many decimals, and one that would round to 0 as below the least that does not."""
    least = 10.0**-decimals
    if 0 < abs(value) < least / 2:
        return f"{'< ' if value > 0 else '> −'}{least:.{decimals}f}"
    return f"{value + 0.0:,.{decimals}f}".replace("-", "−")
