"""A run that is ended ends its statement in the server, and leaves nothing of it behind; a long one tells how far it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt.tests.util import run_dbt, run_dbt_and_capture

PATIENCE = 60.0
NUMBERS = """
{{ config(materialized='table_with_connector') }}
create table {{ this }} (k integer primary key, g integer)
"""
SHORT = """
{{ config(materialized='materialized_view') }}
select g, count(*) as n from {{ ref('numbers') }} group by g
"""
LONG = """
{{ config(materialized='materialized_view') }}
select a.g, count(*) as n
from {{ ref('numbers') }} as a
join {{ ref('numbers') }} as b on b.g = a.g
join {{ ref('numbers') }} as c on c.g = b.g
group by a.g
"""
DEPLOYMENTS = (
    "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()"
    " and query like 'INSERT INTO millstream_data.\"%long@%'"
)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


class TestEndedRuns:
    @pytest.fixture(scope="class")
    def models(self) -> dict[str, str]:
        return {"numbers.sql": NUMBERS, "short.sql": SHORT, "long.sql": LONG}

    def test_progress_reaches_the_output(self, project: Any) -> None:
        run_dbt(["run", "--select", "numbers"])
        project.run_sql(
            f"insert into {project.test_schema}.numbers select n, 1 from generate_series(1, 11000) as n"
        )
        _, output = run_dbt_and_capture(["run", "--select", "short"])
        assert f"building {project.test_schema}.short@1, 1 of 1" in output
        assert "took 0 changes over" in output

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
    def test_it_ends_in_the_server(self, project: Any, dsn: str, how: signal.Signals) -> None:
        command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "run", "--select", "long"]
        command += ["--project-dir", str(project.project_root), "--profiles-dir", str(project.profiles_dir)]
        log = Path(str(project.project_root)) / "ended.log"
        with psycopg.connect(dsn, autocommit=True) as watcher, log.open("w") as output:

            def value(query: str) -> Any:
                row = watcher.execute(query.encode()).fetchone()
                assert row is not None
                return row[0]

            run = subprocess.Popen(command, stdout=output, stderr=output, env=dict(os.environ))
            try:
                eventually(lambda: value(DEPLOYMENTS) == 1)
                run.send_signal(how)
                run.wait(PATIENCE)
            finally:
                run.kill()
                run.wait(PATIENCE)
            eventually(lambda: value(DEPLOYMENTS) == 0)
        run_dbt(["run", "--select", "numbers"])
        with psycopg.connect(dsn, autocommit=True) as watcher:
            assert (
                value_of(watcher, "select count(*) from millstream.state where relation_name = 'long'") == 0
            )


def value_of(conn: psycopg.Connection, query: str) -> Any:
    """The one value of a query."""
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]
