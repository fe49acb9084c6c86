"""Which project's functions are served."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from millstream.cli import main
from tests.udf_server.conftest import write_project
from udf_server.command import command
from udf_server.errors import FunctionServerError
from udf_server.project import find_project


def test_the_project_lies_around_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "project")
    monkeypatch.chdir(project / "udfs")
    assert find_project(None) == project


def test_the_project_that_is_named_goes_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(write_project(tmp_path / "project"))
    assert find_project(tmp_path) == tmp_path


def test_no_project_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FunctionServerError, match="is in no project with functions.*--project"):
        find_project(None)
    for program, arguments in ((command, []), (main, ["udf-server"])):
        result = CliRunner().invoke(program, arguments)
        assert result.exit_code == 1
        assert "name it with --project" in result.output


def test_a_missing_package_is_named_with_its_remedy(tmp_path: Path) -> None:
    program = "import sys; sys.modules['pyarrow'] = None; from udf_server.command import command; command()"
    project = write_project(tmp_path / "project")
    ended = subprocess.run(
        [sys.executable, "-c", program, "--project", str(project)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "needs the package pyarrow: pip install 'millstream[risingwave]'" in ended.stderr
