"""A section of a report: a heading with text, cards, a picture or a table below it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from nucleus_pandas.core.text import points
from nucleus_pandas.report.table_cells import Cells, Format, cells_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Card:
    """A number and how it changed: `change` in words with an arrow, `note` below it."""

    name: str
    value: str
    change: str
    note: str = ""


@dataclass(frozen=True)
class Section:
    """What stands below one heading; `narrow` is the picture as a telephone shows it."""

    heading: str
    note: str = ""
    level: int = 2
    paragraphs: list[str] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    svg: str = ""
    narrow: str = ""
    png: Callable[[], bytes] | None = None
    cells: Cells | None = None


#: Columns of differences of shares, with their bounds.
POINTS: Final[dict[str, Format]] = dict.fromkeys(("Difference, points", "Bounds from", "to"), points)


def table_section(
    heading: str,
    columns: Mapping[str, Any],
    note: str = "",
    *,
    level: int = 2,
    formats: Mapping[str, Format] | None = None,
) -> Section:
    """Make a section of columns; `formats`: how numbers of some columns are written."""
    return Section(heading, note, level, cells=cells_of(pd.DataFrame(columns).reset_index(drop=True), formats=formats))
