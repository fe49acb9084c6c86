"""Into which nodes typical models are cut: their rules, their keys, what makes them change."""

from __future__ import annotations

from pathlib import Path

from tests.compiler import show
from tests.compiler.catalogue import compiled
from tests.compiler.golden import Case, each_case


@each_case(Path(__file__).parent / "nodes.golden")
def test_the_nodes_of_a_model(case: Case) -> None:
    case.check("\n\n".join(show.node(node) for node in compiled(case.given)))


def test_inner_nodes_come_before_what_reads_them() -> None:
    nodes = compiled(
        "select user_id, n, row_number() over (order by n desc, user_id) as place from ("
        "select user_id, count(*) as n from events group by user_id) as c"
    )
    assert [node.name for node in nodes] == ["model__1", "model"]
    assert {leaf.relation.name for leaf in nodes[1].leaves} == {"model__1"}
