"""What reads a name that is deployed."""

from __future__ import annotations

from millstream.compiler.syntax.parse import parse
from millstream.compiler.syntax.reads import relations
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.records import Entry, Sink


def readers_of(catalogue: Catalogue, schema: str, name: str) -> list[Entry]:
    """Return what directly reads a name now: materialized views, sinks and plain views."""
    return [entry for entry in catalogue.relations.values() if reads(catalogue, entry, schema, name)]


def reads(catalogue: Catalogue, entry: Entry, schema: str, name: str) -> bool:
    """Tell whether what is deployed reads a name; a sink has one end in each of two relations."""
    if entry.kind == "view":
        return (schema, name) in relations(parse(entry.text))
    if isinstance(entry.definition, Sink):
        ends = (catalogue.states.get(entry.definition.target), catalogue.states.get(entry.state or ""))
        return any(end is not None and (end.schema, end.relation) == (schema, name) for end in ends)
    view = catalogue.current(entry.schema, entry.name)
    return view is not None and f"{schema}.{name}" in view.reads
