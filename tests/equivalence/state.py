"""What the engine stores beside the views: every node's table, hidden columns included, against its own definition."""

from __future__ import annotations

from datetime import datetime

from millstream.compiler.incremental.node import Rule
from millstream.compiler.postgres.names import quote, table
from tests.equivalence.compare import difference
from tests.equivalence.engine import Engine


def stored_state_errors(engine: Engine, now: datetime) -> list[str]:
    """Compare each node's table with the node computed from its inputs' tables; check that keys are unique.

    On-act nodes are left out of the comparison: what they hold depends on when they ran.
    """
    engine.worker.reload()
    program = engine.worker.program
    assert program is not None
    errors = []
    for relation in program.relations:
        if relation.sql is None:
            continue
        name, node = table(relation.name), relation.sql.node
        if node.unique:
            identity = ", ".join(quote(column) for column in relation.sql.identity) or "1"
            keys = ", ".join(quote(column) for column in (*node.keys, *relation.sql.identity))
            rows = engine.query(
                f"select {identity}, count(*) from {name} group by {keys} having count(*) > 1"
            )
            errors += [f"{relation.name} has a key twice: {row}" for row in rows]
        if not node.on_act:
            columns = ", ".join(relation.sql.all_columns())
            stored = engine.query(f"select {columns} from {name}")
            expected = engine.query_at(now, f"select {columns} from ({relation.sql.result()}) as s")
            found = difference(expected, stored)
            if (
                found is None and node.rule is not Rule.RECOMPUTE
            ):  # which may show any of several values that tie
                shown = ", ".join(quote(column) for column in relation.sql.stored)
                columns = f"row({shown})::text"
                found = difference(
                    engine.query_at(now, f"select {columns} from ({relation.sql.result()}) as s"),
                    engine.query(f"select {columns} from {name}"),
                )
            if found is not None:
                errors.append(f"{relation.name} ({columns})\n{found}")
    return errors
