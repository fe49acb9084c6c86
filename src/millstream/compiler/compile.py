"""From a definition to nodes: the same call at deploy and whenever a worker starts. It asks no database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from millstream.compiler.algebra.operators import Relation
from millstream.compiler.binder.model import bind_model
from millstream.compiler.binder.scope import Catalog, Context, SqlFunction, ViewText
from millstream.compiler.incremental.cut import cut_into_nodes
from millstream.compiler.incremental.node import Node
from millstream.compiler.syntax.from_items import DEFAULT_SCHEMA
from millstream.compiler.syntax.structs import Composites

Meaning = Relation | ViewText | SqlFunction  # what a name stands for


@dataclass(frozen=True)
class Compiled:
    """A model's nodes, the last one being the model; what the names in it meant, by `schema.name`; its structs' types."""

    nodes: tuple[Node, ...]
    reads: dict[str, Meaning]
    composites: Composites = field(default_factory=dict)


@dataclass
class Noted:
    """A catalogue that notes its answers: one compilation's."""

    catalog: Catalog
    answers: dict[str, Meaning] = field(default_factory=dict)

    def relation(self, schema: str | None, name: str) -> Relation | ViewText | None:
        """Return what a name in FROM stands for."""
        found = self.catalog.relation(schema, name)
        if found is not None:
            self.answers[f"{schema or DEFAULT_SCHEMA}.{name}"] = found
        return found

    def sql_function(self, schema: str | None, name: str) -> SqlFunction | None:
        """Return the SQL function of a name."""
        found = self.catalog.sql_function(schema, name)
        if found is not None:
            self.answers[f"{schema or DEFAULT_SCHEMA}.{name}"] = found
        return found

    def is_python(self, schema: str | None, name: str) -> bool:
        """Tell whether a function is a registered Python function."""
        return self.catalog.is_python(schema, name)

    def known(self) -> Iterable[tuple[str, str]]:
        """Return (schema, name) of everything that FROM could name."""
        return self.catalog.known()


def compile_view(catalog: Catalog, state: str, sql: str, path: str | None) -> Compiled:
    """Compile a SELECT, whose names mean what `catalog` says; `state` is the name of the version."""
    noted = Noted(catalog)
    context = Context(noted, path=path, model=state)
    plan, outputs = bind_model(sql, context)
    nodes = cut_into_nodes(state, plan, outputs, context.names, path)
    return Compiled(nodes, noted.answers, context.composites)


def fingerprint(sql: str, reads: Mapping[str, Mapping[str, str | None]]) -> str:
    """Identify a definition together with everything it reads, as that is kept."""
    text = " ".join(sql.split()) + repr(sorted((k, sorted(v.items(), key=str)) for k, v in reads.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
