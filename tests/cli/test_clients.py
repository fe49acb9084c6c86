"""`psql` and `dsn`: ways into a server that is up."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from millstream.recommend.statement import statement
from tests.cli.program import Program

ROLES = {"owner": "millstream", "writer": "millstream_writer", "reader": "millstream_reader"}


@pytest.mark.parametrize("role", ROLES)
def test_psql_runs_as_the_role(running: Program, role: str) -> None:
    answer = running("psql", "--role", role, "--", "-Atc", "select current_user")
    assert (answer.stdout, answer.stderr, answer.returncode) == (ROLES[role] + "\n", "", 0)


def test_psql_is_the_reader_by_default_and_its_exit_status_is_ours(running: Program) -> None:
    assert running("psql", "--", "-Atc", "select current_user").stdout == "millstream_reader\n"
    assert running("psql", "--", "-v", "ON_ERROR_STOP=1", "-c", "select 1/0").returncode == 1


def test_the_password_is_in_the_environment_and_not_on_the_command_line(
    running: Program, tmp_path: Path
) -> None:
    fake = tmp_path / "psql"
    fake.write_text('#!/bin/sh\necho "$@"\necho "$PGPASSWORD"\n')
    fake.chmod(0o755)
    answer = running("psql", "--", "-c", "select 1", PATH=f"{tmp_path}:/usr/bin:/bin")
    arguments, password = answer.stdout.splitlines()
    assert arguments.endswith("-c select 1")
    assert len(password) == 48
    assert password not in arguments


@pytest.mark.parametrize("role", ROLES)
def test_dsn_is_one_line_that_connects(running: Program, role: str) -> None:
    answer = running("dsn", "--role", role)
    assert answer.stdout.count("\n") == 1
    with psycopg.connect(answer.stdout.strip()) as connection:
        assert connection.execute("select current_user::text").fetchone() == (ROLES[role],)


@pytest.mark.parametrize(
    ("form", "scheme"), [("url", "postgresql://"), ("sqlalchemy", "postgresql+psycopg://")]
)
def test_dsn_in_the_form_of_a_driver(running: Program, form: str, scheme: str) -> None:
    plain = running("dsn").stdout
    assert running("dsn", "--format", form).stdout == plain.replace("postgresql://", scheme)


def test_the_statement_for_a_driver_needs_no_server_and_no_user(fresh: Program) -> None:
    for options in ((), ("--filters",)):
        answer = fresh("recommend", "--statement", "pgx", *options)
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout == statement("pgx", filters=bool(options))
    assert not fresh.home.exists()
    for wrong in (["ann", "--statement", "pgx"], ["--filters"], []):
        answer = fresh("recommend", *wrong)
        assert (answer.returncode, "Usage" in answer.stderr) == (2, True)
