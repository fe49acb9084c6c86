"""What is served is what is declared to dbt; what is wrong with a declaration is said with its file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tests.udf_server.calling import ROOT
from tests.udf_server.conftest import declare, write_project
from udf_server.arrow_types import arrow_type, same
from udf_server.declarations import read_functions
from udf_server.errors import FunctionServerError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def refusal(project: Path) -> str:
    with pytest.raises(FunctionServerError) as raised:
        read_functions(project)
    return str(raised.value)


def test_every_declared_function_of_the_project_is_served() -> None:
    declared = {path.stem for path in (ROOT / "udfs").glob("*.yml")}
    assert {function.name for function in read_functions(ROOT)} == declared


def test_a_function_without_code_names_the_places_looked_at(project: Path) -> None:
    text = declare("gone_v2", "x int", "int").replace("{module: udfs/odd.py}", "{}")
    (project / "udfs/gone_v2.yml").write_text(text)
    message = refusal(project)
    assert "no Python file for the function gone_v2" in message
    assert "udfs/gone_v2.py" in message and "udfs/gone.py" in message


def test_a_version_may_live_in_the_file_without_one(project: Path) -> None:
    (project / "udfs" / "twice.py").write_text("def twice_v3(x):\n    return 2 * x\n")
    text = declare("twice_v3", "x int", "int").replace("{module: udfs/odd.py}", "{}")
    (project / "udfs/twice_v3.yml").write_text(text)
    (found,) = [function for function in read_functions(project) if function.name == "twice_v3"]
    assert found.call(4) == 8


def test_a_file_without_the_function_is_named(project: Path) -> None:
    (project / "udfs/absent.yml").write_text(declare("absent", "x int", "int"))
    assert "odd.py has no function absent, which" in refusal(project)


def test_code_that_needs_a_missing_package_says_which(project: Path) -> None:
    (project / "udfs" / "needy.py").write_text("import not_a_package_anywhere\n")
    (project / "udfs/needy.yml").write_text(declare("needy", "x int", "int", "udfs/needy.py"))
    message = refusal(project)
    assert "needy.py does not import" in message and "install not_a_package_anywhere" in message


@pytest.mark.parametrize(
    ("type_", "remedy"),
    [("timestamptz", "extract(epoch"), ("vector(3)", "real[]"), ("geography", "known are boolean")],
)
def test_a_type_that_cannot_be_sent_has_a_remedy(project: Path, type_: str, remedy: str) -> None:
    (project / "udfs/half.yml").write_text(declare("half", f"x {type_}", "int"))
    message = refusal(project)
    assert "half.yml, function half: type " + type_ in message and remedy in message


def test_a_declaration_without_a_type_is_said(project: Path) -> None:
    (project / "udfs/half.yml").write_text("functions:\n  - name: half\n")
    assert "half.yml, function half: an argument or the result has no data_type" in refusal(project)


def test_a_file_that_is_not_yaml_is_said(project: Path) -> None:
    (project / "udfs/half.yml").write_text("functions: [")
    assert "half.yml is not YAML" in refusal(project)


def test_one_name_for_two_functions_is_said(project: Path) -> None:
    (project / "udfs/other.yml").write_text(declare("half", "x bigint", "bigint"))
    assert "two functions are called half" in refusal(project)


def test_a_directory_without_functions_says_where_to_start(tmp_path: Path) -> None:
    assert "--project" in refusal(tmp_path)


def test_types_read_as_they_are_written() -> None:
    assert arrow_type("struct<a struct<b int, c varchar[]>, d double  precision>[]") == pa.list_(
        pa.struct([
            ("a", pa.struct([("b", pa.int32()), ("c", pa.list_(pa.string()))])),
            ("d", pa.float64()),
        ])
    )  # fmt: skip


def test_names_of_fields_do_not_matter_but_types_do() -> None:
    named = arrow_type("struct<a int, b varchar>[]")
    unnamed = pa.list_(pa.field("", pa.struct([pa.field("", pa.int32()), pa.field("", pa.string())])))
    assert same(named, unnamed)
    assert not same(named, pa.list_(pa.struct([("a", pa.int32())])))
    assert not same(named, pa.list_(pa.struct([("a", pa.int64()), ("b", pa.string())])))
