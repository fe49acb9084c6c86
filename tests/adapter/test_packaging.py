"""How the adapter is installed: beside dbt-risingwave, editable or from a wheel."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_the_adapters_are_installed_and_import() -> None:
    code = "import dbt.adapters.millstream, dbt.adapters.millstream_risingwave, dbt.adapters.risingwave"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_ordinary_wheel_carries_the_adapter_and_its_macros(tmp_path: Path) -> None:
    assert importlib.metadata.version("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=PROJECT,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "dbt/adapters/millstream/impl.py" in names
    assert "dbt/include/millstream/macros/materializations/materialized_view.sql" in names
    assert "dbt/adapters/millstream_risingwave/impl.py" in names
    assert "dbt/include/millstream_risingwave/dbt_project.yml" in names
    assert "dbt/include/millstream_risingwave/macros/materializations/materialized_view.sql" in names
    assert "dbt_millstream/statement.py" in names
    assert not {"dbt/__init__.py", "dbt/adapters/__init__.py", "dbt/include/__init__.py"} & names
    assert not [name for name in names if name.endswith(".pth")]


def test_what_the_adapters_call_knows_nothing_of_them() -> None:
    imports = re.compile(r"^\s*(?:from|import) dbt\.(?:adapters|include)\.millstream", re.MULTILINE)
    found = [path for path in (PROJECT / "src/millstream").rglob("*.py") if imports.search(path.read_text())]
    assert found == []
