"""Names from the data, and numbers, as messages write them."""

from __future__ import annotations

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
