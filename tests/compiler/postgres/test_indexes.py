"""Which indexes a model asks for on the relations that it reads."""

from __future__ import annotations

from pathlib import Path

from millstream.compiler.postgres.indexes import needed
from tests.compiler.catalogue import compiled
from tests.compiler.golden import Case, each_case


@each_case(Path(__file__).parent / "indexes.golden")
def test_the_indexes_that_a_model_needs(case: Case) -> None:
    lines = [
        f"{node.name}: {index.relation} ({', '.join(index.expressions)})"
        for node in compiled(case.given)
        for index in needed(node)
    ]
    case.check("\n".join(lines) or "none")
