"""The source formats by name: those with a module of their own, those that are mappings, and files of any kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from loaders.formats.canonical_csv import CanonicalCsv
from loaders.formats.completejourney import CompleteJourney
from loaders.formats.jsonl import JsonLines
from loaders.formats.rees46 import Rees46
from loaders.formats.rsc15 import Rsc15
from loaders.formats.taobao import Taobao
from loaders.formats.uci_eshop import UciEshop
from loaders.mapping.arguments import MapOptions, Understood, understand
from loaders.mapping.document import shipped, summary
from loaders.mapping.mapped_log import MappedLog
from loaders.reading.event_log import EventLog
from loaders.schema.errors import LoaderError
from loaders.schema.relations import EVENTS, SourceRelation

FORMATS: dict[str, type[EventLog]] = {
    source.name: source
    for source in (CompleteJourney, CanonicalCsv, JsonLines, Rees46, Rsc15, Taobao, UciEshop)
}
ANY_FILE = "file"
KINDS = {ANY_FILE: None, CanonicalCsv.name: "csv", JsonLines.name: "jsonl", "parquet": "parquet"}
"""Names under which a file of any columns is read, with its kind; `csv` and `jsonl` so where columns are mapped."""


def summaries() -> dict[str, str]:
    """Give every format with what it reads, in the order in which they are listed."""
    mapped = {name: summary(name) for name in shipped()}
    return {
        ANY_FILE: MappedLog.summary,
        **{name: source.summary for name, source in FORMATS.items()},
        "parquet": "Parquet whose columns are recognised or mapped",
        **mapped,
    }


def open_source(
    name: str,
    path: Path | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
    columns: MapOptions | None = None,
) -> EventLog:
    """Open a source by the name of its format; `columns` maps the columns of a file.

    Raises LoaderError for an unknown name, with the list of known ones, and for a format whose columns are fixed.
    """
    columns = columns or MapOptions()
    if name in FORMATS and not (columns and name in KINDS):
        if columns:
            raise LoaderError(
                f"the columns of format {name} are fixed; with --map or --mapping use the format {ANY_FILE}"
            )
        return FORMATS[name](path, since=since, until=until, limit=limit)
    understood = understood_file(name, path, columns)
    source = MappedLog(path, understood.mapping, since=since, until=until, limit=limit)
    source.understood = understood
    return source


def understood_file(
    name: str, path: Path | None, columns: MapOptions, relation: SourceRelation = EVENTS
) -> Understood:
    """Make the mapping for a file of a format that is one, or of any columns. Raises LoaderError like `open_source`."""
    if name in shipped():
        if columns.mapping:
            raise LoaderError(f"format {name} is a mapping itself; with --mapping use the format {ANY_FILE}")
        columns = replace(columns, mapping=name)
    elif name not in KINDS and relation == EVENTS:
        known = "".join(f"\n  {known:<16} {text}" for known, text in summaries().items())
        raise LoaderError(f"unknown format {name!r}; the formats are:{known}")
    if path is None:
        raise LoaderError(f"format {name} reads a file and none was given: add its path after the format")
    if not path.exists():
        raise LoaderError(f"{path}: no such file (format {name}); check the path")
    return understand(path, relation, columns, KINDS.get(name))
