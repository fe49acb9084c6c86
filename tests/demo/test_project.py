"""Commands that need the project's files say so where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from millstream.cli import main
from millstream.errors import MillstreamError
from millstream.project import find_project, import_loaders
from tests.project.compiled import ROOT


def test_the_project_is_found_from_a_folder_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "sql" / "serving")
    assert find_project() == ROOT


@pytest.mark.parametrize("command", ["load", "replay", "embed"])
def test_outside_of_a_project_a_loader_says_where_to_go(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(main, [command, "--help"])
    assert answer.exit_code == 1
    assert "is not in a Millstream project: change to the directory with dbt_project.yml" in answer.stderr


def test_a_loader_that_lacks_a_package_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(
        MillstreamError, match=r"there is no loaders\.nothing\. run this in a clone of the project"
    ):
        import_loaders("nothing")
