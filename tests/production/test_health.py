"""The health checks of docker-compose.yml, run here against the real thing or what speaks its protocol."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.databases import Databases
from tests.production.files import services
from tests.udf_server.calling import Process


def check(service: str, port_there: int, port_here: int) -> int:
    """Exit status of a service's health check, asked of another port; `$$` is how compose writes `$`."""
    kind, *command = services()[service]["healthcheck"]["test"]
    assert kind == "CMD"
    command = [
        re.sub(rf"\b{port_there}\b", str(port_here), argument).replace("$$", "$") for argument in command
    ]
    if command[0] == "python":
        command[0] = sys.executable
    return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that accepts connections and says nothing, as that of a program that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_risingwave_is_healthy_when_the_sql_port_speaks(databases: Databases, database: str) -> None:
    assert check("risingwave", 4566, int(conninfo_to_dict(database)["port"])) == 0


def test_risingwave_is_not_healthy_when_it_hangs_or_is_gone(silent: int, closed: int) -> None:
    assert check("risingwave", 4566, silent) != 0
    assert check("risingwave", 4566, closed) != 0


def test_the_functions_server_is_healthy_while_it_runs(tmp_path: Path, closed: int) -> None:
    with Process(home=tmp_path) as process:
        assert check("udf-server", 8816, process.metrics_port) == 0
    assert check("udf-server", 8816, closed) != 0
