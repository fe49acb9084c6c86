"""Options of `load` and `replay` for files of any columns, and what these commands say of such a file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import click

from loaders.commands.options import Command, options
from loaders.formats.registry import ANY_FILE, open_source, understood_file
from loaders.loading.load import Loaded
from loaders.loading.tables import TABLES
from loaders.mapping.arguments import MapOptions
from loaders.mapping.preview import missing, preview
from loaders.mapping.source import MappedSource
from loaders.reading.source import Source
from loaders.schema.errors import LoaderError
from loaders.schema.relations import EVENTS

_OPTIONS = options(
    click.option(
        "--map", "maps", multiple=True, metavar="COLUMN=FIELD",
        help="Fill a column from a field: user_id=userId, item_id=product.id, session_id={visitor}-{visit}. Given again "
        "for a column: the next field where the first has no value.",
    ),
    click.option(
        "--set", "constants", multiple=True, metavar="COLUMN=VALUE",
        help="Fill a column with one value in every row: event_type=view_item.",
    ),
    click.option(
        "--value", "values", multiple=True, metavar="COLUMN:WORD=VALUE",
        help="Translate a word of a column: event_type:pageview=view_item.",
    ),
    click.option(
        "--mapping", metavar="FILE",
        help="A YAML file with the mapping, or the name of a format that is one.",
    ),
    click.option(
        "--time", "time", metavar="HOW",
        help="How occurred_at is written: seconds, milliseconds, microseconds, nanoseconds, iso, or a format such as "
        "'%d/%m/%Y %H:%M'.  [told by each value]",
    ),
    click.option("--timezone", metavar="ZONE", help="Zone of times that name none, such as Europe/Berlin.  [UTC]"),
    click.option("--header", metavar="NAMES", help="Names of the columns of a file without a header line: a,b,c."),
    click.option("--delimiter", metavar="SIGN", help="What separates the columns; \\t is a tab.  [told by the file]"),
)  # fmt: skip
guess = click.option(
    "--guess",
    is_flag=True,
    help="Load nothing: show how the file is understood, its first rows as they would be loaded, and what is missing.",
)
items_from_events = click.option(
    "--items-from-events/--no-items-from-events",
    default=None,
    help="Make items, called by their ids, of what only events name; no row of items is changed.  [if no item of another source has a name]",
)


def mapped(command: Command) -> Command:
    """Add the options of a mapping; the command gets them together, as `columns`."""

    @wraps(command)
    def gathered(*, maps: Any, constants: Any, values: Any, **others: Any) -> None:
        names = ("mapping", "time", "timezone", "header", "delimiter")
        single = {name: others.pop(name) for name in names}
        command(columns=MapOptions(maps=maps, constants=constants, values=values, **single), **others)

    return _OPTIONS(gathered)


def file_given(source_format: str, path: Path | None) -> tuple[str, Path | None]:
    """Take the path of a file in the place of the format for a file of any columns.

    Raises LoaderError for what looks like a path and is no file.
    """
    given = Path(source_format)
    if path is None and given.is_file():
        return ANY_FILE, given
    if path is None and (given.suffix or given.is_dir() or len(given.parts) > 1):
        problem = "a folder; name its format before it" if given.is_dir() else "no such file; check the path"
        raise LoaderError(f"{given}: {problem}, or see `millstream load --help` for the formats")
    return source_format, path


def open_mapped(source_format: str, path: Path | None, columns: MapOptions) -> MappedSource:
    """Open a file for the relation that the format names, `events` unless it is a table's."""
    relation = TABLES.get(source_format, EVENTS)
    understood = understood_file(source_format, path, columns, relation)
    source = MappedSource(path, understood.mapping)
    source.understood = understood
    return source


def show_guess(source_format: str, path: Path | None, columns: MapOptions) -> None:
    """Print how a file would be loaded. Raises LoaderError for a format whose columns are fixed."""
    relation = TABLES.get(source_format, EVENTS)
    source: Source = (
        open_mapped(source_format, path, columns)
        if source_format in TABLES
        else open_source(source_format, path, columns=columns)
    )
    if not isinstance(source, MappedSource) or source.understood is None:
        raise LoaderError(
            f"the columns of format {source_format} are known; --guess is for the format {ANY_FILE}"
        )
    for line in preview(source, relation, source.understood):
        click.echo(line)


def require_columns(source: Source, source_format: str) -> None:
    """Raise LoaderError where a mapping lacks a column without which there is no row; tell what was recognised."""
    if not isinstance(source, MappedSource) or source.understood is None:
        return
    relation = TABLES.get(source_format, EVENTS)
    if lacking := missing(source, relation):
        raise LoaderError(
            f"{source.path}: not all that {relation.name} need was found:\n  "
            + "\n  ".join(lacking)
            + "\n--guess shows the file's fields and what each column would be"
        )


def told(source: Source) -> Iterator[str]:
    """Give what to say of a mapped file before it is loaded: the columns that its names gave, the paths it lacks."""
    if not isinstance(source, MappedSource) or source.understood is None:
        return
    understood = source.understood
    if understood.recognised:
        yield "recognised: " + ", ".join(f"{name}={path}" for name, path in understood.recognised.items())
    for name, path in understood.unseen.items():
        yield f"no row of the first {len(understood.records):,} has {path}, named for {name}"


def told_after(source: Source) -> Iterator[str]:
    """Give what to say of a mapped file when it is loaded: the records that are no events of it."""
    if isinstance(source, MappedSource) and source.left_out:
        yield f"left out as no events of this mapping: {sum(source.left_out.values()):,}"
        for reason, count in source.left_out.most_common(5):
            yield f"  {count:,} × {reason}"


def misfit(source: Source, source_format: str) -> str | None:
    """Say that a file of which nothing was loaded may be of another format: where all of it was left out, and it names
    no item or person either.
    """
    if not isinstance(source, MappedSource) or not source.left_out:
        return None
    if any(next(iter(rows), None) for rows in (source.identities(), source.users(), source.items())):
        return None
    return (
        f"nothing in {source.path} is what {source_format} reads, so it may be a file of another format: "
        f"`millstream load {source.path} --guess` shows how it is understood by its own names"
    )


def items_told(loaded: Loaded) -> Iterator[str]:
    """Give what to say of items that only events name: that they were made, or are never shown."""
    if loaded.identities:
        yield f"visitors who turned out to be known people: {loaded.identities:,}"
    if loaded.made_items:
        yield (
            f"items made of what these events name: {loaded.made_items:,}; `millstream load items FILE` gives them names "
            "and facts"
        )
    if loaded.sent:
        yield "`millstream rerank` computes every list anew, from all that is there now"
    if loaded.unlisted_items:
        yield (
            f"items of these events without a row in `items`: {loaded.unlisted_items:,}; they are counted but never "
            "shown. Load a catalogue with `millstream load items FILE`, or run again with --items-from-events"
        )
