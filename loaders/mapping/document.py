"""Mappings as YAML documents: those of `loaders/formats` by name, and a user's own by path."""

from __future__ import annotations

from collections.abc import Mapping as Table
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from loaders.mapping.model import KEEP, LEAVE_OUT, REJECT, RELATIONS, ColumnMapping, Layout, Mapping, RowRule
from loaders.mapping.rows import NESTED
from loaders.mapping.shapes import SHAPES
from loaders.schema.errors import LoaderError
from loaders.schema.relations import EVENTS, SourceRelation

FOLDER = Path(__file__).parents[1] / "formats"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TOP = ("summary", "source", "file", "shape", "timezone", "id_made_of", "main_file")
RULE = ("when", "needs", "each", "empty", "from_file", "latest")
COLUMN = ("from", "constant", "values", "others", "time", "split", "part")
FILE = ("kind", "delimiter", "header", "quoted")
FILE_KINDS = ("csv", "jsonl", "parquet")


def shipped() -> list[str]:
    """Give the names of the formats that are mappings."""
    return sorted(path.stem for path in FOLDER.glob("*.yml"))


def summary(name: str) -> str:
    """Give what a shipped format reads; of its document only that line is read."""
    lines = (FOLDER / f"{name}.yml").read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("summary: ") for line in lines if line.startswith("summary: "))


def load_mapping(name: str, relation: SourceRelation = EVENTS) -> Mapping:
    """Read a mapping by the name of a shipped format or the path of a YAML file.

    A document that names no relation is about `relation`. Raises LoaderError with file, place and remedy.
    """
    path = FOLDER / f"{name}.yml" if name in shipped() else Path(name)
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506 (both are safe loaders)
    except FileNotFoundError:
        raise LoaderError(
            f"no mapping {name!r}: it is neither a file nor one of {', '.join(shipped())}"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LoaderError(f"{path}: no YAML file that can be read: {error}") from error
    mapping = read_mapping(document, path.stem, str(path), relation)
    return replace(mapping, prefix=name) if path.parent == FOLDER else mapping


def read_mapping(document: object, name: str, place: str, relation: SourceRelation = EVENTS) -> Mapping:
    """Make a mapping of a document. Raises LoaderError with the place of what is wrong in it."""
    table = _table(document, place)
    if not any(key in RELATIONS for key in table):
        about = {key: value for key, value in table.items() if key not in TOP}
        table = {key: value for key, value in table.items() if key in TOP} | {relation.name: about}
    _known(table, (*TOP, *RELATIONS), place)
    rules = [
        _rule(rule, RELATIONS[key], f"{place}: {key}")
        for key, value in table.items()
        if key in RELATIONS
        for rule in (value if isinstance(value, list) else [value])
    ]
    return Mapping(
        name=name,
        rules=tuple(rules),
        summary=str(table.get("summary", "")),
        layout=_layout(table, place),
        timezone=str(table.get("timezone", "UTC")),
        made_of=_texts(table.get("id_made_of", []), f"{place}: id_made_of"),
        main_file=table.get("main_file"),
    )


def _layout(table: dict[str, Any], place: str) -> Layout:
    file = _table(table.get("file", {}), f"{place}: file")
    _known(file, FILE, f"{place}: file")
    kind, shape = file.get("kind"), table.get("shape")
    if kind not in {None, *FILE_KINDS}:
        raise LoaderError(f"{place}: file: kind must be one of {', '.join(FILE_KINDS)}, not {kind!r}")
    if shape not in {None, *SHAPES}:
        raise LoaderError(f"{place}: shape must be one of {', '.join(SHAPES)}, not {shape!r}")
    return Layout(
        kind=kind,
        delimiter=file.get("delimiter"),
        header=_texts(file.get("header", []), f"{place}: file: header"),
        quoted=bool(file.get("quoted", True)),
        shape=shape,
    )


def _rule(value: object, relation: SourceRelation, place: str) -> RowRule:
    table = _table(value, place)
    own = {key: table[key] for key in RULE if key in table}
    columns = {key: column for key, column in table.items() if key not in RULE}
    return RowRule(
        relation=relation,
        columns={name: read_column(name, value, relation, place) for name, value in columns.items()},
        when={
            str(path): _texts(words if isinstance(words, list) else [words], f"{place}: when")
            for path, words in _table(own.get("when", {}), f"{place}: when").items()
        },
        needs=_texts(own.get("needs", []), f"{place}: needs"),
        each=_each(own.get("each"), f"{place}: each"),
        empty=_choice(own.get("empty", KEEP), (KEEP, LEAVE_OUT), f"{place}: empty"),
        file=own.get("from_file"),
        latest=own.get("latest"),
    )


def read_column(name: str, value: object, relation: SourceRelation, place: str) -> ColumnMapping:
    """Make a column of a path, a list of paths, a table of words, or a table with `from`, `values`, `time` and so on."""
    check_column(name, relation, place)
    place = f"{place}: {name}"
    if isinstance(value, str | int | list):
        return ColumnMapping(_texts(value if isinstance(value, list) else [value], place))
    table = _table(value, place)
    if not any(key in table for key in COLUMN):
        table = {"from": name, "values": table}
    _known(table, COLUMN, place)
    if "constant" in table and len(table) > 1:
        raise LoaderError(f"{place}: a constant stands alone; leave the other keys out")
    paths = [] if "constant" in table else table.get("from", name)
    part = table.get("part", 1)
    if not isinstance(part, int) or part < 1:
        raise LoaderError(f"{place}: part must be a number from 1, not {part!r}")
    return ColumnMapping(
        paths=_texts(paths if isinstance(paths, list) else [paths], place),
        constant=table.get("constant"),
        values={_word(key): word for key, word in _table(table.get("values", {}), place).items()},
        others=_choice(table.get("others", KEEP), (KEEP, LEAVE_OUT, REJECT), f"{place}: others"),
        time=str(table.get("time", "auto")),
        split=table.get("split"),
        part=part,
    )


def check_column(name: str, relation: SourceRelation, place: str) -> None:
    """Raise LoaderError for a name that is no column of the relation."""
    nested = name.startswith(NESTED) and "attributes" in relation.columns
    if name not in relation.columns and not nested:
        raise LoaderError(
            f"{place}: {relation.name} has no column {name!r}; it has {', '.join(relation.columns)}"
        )


def _each(value: object, place: str) -> tuple[str, str] | None:
    if value is None:
        return None
    pairs = list(value.items()) if isinstance(value, Table) else []
    if len(pairs) != 1:
        raise LoaderError(f"{place}: name the element and its list, such as {{item: items}}")
    return str(pairs[0][0]), str(pairs[0][1])


def _choice(value: object, choices: tuple[str, ...], place: str) -> str:
    if value not in choices:
        raise LoaderError(f"{place} must be one of {', '.join(choices)}, not {value!r}")
    return str(value)


def _texts(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or any(isinstance(one, dict | list) or one is None for one in value):
        raise LoaderError(f"{place}: names are expected, not {value!r}")
    return tuple(_word(one) for one in value)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _table(value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, Table):
        raise LoaderError(f"{place}: a table of names and values is expected, not {value!r}")
    return {_word(key): one for key, one in value.items()}


def _known(table: dict[str, Any], known: tuple[str, ...], place: str) -> None:
    for key in table:
        if key not in known:
            raise LoaderError(f"{place}: unknown key {key!r}; known are {', '.join(known)}")
