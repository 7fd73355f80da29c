"""Retention as a table whose cells are coloured, which any screen can show and read aloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from nucleus_pandas.core.calendar import NOUNS
from nucleus_pandas.plots.plot_retention import asked_note, cell_text, grid_of, nobody
from nucleus_pandas.plots.shares import sample_note
from nucleus_pandas.report.table_cells import Cells

if TYPE_CHECKING:
    import pandas as pd

_STEPS = 10
_PAGE, _FULL = ("#ffffff", "#16181d"), ("#0072b2", "#4aa3e0")
# No colour is so full that black, or white on a dark page, could not be read on it.
_FULLEST = 0.6


def _mixed(page: str, full: str, part: float) -> str:
    channels = zip(bytes.fromhex(page[1:]), bytes.fromhex(full[1:]), strict=True)
    return f"#{bytes(round(low + part * (high - low)) for low, high in channels).hex()}"


#: From a share of 0 to the largest: the colour of a cell on a light and on a dark page.
SHADES: Final = tuple(
    tuple(_mixed(page, full, 0.08 + (_FULLEST - 0.08) * step / _STEPS) for page, full in zip(_PAGE, _FULL, strict=True))
    for step in range(_STEPS + 1)
)


def heatmap_of(table: pd.DataFrame) -> tuple[Cells, str]:
    """Write the table of `retention` for one segment as a heatmap, and what its shares mean.

    With a column `settled`, cells that are not are marked.
    """
    if nobody(table):
        return Cells(["Cohort", "Users"], [False, True], []), asked_note(table) if len(table) else ""
    grid = grid_of(table)
    noun = NOUNS.get(str(table["freq"].iloc[0]), "period")
    rows, shades = [], []
    for row, day in enumerate(grid.cohorts):
        users = grid.users[row]
        cells = [f"{day:%Y-%m-%d}", "–" if np.isnan(users) else f"{users:,.0f}"]
        looks = ["", ""]
        states = zip(grid.rate[row], grid.few[row], grid.part[row], grid.young[row], strict=True)
        for rate, few, part, young in states:
            known = not np.isnan(rate)
            cells.append(f"{'~' if young else ''}{cell_text(rate)}{'*' if few else ''}" if known else "")
            step = round(_STEPS * min(1.0, rate / grid.top)) if known else 0
            looks.append(f"s{step}{' part' if part else ''}{' open' if young else ''}" if known else "")
        rows.append(cells)
        shades.append(looks)
    names = ["Cohort", "Users", *(f"{noun.capitalize()} {name}" if name.isdecimal() else name for name in grid.periods)]
    notes = [
        asked_note(table),
        "Empty: not over yet or without users." if np.isnan(grid.rate).any() else "",
        "Slanted: of a part of the cohort only." if grid.part.any() else "",
        "Hatched, with ~: may still change (clients send up to 48 h late)." if grid.young.any() else "",
        "*: fewer than 30 users." if grid.few.any() else "",
        sample_note(table),
    ]
    return Cells(names, [False, *[True] * (len(names) - 1)], rows, shades=shades), " ".join(filter(None, notes))
