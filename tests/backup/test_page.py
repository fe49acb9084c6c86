"""docs/howto/backup.md, run from its own text."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.backup.conftest import connect
from tests.cli.conftest import ended
from tests.cli.program import Program
from tests.project.compiled import ROOT
from tests.serving.project import deploy_project

PAGE = ROOT / "docs" / "howto" / "backup.md"


def commands() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_the_page(shop: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_HOME", str(shop.home))
    deploy_project(tmp_path / "dbt")
    with connect(shop.home, "writer") as writer:
        writer.execute(
            "insert into events (event_id, event_type, user_id, item_id, occurred_at)"
            " select 'e' || n, 'view_item', 'user-' || n % 2, 'i1', now() from generate_series(1, 10) as n"
        )
        writer.execute("call millstream.flush()")
    folder = tmp_path / "operator"
    folder.mkdir()
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = shop.environment(MILLSTREAM_HOME=str(shop.home), PATH=path)
    taken, nightly, rehearsal, back, kept, again = commands()
    outputs = {}
    for block in (taken, nightly, rehearsal):
        outputs[block] = shell(block, folder, environment)
    assert len(list((folder / "backups").glob("*.backup"))) == 3
    assert "is whole" in outputs[rehearsal]
    assert shop("forget", "user-1", "--keep-files").returncode == 0
    shell(kept, folder, environment)
    shell(back, folder, environment)
    with connect(shop.home) as owner:
        assert count(owner, "purchases") == 500
        assert people(owner) == ["user-0", "user-1"], "the backup was made before the erasure"
    shell(again, folder, environment)
    shell(again, folder, environment)
    with connect(shop.home) as owner:
        assert people(owner) == ["user-0"]
        assert count(owner, "tombstones") == 1
    assert ended(folder / "rehearsal")


def people(connection: psycopg.Connection) -> list[str]:
    """Whose events are stored."""
    return [row[0] for row in connection.execute("select distinct user_id from events order by 1")]


def shell(block: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])
