"""What goes wrong is a sentence with a remedy and exit status 1, never a traceback."""

from __future__ import annotations

import socket

import click
import psycopg
import pytest
from click.testing import CliRunner

from millstream import server
from millstream.cli.group import make_group
from millstream.errors import Diagnostic, MillstreamError, Refused
from tests.cli.program import Program


@pytest.mark.parametrize("command", ["psql", "dsn"])
def test_a_command_that_needs_the_server_names_the_remedy(program: Program, command: str) -> None:
    answer = program(command)
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: no server runs for ")
    assert "millstream up" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_taken_port_is_named_by_up_and_nothing_is_left_running(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        answer = program("up", "--port", str(port))
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"error: port {port} on 127.0.0.1 is taken")
    assert not program.status()["supervisor"]["running"]


def test_a_diagnostic_keeps_its_own_head() -> None:
    @click.command(name="fail")
    @click.argument("kind")
    def fail(kind: str) -> None:
        if kind == "refused":
            raise Refused(
                Diagnostic("E01", "lateral join", "it is not supported", "use unnest", "m.sql", 3, 4)
            )
        raise MillstreamError("it is broken")

    refused = CliRunner().invoke(make_group([fail]), ["fail", "refused"])
    assert refused.exit_code == 1
    assert refused.output.startswith("error[E01] m.sql:3:4 lateral join")
    other = CliRunner().invoke(make_group([fail]), ["fail", "other"])
    assert (other.exit_code, other.output) == (1, "error: it is broken\n")


def test_what_the_server_stops_is_told_with_its_remedy() -> None:
    @click.command(name="fail")
    def fail() -> None:
        raise psycopg.errors.DiskFull("could not extend file: No space left on device")

    answer = CliRunner().invoke(make_group([fail]), ["fail"])
    assert answer.exit_code == 1
    assert answer.output.startswith("error[MS092] millstream fail: no room\n  why:  could not extend file")


@pytest.mark.parametrize("words", [["--nothing"], ["fail", "--nothing"], ["nothing"]])
def test_a_command_that_is_written_wrongly_is_told_like_every_other_error(words: list[str]) -> None:
    answer = CliRunner().invoke(make_group([click.Command("fail")]), words)
    assert answer.exit_code == 2
    assert answer.output.splitlines()[-1].startswith("error: No such ")


def test_a_failure_of_a_loader_is_told_like_every_other_error() -> None:
    @click.command(name="fail")
    def fail() -> None:
        raise click.ClickException("the file is empty")

    answer = CliRunner().invoke(make_group([fail]), ["fail"])
    assert (answer.exit_code, answer.output) == (1, "error: the file is empty\n")


def test_without_psql_the_dsn_command_is_named(running: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    from millstream.cli import main

    monkeypatch.setattr(server, "find_client", lambda program: None)
    answer = CliRunner().invoke(main, ["--home", str(running.home), "psql"])
    assert answer.exit_code == 1
    assert "psql is not installed" in answer.output
    assert "millstream dsn --role reader" in answer.output
