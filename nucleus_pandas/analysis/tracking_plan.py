"""A tracking plan: the events that an app sends and their properties, read from TOML and validated."""

from __future__ import annotations

import json
import math
import numbers
import os
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nucleus_pandas.core.text import near_names, shown

#: What a plan can ask of a value; the names are those of JSON.
TYPES = ("string", "number", "integer", "boolean", "any")

_PLAN_KEYS = ("events", "allow_other_events", "allow_other_properties")
_EVENT_KEYS = ("required", "optional", "at_least", "allow_other_properties")


@dataclass(frozen=True)
class PropertyPlan:
    """What a property of an event holds.

    Attributes
    ----------
    required : bool
        Whether every event must have it.
    type : str
        One of `TYPES`; "any" where `values` determines it.
    values : tuple
        The only values allowed; empty for any of the type.
    """

    required: bool
    type: str
    values: tuple[str | bool | int | float, ...] = ()

    @property
    def expected(self) -> str:
        """The type, or the allowed values as JSON."""
        return " or ".join(json.dumps(value, ensure_ascii=False) for value in self.values) or self.type

    def accepts_type(self, found: str) -> bool:
        """Whether a value of a type, as `type_of` names it, can be right."""
        if self.values:
            return _family(found) in {_family(type_of(value)) for value in self.values}
        return self.type in ("any", found) or (self.type == "number" and found == "integer")

    def accepts(self, value: Any, found: str) -> bool:
        """Whether a value, whose type can be right, is allowed."""
        # True and 1 are equal, and not the same.
        return not self.values or any(value == one and _family(found) == _family(type_of(one)) for one in self.values)


@dataclass(frozen=True)
class EventPlan:
    """What is planned for an event: its properties, how often it must arrive, and whether it can have others."""

    properties: dict[str, PropertyPlan]
    at_least: int
    allow_other_properties: bool


@dataclass(frozen=True)
class TrackingPlan:
    """The events of a plan by name, in its order, and whether there can be others."""

    events: dict[str, EventPlan]
    allow_other_events: bool


def type_of(value: Any) -> str | None:
    """Name the type of a value as JSON does, "integer" also for 3.0; None where it is missing."""
    if isinstance(value, str):
        return "string" if value else None
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, list | tuple | set | np.ndarray):
        return "array"
    if value is None or pd.isna(value):
        return None
    if isinstance(value, bool | np.bool_):
        return "boolean"
    if isinstance(value, numbers.Real | Decimal):
        return "integer" if math.isfinite(value) and value == math.floor(value) else "number"
    return type(value).__name__.lower()


def is_of_service(event: str) -> bool:
    """Whether a name is one of those that the service reserves."""
    return event in ("init", "error") or event.startswith(("nucleus:", "error:"))


def closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Give the name that is most like another one, whatever the case of its letters; None if none is like it."""
    near = near_names(name, known, cutoff=cutoff)
    return near[0] if near else None


def read_plan(plan: Mapping[str, Any] | str | os.PathLike[str]) -> TrackingPlan:
    """Read a plan from a TOML file, or from a mapping of the same form.

    Raises
    ------
    ValueError
        For a plan that cannot be; the message says where.
    TypeError
        For anything but a path or a mapping.
    OSError
        When the file cannot be read.
    """
    if isinstance(plan, Mapping):
        return _plan(plan, "plan")
    if isinstance(plan, str | os.PathLike) and os.fspath(plan):
        path = Path(plan)
        return _plan(_toml(path), str(path))
    raise TypeError(
        f"plan is of type {type(plan).__name__}; pass the path of a TOML file, or a dict such as "
        '{"events": {"EXPORT_PDF": {"required": {"pages": "integer"}}}}.'
    )


def _toml(path: Path) -> dict[str, Any]:
    """Read a file as editors write it: Windows may put a byte order mark in front."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError:
        problem = "is not UTF-8. Save it as UTF-8"
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        problem = f"is not TOML: {error}"
    raise ValueError(f"{path} {problem}.")


def _plan(table: Mapping[str, Any], where: str) -> TrackingPlan:
    _check_keys(table, _PLAN_KEYS, where, lambda key, _: f"Events are tables such as [events.{_key(key)}].")
    events = table.get("events", {})
    if not isinstance(events, Mapping) or not events:
        raise ValueError(f"{where}: there are no events. Write a table for each, such as [events.EXPORT_PDF].")
    others = _flag(table, "allow_other_properties", where)
    planned = {name: _event(name, content, others, where) for name, content in events.items()}
    return TrackingPlan(planned, bool(_flag(table, "allow_other_events", where)))


def _event(name: Any, content: Any, others: bool | None, where: str) -> EventPlan:
    _check_name(name, f"{where}: the name of an event")
    where = f"{where}: event {shown(name)}"
    if not isinstance(content, Mapping):
        raise ValueError(f"{where}: write a table, which can be empty: [events.{_key(name)}].")
    _check_keys(content, _EVENT_KEYS, where, lambda key, value: _misplaced(name, key, value))
    properties: dict[str, PropertyPlan] = {}
    for group in ("required", "optional"):
        found = content.get(group, {})
        if not isinstance(found, Mapping):
            raise ValueError(f'{where}: {group} takes properties with their types, such as {group}.pages = "integer".')
        for key, wanted in found.items():
            _check_name(key, f"{where}: the name of a property")
            if key in properties:
                raise ValueError(f"{where}: the property {shown(key)} is both required and optional. Keep one of them.")
            properties[key] = _property(wanted, f"{where}, property {shown(key)}", group)
    own = _flag(content, "allow_other_properties", where)
    # Clients add properties of their own to the events of the service.
    default = is_of_service(name) if others is None else others
    return EventPlan(properties, _at_least(content, where), default if own is None else own)


def _misplaced(event: str, key: str, value: Any) -> str:
    """Say how to write what was meant by a key that no event has."""
    if isinstance(value, Mapping):
        return f'If the event is named {shown(f"{event}.{key}")}, put the name in quotes: [events."{event}.{key}"].'
    return f'If it is a property, write required.{_key(key)} = "string" or optional.{_key(key)} = "string".'


def _property(wanted: Any, where: str, group: str) -> PropertyPlan:
    if isinstance(wanted, list | tuple):
        return PropertyPlan(group == "required", "any", _values(wanted, where))
    if not isinstance(wanted, str):
        dotted = f' A name with a dot must be in quotes: {group}."page.size" = "string".'
        raise ValueError(
            f'{where}: write a type ({_listed(TYPES)}) or a list of allowed values, such as ["a4", "letter"].'
            f"{dotted if isinstance(wanted, Mapping) else ''}"
        )
    if wanted not in TYPES:
        raise ValueError(f"{where}: unknown type {shown(wanted)}.{_hint(wanted, TYPES)} Types are {_listed(TYPES)}.")
    return PropertyPlan(group == "required", wanted)


def _values(given: Collection[Any], where: str) -> tuple[Any, ...]:
    if not given:
        raise ValueError(f'{where}: the list of allowed values is empty. Use "any" to allow all.')
    for value in given:
        if value == "":
            raise ValueError(f"{where}: the empty text counts as missing. Make the property optional instead.")
        if type_of(value) not in ("string", "number", "integer", "boolean") or value in (math.inf, -math.inf):
            raise ValueError(f"{where}: allowed values are strings, numbers or booleans, not {_kind(value)}.")
    spelled = [(_family(type_of(value)), value) for value in given]
    if len(set(spelled)) < len(spelled):
        raise ValueError(f"{where}: the list of allowed values holds a value twice.")
    return tuple(given)


def _at_least(content: Mapping[str, Any], where: str) -> int:
    number = content.get("at_least", 1)
    if type(number) is not int or number < 0:
        raise ValueError(
            f"{where}: at_least is how often the event must arrive: a whole number from 0 up, not {_kind(number)}."
        )
    return number


def _flag(table: Mapping[str, Any], key: str, where: str) -> bool | None:
    value = table.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise ValueError(f"{where}: {key} must be true or false, not {_kind(value)}.")


def _check_keys(
    table: Mapping[str, Any], known: Collection[str], where: str, advice: Callable[[str, Any], str]
) -> None:
    for key, value in table.items():
        if key not in known:
            hint = _hint(str(key), known) or f" {advice(str(key), value)}"
            raise ValueError(f"{where}: unknown key {shown(key)}.{hint} Keys are {_listed(known)}.")


def _check_name(name: Any, what: str) -> None:
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"{what} must be a string that is not empty, not {_kind(name)}.")


def _hint(name: str, known: Collection[str]) -> str:
    near = closest(name, known)
    return f" Did you mean {shown(near)}?" if near else ""


def _listed(names: Collection[str]) -> str:
    return ", ".join(names)


def _key(name: str) -> str:
    """A name as a key of TOML."""
    return name if name.isascii() and name.replace("_", "").replace("-", "").isalnum() else json.dumps(name)


def _kind(value: Any) -> str:
    """What a value is, in a message."""
    return f"{value!r:.40}" if isinstance(value, bool | int | float | str) else f"of type {type(value).__name__}"


def _family(kind: str | None) -> str | None:
    return "number" if kind == "integer" else kind
