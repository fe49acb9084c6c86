"""What a project wants deployed, in the order in which its parts read one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# Materializations whose definition says everything about them. Rows of the others come from dbt at every run.
DECLARED = ("table_with_connector", "source", "view", "materialized_view", "sink", "subscription")

# Configuration of sinks and subscriptions that says what they are.
ATTACHED_BY = (
    *("connector", "connector_parameters", "data_format", "data_encode", "format_parameters"),
    "retention",
)

Node = Mapping[str, Any]


@dataclass(frozen=True)
class Definition:
    """One object. `kind` is table, source, view, materialized_view, sink, subscription, function, or rows (dbt's own).

    `text` is the compiled SQL, of a function its signature; `reads` are the keys of what it reads or calls, ephemeral
    models expanded; `options` are what else it is built from (indexes, change_feed, grants, and the configuration of
    a sink or subscription; of a function its declaration).
    """

    schema: str
    name: str
    kind: str
    text: str
    path: str | None = None
    reads: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """`schema.name`, under which everything is compared."""
        return f"{self.schema}.{self.name}"


def read_manifest(manifest: Mapping[str, Any]) -> list[Definition]:
    """The definitions in dbt's manifest of a compiled project, each after those that it reads."""
    models = {
        key: node
        for key, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "seed", "snapshot")
    }
    functions = manifest.get("functions") or {}
    found = [of_function(node) for node in functions.values()]
    found += [
        of_model(node, models, functions)
        for node in models.values()
        if node["config"].get("materialized") != "ephemeral"
    ]
    return in_order(found)


def of_model(node: Node, models: Mapping[str, Node], functions: Mapping[str, Node]) -> Definition:
    """A model, seed or snapshot; `models` and `functions` are dbt's nodes by unique id."""
    config = node["config"]
    materialized = config.get("materialized")
    kind = "table" if materialized == "table_with_connector" else str(materialized)
    return Definition(
        node["schema"],
        node.get("alias") or node["name"],
        kind if materialized in DECLARED else "rows",
        node.get("compiled_code") or "",
        node["original_file_path"],
        tuple(dict.fromkeys(read_by(node, models, functions))),
        {
            "indexes": config.get("indexes") or [],
            "change_feed": config.get("change_feed") or "",
            "grants": config.get("grants") or {},
            "config": {name: config[name] for name in ATTACHED_BY if config.get(name)},
        },
    )


def read_by(node: Node, models: Mapping[str, Node], functions: Mapping[str, Node]) -> Iterator[str]:
    """The keys of what a node reads and calls, itself or through ephemeral models."""
    for key in (node.get("depends_on") or {}).get("nodes", []):
        found = models.get(key) or functions.get(key)
        if found is not None and found["config"].get("materialized") == "ephemeral":
            yield from read_by(found, models, functions)
        elif found is not None:
            yield f"{found['schema']}.{found.get('alias') or found['name']}"


def of_function(node: Node) -> Definition:
    """A function resource."""
    arguments = ", ".join(f"{a['name']} {a['data_type']}" for a in node["arguments"])
    return Definition(
        node["schema"],
        node.get("alias") or node["name"],
        "function",
        f"({arguments}) returns {node['returns']['data_type']}",
        node["original_file_path"],
        (),
        {"node": dict(node)},
    )


def in_order(definitions: Iterable[Definition]) -> list[Definition]:
    """Each after what it reads; otherwise by name."""
    waiting = {each.key: each for each in sorted(definitions, key=lambda each: each.key)}
    placed: list[Definition] = []
    while waiting:
        ready = [each for each in waiting.values() if not any(key in waiting for key in each.reads)]
        ready = ready or list(waiting.values())  # a cycle: whoever deploys it will say so
        placed += ready
        for each in ready:
            del waiting[each.key]
    return placed
