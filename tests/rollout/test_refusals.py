"""What is told where a project cannot be rolled out to RisingWave."""

from __future__ import annotations

import json
from pathlib import Path

from millstream.rollout.risingwave.refusals import refused
from tests.compiler.golden import Case, each_case


@each_case(Path(__file__).parent / "refusals.golden")
def test_what_is_told(case: Case) -> None:
    code, _, pieces = case.given.strip().partition(" ")
    case.check(str(refused(code, "sql/model.sql", **json.loads(pieces or "{}"))))
