"""Names from the data, and numbers, as messages write them."""

from __future__ import annotations

import math

#: What a table calls values that are missing, and those beyond its largest.
MISSING, OTHER = "(none)", "(other)"


def shown(name: object) -> str:
    """Write a name from the data in a message: quoted, escaped, and cut where it is long."""
    return f'"{one_line(name)}"'


def one_line(name: object) -> str:
    """Cut a name from the data where it is long, and escape what could break its line or turn it around."""
    text = str(name)
    text = text if len(text) <= 60 else f"{text[:40]}…{text[-15:]}"
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def counted(number: int, noun: str) -> str:
    """Write a number and its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def is_utf8(text: str) -> bool:
    """Say whether a text can be encoded; one with lone surrogates cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def percent(share: float, *, decimals: int = 1) -> str:
    """Write a share in per cent: 0 and 1 as whole numbers, and never what rounds to them as if it were them."""
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
