"""What deploying refuses by itself, beyond what a single statement shows: one deployment a line, the last is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from millstream.errors import Refused
from tests.compiler.golden import Case, each_case
from tests.engine.engine import Engine

FUNCTION = re.compile(
    r"create function (?P<name>\w+)\((?P<arguments>.*)\) returns (?P<returns>.*?)(?: from (?P<file>\S+))?"
)


@each_case(Path(__file__).parent / "refusals.golden")
def test_what_deploying_refuses(case: Case, engine: Engine, tmp_path: Path) -> None:
    *first, last = case.given.strip().splitlines()

    def deploy(statement: str) -> None:
        found = FUNCTION.fullmatch(statement)
        if found and found["file"]:  # of which there is none
            file = tmp_path / found["file"]
            engine.deploy_python(file, found["name"], found["arguments"], found["returns"])
        elif found:
            file = tmp_path / "udfs" / "code.py"
            engine.deploy_python(
                file,
                found["name"],
                found["arguments"],
                found["returns"],
                f"def {found['name']}(k):\n    return k\n",
            )
        else:
            engine.deploy(statement, path="sql/model.sql")

    for statement in first:
        deploy(statement)
    with pytest.raises(Refused) as caught:
        deploy(last)
    case.check(str(caught.value).replace(str(tmp_path), ""))
