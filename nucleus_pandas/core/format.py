"""Numbers as text for people."""

from __future__ import annotations

import math


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
