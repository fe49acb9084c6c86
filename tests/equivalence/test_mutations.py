"""The proof is proved: every seeded fault in the engine is caught within a bounded number of histories."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from millstream.errors import Refused
from tests.databases import Databases
from tests.equivalence import source_history
from tests.equivalence.act_cases import act_cases, bag_act_cases
from tests.equivalence.cases import Case, cases
from tests.equivalence.mutations import FAULTS, Fault
from tests.equivalence.queries import POSTGRES_BUILDERS
from tests.equivalence.run import run

EXAMPLES = 300


class Caught(Exception):
    """A history showed the fault."""


def catches(fault: Fault, databases: Databases, oracle_dsn: str) -> bool:
    """Tell whether a history fails under the fault; the histories are the same every time.

    A fault shows as a wrong answer, as a change that has no rule, as statements that PostgreSQL refuses, or as a refusal of
    what is kept. Any other error is the gate's own.
    """
    dense = cases(
        kinds=fault.kinds,
        maximum=fault.views,
        depth=fault.depth,
        most_tables=fault.tables,
        ticks=fault.ticks,
        finite=fault.finite,
        timed="temporal" in fault.kinds or None,
        types=fault.types,
        renamed=fault.renamed,
        building=fault.building,
    )
    others: dict[tuple[str, ...], st.SearchStrategy[Any]] = {
        ("act",): act_cases(),
        ("bag act",): bag_act_cases(),
        ("source",): source_history.histories(),
    }
    source = others.get(fault.kinds, dense)

    @settings(max_examples=EXAMPLES, phases=[Phase.generate], derandomize=True, report_multiple_bugs=False)
    @given(case=source)
    def check(case: Any) -> None:
        try:
            if isinstance(case, Case):
                with databases.fresh() as dsn:
                    run(case, dsn, oracle_dsn, postgres_alone=set(fault.kinds) <= set(POSTGRES_BUILDERS))
            else:
                source_history.run(case, databases)
        except (AssertionError, ValueError, psycopg.Error, Refused) as error:
            raise Caught from error

    try:
        with fault.patch():
            check()
    except Caught:
        return True
    return False


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_seeded_fault_is_caught(fault: Fault, databases: Databases, oracle_dsn: str) -> None:
    assert catches(fault, databases, oracle_dsn), f"{EXAMPLES} histories do not show: {fault.name}"
