"""What reads a name that is deployed."""

from __future__ import annotations

import json

from millstream.compiler.syntax.parse import parse
from millstream.compiler.syntax.reads import relations
from millstream.engine.catalog import store
from millstream.engine.catalog.store import Catalogue


def readers_of(catalogue: Catalogue, schema: str, name: str) -> list[store.Deployed]:
    """Return what directly reads a name now: materialized views, sinks and plain views."""
    key = f"{schema}.{name}"
    found = []
    for deployed in catalogue.relations.values():
        state = catalogue.states.get(deployed.state or "")
        if deployed.kind == "materialized_view" and state is not None and key in state.reads:
            found.append(deployed)
        elif deployed.kind == "sink":
            definition = json.loads(deployed.definition)
            target = catalogue.states.get(definition["target"])
            source = catalogue.states.get(deployed.state or "")
            if any(s is not None and (s.schema, s.relation) == (schema, name) for s in (target, source)):
                found.append(deployed)
        elif deployed.kind == "view" and (schema, name) in relations(parse(deployed.definition)):
            found.append(deployed)
    return found
