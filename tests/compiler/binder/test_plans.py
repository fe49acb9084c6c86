"""What every construct is bound to: SQL in, plan out."""

from __future__ import annotations

from pathlib import Path

from tests.compiler import show
from tests.compiler.catalogue import bound
from tests.compiler.golden import Case, each_case


@each_case(*sorted(Path(__file__).parent.glob("plans*.golden")))
def test_the_plan_of_a_query(case: Case) -> None:
    plan, outputs, _ = bound(case.given)
    case.check(f"{show.outputs(outputs)}\n\n{show.tree(plan)}")
