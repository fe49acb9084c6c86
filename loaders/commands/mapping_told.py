"""What is said of a file of any columns: how it would be loaded, what was recognised, and what nobody will see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from loaders.commands.mapping_options import open_mapped
from loaders.formats.registry import ANY_FILE, open_source
from loaders.loading.load import Loaded
from loaders.loading.tables import TABLES
from loaders.mapping.arguments import MapOptions
from loaders.mapping.mapped_log import MappedLog
from loaders.mapping.preview import missing, preview
from loaders.reading.event_log import EventLog
from loaders.schema.errors import LoaderError
from loaders.schema.relations import EVENTS


def show_guess(source_format: str, path: Path | None, columns: MapOptions) -> None:
    """Print how a file would be loaded. Raises LoaderError for a format whose columns are fixed."""
    relation = TABLES.get(source_format, EVENTS)
    source: EventLog = (
        open_mapped(source_format, path, columns)
        if source_format in TABLES
        else open_source(source_format, path, columns=columns)
    )
    if not isinstance(source, MappedLog) or source.understood is None:
        raise LoaderError(
            f"the columns of format {source_format} are known; --guess is for the format {ANY_FILE}"
        )
    for line in preview(source, relation, source.understood):
        click.echo(line)


def require_columns(source: EventLog, source_format: str) -> None:
    """Raise LoaderError where a mapping lacks a column without which there is no row; tell what was recognised."""
    if not isinstance(source, MappedLog) or source.understood is None:
        return
    relation = TABLES.get(source_format, EVENTS)
    if lacking := missing(source, relation):
        raise LoaderError(
            f"{source.path}: not all that {relation.name} need was found:\n  "
            + "\n  ".join(lacking)
            + "\n--guess shows the file's fields and what each column would be"
        )


def told(source: EventLog) -> Iterator[str]:
    """Give what to say of a mapped file before it is loaded: the columns that its names gave, the paths it lacks."""
    if not isinstance(source, MappedLog) or source.understood is None:
        return
    understood = source.understood
    if understood.recognised:
        yield "recognised: " + ", ".join(f"{name}={path}" for name, path in understood.recognised.items())
    for name, path in understood.unseen.items():
        yield f"no row of the first {len(understood.records):,} has {path}, named for {name}"


def told_after(source: EventLog) -> Iterator[str]:
    """Give what to say of a mapped file when it is loaded: the records that are no events of it."""
    if isinstance(source, MappedLog) and source.left_out:
        yield f"left out as no events of this mapping: {sum(source.left_out.values()):,}"
        for reason, count in source.left_out.most_common(5):
            yield f"  {count:,} × {reason}"


def misfit(source: EventLog, source_format: str) -> str | None:
    """Say that a file of which nothing was loaded may be of another format: where all of it was left out, and it names
    no item or person either.
    """
    if not isinstance(source, MappedLog) or not source.left_out:
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
