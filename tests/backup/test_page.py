"""docs/howto/backup.md, run from its own text."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import psycopg

from millstream.runtime import deploy
from tests.backup.conftest import connect, dsn
from tests.cli.conftest import ended
from tests.cli.program import Program
from tests.project.compiled import ROOT

PAGE = ROOT / "docs" / "howto" / "backup.md"


def commands() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_the_page(shop: Program, tmp_path: Path) -> None:
    with deploy.connect(dsn(shop.home)) as owner:
        for name in ("events", "erased_users"):
            text = (ROOT / "sql" / "sources" / f"{name}.sql").read_text()
            deploy.deploy_table(owner, name, text.replace("{{ this }}", name))
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
    with connect(shop.home) as owner:
        owner.execute("insert into erased_users values ('u1', now())")
    shell(kept, folder, environment)
    shell(back, folder, environment)
    with connect(shop.home) as owner:
        assert count(owner, "purchases") == 500
        assert count(owner, "erased_users") == 0, "the backup was made before the erasure"
    shell(again, folder, environment)
    shell(again, folder, environment)
    with connect(shop.home) as owner:
        assert owner.execute("select user_id from erased_users").fetchall() == [("u1",)]
    assert ended(folder / "rehearsal")


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
