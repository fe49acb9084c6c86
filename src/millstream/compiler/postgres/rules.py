"""Which class writes the SQL of which change rule."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from millstream.compiler.incremental.node import Node, Rule
from millstream.compiler.postgres.careful import Tries
from millstream.compiler.postgres.invertible import Invertible
from millstream.compiler.postgres.linear import Linear
from millstream.compiler.postgres.on_act import OnAct
from millstream.compiler.postgres.on_act_in_turns import OnActInTurns
from millstream.compiler.postgres.recompute import Recompute
from millstream.compiler.postgres.render import Describe
from millstream.compiler.postgres.statements import NodeSql

RULES: dict[Rule, type[NodeSql]] = {
    Rule.LINEAR: Linear,
    Rule.BILINEAR: Linear,
    Rule.INVERTIBLE: Invertible,
    Rule.RECOMPUTE: Recompute,
    Rule.ON_ACT: OnAct,
}


def node_sql(
    node: Node,
    describe: Describe,
    tries: Tries | None = None,
    indexes: Sequence[Sequence[str]] = (),
    outside: Collection[str] = (),
) -> NodeSql:
    """What writes the SQL of a node. `describe` asks PostgreSQL for types; with `tries` it is the careful form.

    `indexes` are the columns that the model asks indexes for, `outside` the relations that a node which is caught up
    reads, and which have changed already.
    """
    writer = OnActInTurns if node.takes_turns else RULES[node.rule]
    return writer(node, describe, tries, indexes, outside)
