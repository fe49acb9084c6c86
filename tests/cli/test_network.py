"""Connections, addresses and TLS as `up` is told of them, and as `dsn` and `status` tell of them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from dataclasses import fields
from pathlib import Path

import psycopg
import pytest

from millstream.cli import up
from millstream.server.options import Options
from millstream.server.process import is_alive, wait_until
from tests.cli.program import Program
from tests.cli.test_up_down import until


def gate_of(program: Program) -> int | None:
    """The gate's process."""
    named = ["pgrep", "-f", "--", f"millstream.supervisor.gate_process --home {program.home} "]
    found = subprocess.run(named, capture_output=True, text=True, check=False).stdout.split()
    return int(found[0]) if found else None


def gets_in(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--listen", "0.0.0.0"), "can be reached from other machines.*--tls self-signed"),
        (("--listen", "example.com", "--tls", "self-signed"), "not an address"),
        (("--tls", "absent.crt"), "has no key.*--tls CERT KEY"),
        (("--tls", "absent.crt", "absent.key"), "certificate .*absent.crt cannot be read: No such file"),
        (("--tls", "self-signed", "some.key"), "takes no key"),
        (("some.key",), "--tls CERT KEY"),
        (("--readers", "0"), "readers is 0; it must be a number from 1"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_started_or_kept(
    program: Program, arguments: tuple[str, ...], message: str
) -> None:
    answer = program("up", *arguments)
    assert answer.returncode == 1
    assert re.search(message, answer.stderr), answer.stderr
    assert "Traceback" not in answer.stderr and answer.stderr.startswith("error: ")
    assert not (program.home / "settings.json").exists()
    assert not program.status()["supervisor"]["running"]


def test_connections_are_remembered_and_changed_by_down_and_up(program: Program) -> None:
    assert program("up", "--readers", "7").returncode == 0
    assert json.loads((program.home / "settings.json").read_text())["readers"] == 7
    refused = program("up", "--readers", "8")
    assert refused.returncode == 1 and "already up with other settings" in refused.stderr
    assert program("up").returncode == 0
    assert program("down").returncode == 0
    assert program("up", "--writers", "3").returncode == 0
    roles = program.status()["engine"]["connections"]["roles"]
    assert (roles["millstream_reader"]["limit"], roles["millstream_writer"]["limit"]) == (7, 3)


def test_a_role_without_a_connection_left_is_told_with_who_has_them_and_how_to_give_more(
    program: Program, tmp_path: Path
) -> None:
    assert program("up", "--readers", "1", "--writers", "3").returncode == 0
    log = tmp_path / "clicks.csv"
    log.write_text("user,sku,event,ts\na,lamp,view,1772366400\n")
    with (
        psycopg.connect(program("dsn").stdout.strip()),
        psycopg.connect(program("dsn", "--role", "writer").stdout.strip()),
    ):
        answer = program("recommend", "a")
        loaded = program("load", str(log))
    assert answer.returncode == loaded.returncode == 1
    assert "error: no connection is free" in answer.stderr and "does not answer" not in answer.stderr
    assert "millstream status" in answer.stderr and "--readers N" in answer.stderr
    assert "the writer role has no connection left" in loaded.stderr
    assert "millstream status" in loaded.stderr and "millstream up --writers N" in loaded.stderr


def test_with_tls_applications_get_in_encrypted_on_the_port_that_they_know(program: Program) -> None:
    assert program("up").returncode == 0
    before = program("dsn").stdout.strip()
    port = program.status()["server"]["port"]
    assert program("down").returncode == 0

    started = program("up", "--tls", "self-signed")
    assert started.returncode == 0, started.stderr
    assert f"PostgreSQL with TLS on 127.0.0.1:{port}" in started.stdout
    dsn = program("dsn").stdout.strip()
    assert f":{port}/millstream?sslmode=verify-full" in dsn
    with psycopg.connect(dsn) as connection:
        assert connection.pgconn.ssl_in_use
    assert gets_in(before)  # this machine needs no TLS
    with psycopg.connect(program("dsn", "--local").stdout.strip()) as connection:
        assert not connection.pgconn.ssl_in_use and connection.info.port != port
    elsewhere = program("dsn", "--host", "db.example.com")
    assert f"@db.example.com:{port}/" in elsewhere.stdout
    assert "warning: the certificate does not name db.example.com" in elsewhere.stderr
    assert program("dsn", "--host", "localhost").stderr == ""
    told = program("status")
    assert told.returncode == 0 and f"127.0.0.1 port {port}, certificate until 2" in told.stdout

    gate = gate_of(program)
    assert gate is not None
    os.kill(gate, signal.SIGKILL)
    assert wait_until(lambda: gate_of(program) not in (None, gate) and gets_in(dsn), 60)
    os.kill(program.status()["server"]["pid"], signal.SIGKILL)
    until(program, lambda now: now["server"]["running"] and now["worker"]["running"] and now["engine"])
    assert gets_in(dsn)

    last = gate_of(program)
    assert program("down").returncode == 0
    assert last is not None and not is_alive(last)
    assert program("up", "--tls", "off").returncode == 0
    assert program.status()["server"]["port"] == port
    assert program("dsn").stdout.strip() == before


def test_a_port_that_is_taken_is_said_when_tls_is_asked_for(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        answer = program("up", "--tls", "self-signed", "--port", str(port))
    assert answer.returncode == 1
    assert f"TLS cannot be spoken: 127.0.0.1 port {port}: Address already in use" in answer.stderr
    assert not program.status()["server"]["running"]


def test_status_tells_a_full_server_from_a_dead_one(program: Program) -> None:
    assert program("up", "--readers", "2", "--writers", "3").returncode == 0
    held = []
    try:
        dsn = program("dsn", "--role", "owner").stdout.strip()
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            while True:
                held.append(psycopg.connect(dsn))
        full = program("status")
        found = program.status()
    finally:
        for connection in held:
            connection.close()
    assert full.returncode == 3
    assert "full: sorry, too many clients already" in full.stdout and "millstream up --readers" in full.stdout
    assert found["server"]["state"] == "full" and found["server"]["connections"]["owner"] >= len(held)
    assert program.status()["server"]["state"] == "ready"
    assert program("down").returncode == 0
    assert program.status()["server"]["state"] == "down"


def test_the_page_tells_every_setting_and_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "security.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    told = [name for line in lines for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert sorted(told) == sorted(field.name for field in fields(Options))
    defaults = Options()
    assert f"| {defaults.readers}, {defaults.writers} |" in page
    assert f"| {defaults.authentication_seconds} |" in page
    text = " ".join(option for line in lines for option in re.findall(r"--\w+", line.split("|")[2]))
    assert set(text.split()) <= {option for parameter in up.command.params for option in parameter.opts}
