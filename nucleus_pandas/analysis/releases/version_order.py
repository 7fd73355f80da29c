"""The order of versions: 0.9 before 0.10, a pre-release before its release, and names that are no versions last."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from packaging.version import InvalidVersion, Version

from nucleus_pandas.core.text import MISSING, OTHER

_NUMBERED = re.compile(r"\s*v?(\d+(?:\.\d+)*)(.*)", re.ASCII | re.DOTALL | re.IGNORECASE)
_PARTS = re.compile(r"\d+|[^\d\W]+", re.ASCII)
_WORDS = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
# What comes before and after everything else in its place.
_FIRST, _LAST = ((0,),), ((3,),)

Key = tuple[Any, ...]


def version_key(text: str) -> Key:
    """Give what versions are sorted by.

    Notes
    -----
    As PEP 440 has it where a version can be read so, as 1.0.0-beta.2 can. Where it cannot, the numbers that it begins
    with decide, and what follows is a pre-release if it begins with a hyphen (as SemVer has it, 1.0.0-nightly.3) and
    something later if not; there, numbers count as numbers. Names without a number in front come after all versions,
    then ``(other)`` and ``(none)``.
    """
    if text in (OTHER, MISSING):
        return (2, text == MISSING, text)
    read = _read(text)
    return (1, _natural(text), text) if read is None else (0, *read, text)


def version_order(names: Iterable[str]) -> list[str]:
    """Sort the names of versions."""
    return sorted(names, key=version_key)


def is_version(text: str) -> bool:
    """Whether a name has a place among versions."""
    return bool(version_key(text)[0] == 0)


def is_prerelease(text: str) -> bool:
    """Whether a version is one that comes before a release, such as a nightly build."""
    key = version_key(text)
    return bool(key[0] == 0 and (key[3] != _LAST or key[5] != _LAST))


def _read(text: str) -> Key | None:
    """Epoch, release, pre-release, post-release, development and local parts of a version."""
    try:
        version = Version(text)
    except (InvalidVersion, ValueError):  # ValueError: more digits than Python reads
        return _read_numbered(text)
    pre: Key = _LAST if version.pre is None else _natural(f"{version.pre[0]}{version.pre[1]}")
    if version.pre is None and version.post is None and version.dev is not None:
        pre = _FIRST
    post: Key = _FIRST if version.post is None else _natural(str(version.post))
    dev: Key = _LAST if version.dev is None else _natural(str(version.dev))
    local: Key = _FIRST if version.local is None else _local(version.local)
    return (_natural(str(version.epoch)), _release([str(part) for part in version.release]), pre, post, dev, local)


def _read_numbered(text: str) -> Key | None:
    match = _NUMBERED.fullmatch(text)
    if match is None:
        return None
    rest = match[2].strip()
    pre, later = (_natural(rest[1:]), _FIRST) if rest.startswith("-") else (_LAST, _natural(rest) if rest else _FIRST)
    return (_natural("0"), _release(match[1].split(".")), pre, _FIRST, _LAST, later)


def _local(text: str) -> Key:
    """The parts of a local version, where a number comes after a word."""
    return tuple((1, *part) if part[0] == 1 else (0, *part) for part in _natural(text))


def _release(parts: list[str]) -> Key:
    """The numbers of a release; 1.0 is 1.0.0."""
    numbers = [part.lstrip("0") for part in parts]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple((len(number), number) for number in numbers)


def _natural(text: str) -> Key:
    """Words and numbers in turn; a number comes before a word, and is as large as it is long, however long."""
    parts: list[Key] = []
    for part in _PARTS.findall(text.casefold()):
        digits = part.lstrip("0")
        parts.append((1, len(digits), digits) if part[0].isdigit() else (2, _WORDS.get(part, part)))
    return tuple(parts)
