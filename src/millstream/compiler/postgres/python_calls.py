"""Around the Python calls of a node: the session tables of arguments and results, and the plan above the calls.

A statement fills the table of arguments, the worker calls the functions and fills the table of results, and another
statement computes the node's rows from both.
"""

from __future__ import annotations

from millstream.compiler.algebra.lineage import replace_node
from millstream.compiler.algebra.operators import Plan, Relation, Scan
from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.layout import clause, lines, listing, nested
from millstream.compiler.postgres.names import arguments, function, quote, results, table
from millstream.compiler.postgres.render import render
from millstream.compiler.postgres.scalar import scalar
from millstream.compiler.postgres.stored import StoredNode

RETURNED = -1  # the scan of what the calls have returned


def keys_table(node: Node) -> str:
    """The session table of the keys for which Python is called."""
    return arguments(node.name + "__keys")


def session_tables(node: Node) -> list[str]:
    """The session tables that a tick fills around the calls of a node, if it has any."""
    return [arguments(node.name), keys_table(node), results(node.name)] if node.udf is not None else []


def create_session_tables(sql: StoredNode) -> list[str]:
    """Create the session tables around the calls of a node, if it has any."""
    node, udf = sql.node, sql.node.udf
    if udf is None:
        return []
    rows = sql.rows(udf.input)
    rows = f"FROM {nested(sql.rows(udf.input))} AS s"
    calls = []
    for attribute, name, given in udf.calls:
        one = lines(f"SELECT {function(name)}({listing([scalar(x) for x in given])})", rows, "LIMIT 0")
        calls.append(f"{nested(one)} AS {quote(attribute.name)}")
    keys = lines(
        clause("SELECT", [f"k.{name}" for name in sql.lookup_columns]),
        f"FROM {table(node.name)} AS k",
        "LIMIT 0",
    )
    return [
        lines(
            f"CREATE TEMPORARY TABLE {arguments(node.name)} AS",
            "SELECT 0::bigint AS _r, s.*",
            rows,
            "LIMIT 0",
        ),
        lines(f"CREATE TEMPORARY TABLE {keys_table(node)} AS", keys),
        lines(
            f"CREATE TEMPORARY TABLE {results(node.name)} AS",
            clause("SELECT", ["0::bigint AS _r", *calls]),
            "LIMIT 0",
        ),
        f"CREATE INDEX ON {results(node.name)} (_r)",
    ]


def returned_rows(node: Node) -> str:
    """The rows of the part of the plan above the calls, over the arguments for which there are results."""
    found = f"(SELECT * FROM {arguments(node.name)} JOIN {results(node.name)} USING (_r))"
    return render(plan_above(node), {RETURNED: found})


def plan_above(node: Node) -> Plan:
    """The part of the plan above the calls, reading arguments and results."""
    udf = node.udf
    assert udf is not None
    relation = Relation(
        f"({node.name} with results)", tuple((a.name, a.type or "", a.nullable) for a in udf.columns)
    )
    source = Scan(relation, udf.columns, RETURNED, tuple(a.name for a in udf.columns))
    return replace_node(node.plan, udf, source)
