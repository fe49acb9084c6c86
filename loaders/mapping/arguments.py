"""Mappings of command line options, and of what a file's own names say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from loaders.mapping.aliases import paths_of, plain, recognised
from loaders.mapping.document import check_column, load_mapping
from loaders.mapping.model import LEAVE_OUT, ColumnMapping, Layout, Mapping, RowRule
from loaders.mapping.open_records import open_records
from loaders.mapping.paths import roots
from loaders.mapping.records import Record, sample
from loaders.schema.errors import LoaderError
from loaders.schema.relations import EVENTS, ITEMS, SourceRelation

SAMPLE = 1_000
ITEM_FACTS = ("name", "category", "subcategory", "brand", "price")


@dataclass(frozen=True)
class MapOptions:
    """What `--mapping`, `--map`, `--set`, `--value`, `--time`, `--timezone`, `--header` and `--delimiter` say."""

    mapping: str | None = None
    maps: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    time: str | None = None
    timezone: str | None = None
    header: str | None = None
    delimiter: str | None = None

    def __bool__(self) -> bool:
        return self != MapOptions()


@dataclass(frozen=True)
class Understood:
    """A mapping, the first records it is for, which columns their names gave, and which paths no record has."""

    mapping: Mapping
    records: list[Record]
    recognised: dict[str, str]
    unseen: dict[str, str]


def understand(
    path: Path, relation: SourceRelation, options: MapOptions, kind: str | None = None
) -> Understood:
    """Make the mapping that is meant for a file: the options', and without `--mapping` the file's own names besides.

    `kind` is that of the file where it is said.
    Raises LoaderError for options that name no column, and for a file that cannot be read.
    """
    place = options.mapping or "--map"
    if options.mapping:
        mapping = load_mapping(options.mapping, relation)
        if not mapping.rules_for(relation):
            raise LoaderError(
                f"{options.mapping}: it has no rule for {relation.name}; write one under that name"
            )
    else:
        mapping = Mapping(
            name="file" if relation == EVENTS else relation.name, rules=(RowRule(relation, {}),)
        )
    layout = _layout(replace(mapping.layout, kind=kind or mapping.layout.kind), options)
    mapping = replace(mapping, layout=layout, timezone=options.timezone or mapping.timezone)
    given = _columns(options, relation, place)
    records, paths = _looked_at(path, mapping.layout) if path.is_file() else ([], [])
    known: dict[str, str] = {}
    if not options.mapping:
        taken = [path for column in given.values() for path in column.paths]
        found = recognised(relation, paths, taken)
        known = {name: path for name, path in found.items() if name not in given}
        if "session_id" in known and not ({*given, *known} & {"user_id", "anonymous_id"}):
            known["anonymous_id"] = known[
                "session_id"
            ]  # who is known by nothing else is a visitor of one session
        given = {name: _column(name, (path,), options) for name, path in known.items()} | given
    rules = [rule.with_columns(given) if rule.relation == relation else rule for rule in mapping.rules]
    if relation == EVENTS and not any(rule.relation == ITEMS for rule in rules):
        rules += [
            items_rule(rule, [] if options.mapping else paths) for rule in rules if rule.relation == EVENTS
        ]
    mapping = replace(mapping, rules=tuple(rules))
    unseen = {} if mapping.layout.shape else _unseen(given, paths)
    return Understood(mapping, records, known, unseen)


def _looked_at(path: Path, layout: Layout) -> tuple[list[Record], list[str]]:
    file = open_records(path, layout)
    records = sample(file, SAMPLE)
    nested = paths_of(records)
    begun = {path.split(".")[0] for path in nested}
    return records, nested + [name for name in file.fields or () if name not in begun and name not in nested]


def items_rule(rule: RowRule, paths: list[str]) -> RowRule:
    """Give the rule by which the events of a rule name items, with the facts that the fields at `paths` hold."""
    facts = {
        name: ColumnMapping((path,))
        for name, path in recognised(ITEMS, paths).items()
        if name in ITEM_FACTS and plain(path) != "name"
    }
    item = {"item_id": rule.columns["item_id"]} if "item_id" in rule.columns else {}
    return replace(rule, relation=ITEMS, columns=facts | item if item else {}, empty=LEAVE_OUT)


def _columns(options: MapOptions, relation: SourceRelation, place: str) -> dict[str, ColumnMapping]:
    paths: dict[str, tuple[str, ...]] = {}
    constants: dict[str, str] = {}
    for name, text in _pairs(options.maps, "--map user_id=userId"):
        check_column(name, relation, place)
        if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
            constants[name] = text[1:-1]
        else:
            paths[name] = (*paths.get(name, ()), text)
    for name, text in _pairs(options.constants, "--set event_type=view_item"):
        check_column(name, relation, "--set")
        constants[name] = text
    for text in options.values:
        name = text.partition(":")[0]
        check_column(name, relation, "--value")
        paths.setdefault(name, (name,))
    columns = {name: _column(name, found, options) for name, found in paths.items()}
    return columns | {name: ColumnMapping(constant=value) for name, value in constants.items()}


def _column(name: str, paths: tuple[str, ...], options: MapOptions) -> ColumnMapping:
    values: dict[str, object] = {}
    for text in options.values:
        column, sign, rest = text.partition(":")
        word, equals, value = rest.rpartition("=")
        if not (sign and equals and word and value):
            raise LoaderError(
                f"--value {text}: write column, word and value: --value event_type:pageview=view_item"
            )
        if column == name:
            values[word] = value
    column_time = options.time if name == "occurred_at" and options.time else "auto"
    return ColumnMapping(paths, values=values, known_events=name == "event_type", time=column_time)


def _pairs(texts: Iterable[str], example: str) -> Iterable[tuple[str, str]]:
    for text in texts:
        name, sign, value = text.partition("=")
        if not (sign and name and value):
            raise LoaderError(f"{text!r} is no column with a value; write {example}")
        yield name.strip(), value.strip()


def _layout(layout: Layout, options: MapOptions) -> Layout:
    if options.header:
        layout = replace(layout, header=tuple(name.strip() for name in options.header.split(",")))
    if options.delimiter:
        layout = replace(layout, delimiter=options.delimiter.replace("\\t", "\t"))
    if layout.delimiter is not None and len(layout.delimiter) != 1:
        raise LoaderError(f"--delimiter must be one character (\\t for a tab), not {layout.delimiter!r}")
    return layout


def _unseen(columns: dict[str, ColumnMapping], paths: list[str]) -> dict[str, str]:
    """Give by column the paths of which no record has the first part, if none of the column's alternatives is there."""
    begun = {path.split(".")[0] for path in paths} | set(paths)
    return {
        name: " or ".join(column.paths)
        for name, column in columns.items()
        if column.paths
        and paths
        and not any(root in begun for path in column.paths for root in (path, *roots(path)))
    }
