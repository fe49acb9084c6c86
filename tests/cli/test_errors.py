"""What goes wrong is a sentence with a remedy and exit status 1, never a traceback."""

from __future__ import annotations

import socket

import click
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


def test_without_psql_the_dsn_command_is_named(running: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    from millstream.cli import main

    monkeypatch.setattr(server, "find_client", lambda program: None)
    answer = CliRunner().invoke(main, ["--home", str(running.home), "psql"])
    assert answer.exit_code == 1
    assert "psql is not installed" in answer.output
    assert "millstream dsn --role reader" in answer.output
