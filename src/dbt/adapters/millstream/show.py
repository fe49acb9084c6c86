"""What `dbt show` runs for a model whose own text PostgreSQL cannot run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dbt_common.exceptions import DbtRuntimeError

from dbt_millstream.statement import beginning, tokens
from millstream.rollout.project.python_functions import functions_called

Node = Mapping[str, Any]

DECLARED = ("table_with_connector", "source")
WITHOUT_ROWS = ("connection", "secret", "subscription")


def instead(
    model: Node,
    sql: str,
    nodes: Mapping[str, Node],
    functions: Mapping[str, Node],
    is_deployed: Callable[[str, str], bool],
) -> str | None:
    """A query of the model's rows, or None where its own text is one.

    Raises DbtRuntimeError where there are no rows: it is not deployed, or it is no relation.
    """
    materialized = str(model["config"].get("materialized") or "")
    if model.get("resource_type") != "model":
        return None
    if materialized in WITHOUT_ROWS:
        raise DbtRuntimeError(f"{model['name']} is a {materialized}, which has no rows to show")
    if materialized == "sink":
        return of_sink(model, sql)
    called = functions_called(model, nodes, functions)
    if materialized in DECLARED:
        why = "is a declaration, whose rows come from outside"
    elif called:
        why = f"calls the Python function {called[0]['name']}, which runs in the worker only"
    else:
        return None
    name = str(model.get("alias") or model["name"])
    if materialized == "ephemeral" or not is_deployed(model["schema"], name):
        build = "a materialized_view that reads it" if materialized == "ephemeral" else "it"
        raise DbtRuntimeError(
            f"{model['name']} {why}, so it is shown once it is deployed\n"
            f"  hint: deploy {build} (dbt run --select +{model['name']}), then show that"
        )
    return f'select * from "{model["schema"]}"."{name}"'


def of_sink(model: Node, sql: str) -> str:
    """The rows that a sink sends: those of its query, or of the relation that it names."""
    if model["config"].get("connector"):
        return sql if "select" in sql.lower() else f"select * from {sql.strip()}"
    found = list(tokens(sql))
    query = beginning(found)
    start = (
        next((at for at, token in enumerate(found) if token.text == "from"), None) if query is None else query
    )
    if start is None:
        raise DbtRuntimeError(
            f"{model['name']} names no relation whose rows it sends\n  hint: write  from view  in it"
        )
    options = (
        token.start
        for token, follower in zip(found[start + 1 :], found[start + 2 :], strict=False)
        if token.depth == 0 and token.text == "with" and follower.text == "("
    )
    text = sql[found[start].start : next(options, len(sql))]
    return text if query is not None else f"select * {text}"
