"""Every refusal: its code, its place in the file, the reason and the rewrite."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import millstream
from millstream.compiler.binder.sql_functions import parse_function
from millstream.compiler.syntax.declarations.sinks import parse_sink
from millstream.compiler.syntax.declarations.tables import parse_table
from millstream.diagnostics import CATALOGUE
from millstream.diagnostics.catalogue import code_of
from millstream.diagnostics.refusal import PIECE
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
# Cutting a plan into nodes stores whatever has no single keyed driver, so nothing is left to refuse; the code stands as a guard.
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


def modules() -> dict[Path, str]:
    """The sources that refuse: all but the catalogue itself."""
    return {
        path: path.read_text() for path in SOURCE.parent.rglob("*.py") if path.parent.name != "diagnostics"
    }


def raised() -> set[str]:
    """What the sources refuse: codes, and cases of them."""
    return {key for text in modules().values() for key in re.findall(r'"(MS\d{3}(?:/[\w ]+)?)"', text)}


def test_every_code_has_an_example() -> None:
    """A code that the source can raise and no golden file shows is an error message that nobody has read."""
    goldens = (path.read_text() for path in HERE.parents[1].rglob("*.golden"))
    shown = {code for text in goldens for code in re.findall(r"(?m)^error\[(MS\d{3})\]", text)}
    assert {code_of(key) for key in raised()} - shown == UNREACHED


def test_the_catalogue_has_what_is_refused_and_nothing_else() -> None:
    summaries = {code_of(key) for key in CATALOGUE if "/" in key}
    assert set(CATALOGUE) - raised() <= summaries
    assert raised() <= set(CATALOGUE)


def test_every_refusal_gives_the_pieces_of_its_texts() -> None:
    """A piece that is missing would be an error in place of the refusal."""
    for path, text in modules().items():
        for call in ast.walk(ast.parse(text)):
            match call:
                case ast.Call(
                    func=ast.Name(id="refuse" | "refused" | "diagnose"),
                    args=[ast.Constant(value=str(key)), *_],
                ):
                    wanted = {piece for part in CATALOGUE[key] for piece in PIECE.findall(part)}
                    given = {each.arg for each in call.keywords} - {"path", "likely", "instead"}
                    assert wanted - {"detail"} == given - {"detail"}, (path, key)


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
