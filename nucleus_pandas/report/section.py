"""A section of a report: a heading with text, cards, a picture or a table below it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from nucleus_pandas.report.table_cells import Cells, cells_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


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


def table_section(
    heading: str, columns: Mapping[str, Any], note: str = "", *, level: int = 2, tenths: Collection[str] = ()
) -> Section:
    """Make a section of columns; `tenths`: those written with one digit behind the point, as per cent are."""
    return Section(heading, note, level, cells=cells_of(pd.DataFrame(columns).reset_index(drop=True), tenths=tenths))
