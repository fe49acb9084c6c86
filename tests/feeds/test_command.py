"""`millstream watch` as a process: what it prints, how it ends, and what it lives through."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import millstream.server
from millstream.engine import deploy
from tests.cli.conftest import no_settings, program_on, template  # noqa: F401 - fixtures
from tests.cli.program import Program
from tests.engine.running import eventually


@pytest.fixture
def shop(tmp_path: Path, template: Path) -> Iterator[Program]:  # noqa: F811
    """A home that is up, with one view."""
    for program in program_on(shutil.copytree(template, tmp_path / "home")):
        answer = program("up")
        assert answer.returncode == 0, answer.stderr
        with deploy.connect(millstream.server.connect(program.home).dsn("owner")) as conn:
            deploy.deploy_table(
                conn, "items", "create table items (item_id varchar primary key, price integer)"
            )
            deploy.deploy_view(conn, "cheap", "select item_id, price from items where price < 100")
        yield program


def write(program: Program, statement: str) -> None:
    """Write as an application does, and wait until the views show it."""
    with psycopg.connect(millstream.server.connect(program.home).dsn("owner"), autocommit=True) as conn:
        conn.execute(statement.encode())
        conn.execute("call millstream.flush()")


def test_it_lives_through_the_death_of_worker_and_server_and_ends_on_ctrl_c(
    shop: Program, tmp_path: Path
) -> None:
    output = tmp_path / "lines"
    write(shop, "insert into items values ('a', 10)")
    with output.open("w") as lines:
        command = [*shop.argv, "watch", "cheap", "--json", "--snapshot"]
        watching = subprocess.Popen(
            command, stdout=lines, stderr=subprocess.PIPE, text=True, env=shop.environment()
        )

        def seen() -> list[str]:
            found = [json.loads(line) for line in output.read_text().splitlines()]
            return [f"{line['op']} {line['row']['item_id']} {line['row']['price']}" for line in found]

        try:
            eventually(lambda: seen() == ["+ a 10"])
            with psycopg.connect(millstream.server.connect(shop.home).dsn("owner"), autocommit=True) as conn:
                conn.execute("insert into items values ('b', 20)")
                subprocess.run(["kill", "-9", str(shop.status()["worker"]["pid"])], check=True)
            eventually(lambda: seen() == ["+ a 10", "+ b 20"])
            assert shop("down").returncode == 0
            assert shop("up").returncode == 0
            write(shop, "update items set price = 30 where item_id = 'b'")
            eventually(lambda: seen() == ["+ a 10", "+ b 20", "- b 20", "+ b 30"])
            watching.send_signal(signal.SIGINT)
            _, errors = watching.communicate(timeout=30)
        finally:
            watching.kill()
    assert watching.returncode == 0
    assert "connected again" in errors
    assert "Traceback" not in errors


def test_an_unknown_model_and_contradicting_options_are_refused(shop: Program) -> None:
    answer = shop("watch", "chep")
    assert answer.returncode == 1
    assert "did you mean cheap?" in answer.stderr
    assert shop("watch", "cheap", "--snapshot", "--from", "1").returncode == 2
