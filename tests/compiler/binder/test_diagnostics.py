"""Every refusal: its code, its place in the file, the reason and the rewrite."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import millstream
from millstream.compiler.binder.ddl import parse_sink, parse_table
from millstream.compiler.binder.functions import parse_function
from millstream.diagnostics import CATALOGUE
from millstream.errors import Refused
from tests.compiler.catalogue import compiled
from tests.compiler.golden import Case, each_case, read

HERE = Path(__file__).parent
QUERIES = sorted(HERE.glob("refusals*.golden"))
SOURCE = Path(millstream.__file__).parent
PATH = "sql/model.sql"
# Which line of the answer names the place, and what in the input must stand there.
PLACE = re.compile(r"^error\[(MS\d{3})\] sql/\w+\.sql(?::(\d+):(\d+))? ")
# Refusals that concern a model as a whole: there is no place in it to point to.
WHOLE_MODEL = {
    "no columns in a subquery that has to be stored",
    "syntax: not a select",
    "for update",
    "group by nothing",
    "who asks",
}
# The segmentation stores whatever has no single keyed driver, so nothing is left to refuse; the code stands as a guard.
# The others tell of a fault of the compiler and of an index (tests/engine/test_faults.py, test_names.py).
UNREACHED = {"MS017", "MS029", "MS038", "MS048"}


def refusal(sql: str) -> str:
    """The refusal of a model, a source table or a sink, as its author reads it."""
    with pytest.raises(Refused) as caught:
        if re.match(r"create\s+sink", sql, re.IGNORECASE):
            parse_sink(sql, PATH)
        elif re.match(r"(--.*\n)*create", sql, re.IGNORECASE):
            parse_table(sql, PATH, new=True)
        else:
            compiled(sql, path=PATH)
    return str(caught.value)


@each_case(*QUERIES)
def test_the_refusal_of_a_query(case: Case) -> None:
    case.check(refusal(case.given))


@each_case(HERE / "function_refusals.golden")
def test_the_refusal_of_a_function(case: Case) -> None:
    with pytest.raises(Refused) as caught:
        parse_function(case.given, PATH)
    case.check(str(caught.value))


@each_case(HERE / "ddl_refusals.golden")
def test_the_refusal_of_a_declaration(case: Case) -> None:
    case.check(refusal(case.given))


def codes_in(folder: Path, pattern: str, files: str) -> set[str]:
    return {code for path in folder.rglob(files) for code in re.findall(pattern, path.read_text())}


def test_every_code_has_an_example() -> None:
    """A code that the source can raise and no golden file shows is an error message that nobody has read."""
    raised = codes_in(SOURCE, r'"(MS\d{3})"', "*.py")
    shown = codes_in(HERE.parents[1], r"(?m)^error\[(MS\d{3})\]", "*.golden")
    assert raised - shown == UNREACHED
    assert set(CATALOGUE) <= raised


def test_every_refusal_of_a_query_names_line_and_column() -> None:
    for case in (case for path in QUERIES for case in read(path)):
        found = PLACE.match(case.expected)
        assert found is not None, case.title
        assert found[2] is not None or case.title in WHOLE_MODEL, case.title


def test_every_refusal_has_a_reason_and_a_hint() -> None:
    for path in sorted(HERE.glob("*refusals*.golden")):
        for case in read(path):
            lines = case.expected.splitlines()
            assert lines[1].startswith("  why:  ") and len(lines[1]) > 15, case.title
            assert lines[2].startswith("  hint: ") and len(lines[2]) > 10, case.title
