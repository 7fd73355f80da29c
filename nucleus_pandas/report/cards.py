"""A number of the period, with what it was before, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """A number and how it changed: `change` in words with an arrow, `note` below it."""

    name: str
    value: str
    change: str
    note: str = ""
