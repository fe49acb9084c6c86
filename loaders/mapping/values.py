"""Values as columns hold them: more lenient than the canonical formats, because files of others are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from decimal import Decimal
from typing import Any

from loaders.mapping.aliases import event_of
from loaders.mapping.model import LEAVE_OUT, REJECT, ColumnMapping, RowRule
from loaders.mapping.paths import Getter, Record, first_of, is_missing
from loaders.mapping.times import time_reader
from loaders.reading.parse import READERS, BadField
from loaders.reading.text import KEPT, damage, shown
from loaders.schema.ids import IDS, is_no_id

Reader = Callable[[str, object], Any]
TRUE, FALSE = {"yes", "y", "t", "on"}, {"no", "n", "f", "off"}


class LeftOut(Exception):
    """A record that is none of the relation's; the text says what it is instead."""


def column_reader(rule: RowRule, name: str, local: tzinfo) -> Callable[[Record], Any]:
    """Compile a column of a rule to a function that gives its value for a record, or None.

    The function raises ValueError with the reason for a value that the column cannot hold, and LeftOut for one that
    the mapping leaves out.
    """
    column = rule.columns[name]
    kind = rule.relation.columns.get(name, "text")
    read: Reader = time_reader(column.time, local) if kind == "timestamptz" else _READERS[kind]
    get = _translated(name, column) if column.values or column.known_events else _taken(column)
    names_somebody = name in (*IDS, "item_id")

    def value_of(record: Record) -> Any:
        value = get(record)
        if is_missing(value):
            return None
        if names_somebody and is_no_id(name, str(value)):
            return None
        return read(name, value)

    return value_of


def _taken(column: ColumnMapping) -> Getter:
    if not column.paths:
        return lambda record: column.constant
    get = first_of(column.paths)
    if column.split is None:
        return get
    sign, number = column.split, column.part - 1

    def part(record: Record) -> Any:
        value = get(record)
        if not isinstance(value, str):
            return value
        parts = value.split(sign)
        return parts[number].strip() if number < len(parts) else None

    return part


def _translated(name: str, column: ColumnMapping) -> Getter:
    get, values = _taken(column), column.values

    def translate(record: Record) -> Any:
        value = get(record)
        word = str(value).lower() if isinstance(value, bool) else str(value)
        if word in values:
            return values[word]
        if column.known_events and value is not None:
            return event_of(word) or value
        if column.others == LEAVE_OUT:
            raise LeftOut(f"{name} {'missing' if value is None else word[:KEPT]}")
        if column.others == REJECT and value is not None:
            raise BadField(name, f"{name} must be one of {', '.join(values)}, not {shown(word)}")
        return value

    return translate


def _text(name: str, value: object) -> str:
    if isinstance(value, float | Decimal):  # ids that passed through a table of numbers with gaps
        value = str(int(value)) if value % 1 == 0 else str(value)
    text = value if isinstance(value, str) else str(READERS["text"](name, value))
    if reason := damage(text):
        raise BadField(name, reason)
    return text.strip() if name in (*IDS, "item_id") else text


def _integer(name: str, value: object) -> Any:
    if isinstance(value, str) and value.strip().removeprefix("-").replace(".", "", 1).isdecimal():
        value = float(value)
    return READERS["int4"](name, float(value) if isinstance(value, Decimal) else value)


def _number(name: str, value: object) -> Any:
    return READERS["float8"](name, float(value) if isinstance(value, Decimal) else value)


def _boolean(name: str, value: object) -> Any:
    word = str(value).strip().lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    return READERS["bool"](name, value if isinstance(value, bool) else word.removesuffix(".0"))


def _json(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadField(name, f"{name} must be a JSON object, not {shown(value)}")
    return value


_READERS: dict[str, Reader] = {
    "text": _text, "int4": _integer, "float8": _number, "bool": _boolean, "jsonb": _json,
}  # fmt: skip
