"""Start, health, death and return of a server."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyarrow import flight

from millstream.server.process import wait_until
from tests.udf_server.calling import Client, Process, start
from tests.udf_server.conftest import write_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def ended(*arguments: str, home: Path) -> tuple[int, str]:
    """Exit status and output of a server that cannot start."""
    with start(*arguments, home=home) as process:
        said, _ = process.communicate(timeout=30)
    return process.returncode, said


def test_health_says_that_calls_are_answered(own: Process) -> None:
    assert own.health() == (200, {"healthy": True, "wrong": None})
    assert own.get("/")[0] == 404


def test_it_listens_on_loopback_alone(own: Process) -> None:
    for port in (own.port, own.metrics_port):
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            pass
        with (
            pytest.raises(OSError, match="refused"),
            socket.create_connection(("127.0.0.2", port), timeout=2),
        ):
            pass


def test_a_killed_server_is_unavailable_and_its_successor_takes_over_the_connection(project: Path) -> None:
    """The error is the one on which RisingWave tries again; nothing in its client has to be made anew."""
    with Process(home=project, project=project) as first:
        client = Client(first.port)
        assert client.call("half", [[8]]) == [4]
        assert first.end(signal.SIGKILL)[0] == -signal.SIGKILL
        with pytest.raises(flight.FlightUnavailableError):
            client.call("half", [[8]])
    with Process(home=project, project=project, port=first.port) as second:
        assert second.port == first.port

        def answers() -> bool:
            try:
                return client.call("half", [[8]]) == [4]
            except flight.FlightUnavailableError:  # the connection waits a moment before it tries again
                return False

        assert wait_until(answers, 10)
        code, said = second.end()
    client.close()
    assert code == 0 and "stopped" in said


def test_being_ended_it_finishes_the_call_that_is_under_way(project: Path) -> None:
    with Process(home=project, project=project) as process, ThreadPoolExecutor(1) as pool:
        client = Client(process.port)
        call = pool.submit(client.call, "sleep", [[1.0]])
        assert wait_until(lambda: process.metrics()["running_calls"] == 1, 5)
        process.send(signal.SIGTERM)
        assert wait_until(lambda: process.health()[0] == 503, 5)
        assert call.result() == [1.0]
        assert process.end()[0] == 0
        client.close()


def test_a_port_that_is_taken_is_said_with_the_remedy(project: Path, taken: int) -> None:
    code, said = ended("--project", str(project), "--port", str(taken), home=project)
    assert code == 1
    assert f"port {taken} on 127.0.0.1 cannot be listened on" in said and "--port" in said


def test_a_metrics_port_that_is_taken_is_said_with_the_remedy(project: Path, taken: int) -> None:
    code, said = ended("--project", str(project), "--port", "0", "--metrics-port", str(taken), home=project)
    assert code == 1
    assert f"port {taken} on 127.0.0.1 cannot be listened on" in said and "--metrics-port" in said
