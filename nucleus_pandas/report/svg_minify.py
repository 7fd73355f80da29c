"""The same picture in fewer characters: a page with a dozen of them must still fit into a mail."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from xml.etree.ElementTree import Element

_STEP = re.compile(r"([A-Za-z])([^A-Za-z]*)")
_TAG = re.compile(r"<[^<>]+>")
_STYLE = re.compile(r' style="([\w\s:;.,#()%-]+)"')


def flattened(element: Element, namespace: str) -> None:
    """Take away groups that say nothing, and styles that say again what is said where they point."""
    children: list[Element] = []
    for child in element:
        flattened(child, namespace)
        tag = child.tag.removeprefix(namespace)
        if tag == "g" and not child.attrib:
            children.extend(child)
        elif tag not in ("g", "defs") or len(child):
            children.append(child)
    element[:] = children


def styles_of_uses(root: Element, namespace: str, href: str) -> None:
    """Where all that point at a shape have one style, leave it to the shape."""
    shapes = {f"#{one.get('id')}": one for one in root.iter(f"{namespace}path") if one.get("id")}
    uses: dict[str, list[Element]] = {}
    for one in root.iter(f"{namespace}use"):
        uses.setdefault(one.attrib[href], []).append(one)
    for target, pointing in uses.items():
        looks = {one.get("style", "") for one in pointing}
        if target in shapes and len(looks) == 1:
            shapes[target].set("style", ";".join(filter(None, [*looks, shapes[target].get("style")])))
            for one in pointing:
                one.attrib.pop("style", None)


def shorter_path(path: str, digits: int) -> str:
    """Write a path of straight lines in steps from point to point; others as they are, without spaces."""
    parts = [(command, [float(number) for number in numbers.split()]) for command, numbers in _STEP.findall(path)]
    if any(len(numbers) != {"M": 2, "L": 2, "z": 0}.get(command) for command, numbers in parts):
        return re.sub(r"\s*([A-Za-z])\s*", r"\1", path).strip()
    made, last = [], ""
    here = start = (0, 0)
    for command, numbers in parts:
        there = start if command == "z" else (round(numbers[0] * 10**digits), round(numbers[1] * 10**digits))
        across, down = there[0] - here[0], there[1] - here[1]
        if command == "L" and not (across or down) and last != "M":
            continue
        if command == "L":
            command = "l" if across and down else "h" if across else "v"
        shown = {"M": there, "l": (across, down), "h": (across,), "v": (down,), "z": ()}[command]
        made.append(
            _joined("" if command == last and command in "lhv" else command, [_written(one, digits) for one in shown])
        )
        start = there if command == "M" else start
        here, last = there, command
    return "".join(made)


def _joined(command: str, numbers: list[str]) -> str:
    """A minus sign, or the command, tells where a number begins; a space where there is neither."""
    text = command
    for number in numbers:
        text += number if number.startswith("-") or text == command != "" else f" {number}"
    return text


def _written(number: int, digits: int) -> str:
    return re.sub(r"^(-?)0\.", r"\1.", f"{number / 10**digits:.{digits}f}".rstrip("0").rstrip("."))


def shared_styles(pictures: Sequence[str]) -> tuple[str, list[str]]:
    """Give the styles that occur more than once as rules, and the pictures with classes in their place."""
    counts = Counter(style for picture in pictures for tag in _TAG.findall(picture) for style in _STYLE.findall(tag))
    names = {style: f"x{number}" for number, style in enumerate(_repeated(counts))}

    def named(found: re.Match[str]) -> str:
        return f' class="{names[found[1]]}"' if found[1] in names else found[0]

    # In tags only: the same words may be text.
    made = [_TAG.sub(lambda tag: _STYLE.sub(named, tag[0]), picture) for picture in pictures]
    return "".join(f".{name}{{{style}}}\n" for style, name in names.items()), made


def _repeated(counts: Counter[str]) -> Iterable[str]:
    return (style for style, count in counts.items() if count > 1)
