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
