"""Options of `load` and `replay` for files of any columns, and such a file, opened."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import Any

import click

from loaders.commands.options import Command, options
from loaders.formats.registry import ANY_FILE, understood_file
from loaders.loading.tables import TABLES
from loaders.mapping.arguments import MapOptions
from loaders.mapping.mapped_log import MappedLog
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


def open_mapped(source_format: str, path: Path | None, columns: MapOptions) -> MappedLog:
    """Open a file for the relation that the format names, `events` unless it is a table's."""
    relation = TABLES.get(source_format, EVENTS)
    understood = understood_file(source_format, path, columns, relation)
    source = MappedLog(path, understood.mapping)
    source.understood = understood
    return source
