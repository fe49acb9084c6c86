"""Values out of records: fields by name, nested fields by dots, templates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from loaders.schema.ids import MISSING_WORDS

Record = Mapping[str, Any]
Getter = Callable[[Record], Any]
PART = re.compile(r"\{([^{}]+)\}")


def getter(path: str) -> Getter:
    """Compile a path to a function that gives the value in a record, or None where there is none.

    A field whose name is the whole path goes before nested ones: a CSV column may be called `product.id`. A number
    takes an element of a list, from 0.
    """
    if PART.search(path):
        return _template(path)
    steps = path.split(".")
    if len(steps) == 1:
        return lambda record: record.get(path)

    def nested(record: Record) -> Any:
        found = record.get(path)
        return _walk(record, steps) if found is None else found

    return nested


def first_of(paths: tuple[str, ...]) -> Getter:
    """Compile alternatives: the value of the first path that has one."""
    getters = [getter(path) for path in paths]
    if len(getters) == 1:
        return getters[0]

    def first(record: Record) -> Any:
        for get in getters:
            if not is_missing(value := get(record)):
                return value
        return None

    return first


def roots(path: str) -> list[str]:
    """Give the names of the fields that a path begins with."""
    return [part.split(".")[0] for part in PART.findall(path) or [path]]


def is_missing(value: object) -> bool:
    """Whether a value says nothing: null, blank, a word for it (`null`, `nan`, …) or not a number."""
    if isinstance(value, str):
        return not (word := value.strip()) or word.lower() in MISSING_WORDS
    return value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124 (NaN differs from itself)


def _walk(value: Any, steps: list[str]) -> Any:
    for step in steps:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _template(text: str) -> Getter:
    parts = [(name, getter(name)) for name in PART.findall(text)]

    def filled(record: Record) -> str | None:
        found = {name: get(record) for name, get in parts}
        if any(is_missing(value) for value in found.values()):
            return None
        return PART.sub(lambda part: _plain(found[part[1]]), text)

    return filled


def _plain(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
