"""What the embedded engine's catalogue says is deployed, as definitions that can be deployed again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlglot import exp

from millstream.compiler.binder.scope import SqlFunction
from millstream.compiler.syntax.parse import parse
from millstream.compiler.syntax.reads import relations
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.json_form import describe_function, write_definition
from millstream.engine.catalog.records import PythonFunction, Sink, StoredView
from millstream.rollout.project.definition import Definition

QUERIES = ("view", "materialized_view")


def definitions(catalogue: Catalogue) -> list[Definition]:
    """Everything deployed. What views read is left out, because that takes reading them: `with_reads` adds it."""
    found = []
    for each in catalogue.relations.values():
        state = catalogue.states.get(each.state or "")
        text, reads, options = write_definition(each.definition), tuple[str, ...](), {}
        if each.kind in QUERIES:
            options = {
                "indexes": [list(index) for index in state.indexes] if isinstance(state, StoredView) else []
            }
        elif isinstance(each.definition, Sink):
            text = each.definition.ddl
            ends = (catalogue.states[each.definition.target], state)
            reads = tuple(f"{end.schema}.{end.relation}" for end in ends if end is not None)
        elif isinstance(each.definition, PythonFunction | SqlFunction):
            options = describe_function(each.definition)
        found.append(Definition(each.schema, each.name, each.kind, text, each.path, reads, options))
    return found


def with_reads(found: Iterable[Definition]) -> list[Definition]:
    """The same definitions, each with the keys of those among them that it reads."""
    listed = list(found)
    known = {each.key for each in listed}
    return [replace(each, reads=tuple(sorted(reads(each) & known - {each.key}))) for each in listed]


def reads(each: Definition) -> set[str]:
    """The keys of what a definition reads or calls, deployed or not."""
    if each.kind not in QUERIES:
        return set(each.reads)
    tree = parse(each.text, each.path)
    called = {f"public.{call.name}" for call in tree.find_all(exp.Anonymous)}
    return called | {f"{schema}.{name}" for schema, name in relations(tree)}
