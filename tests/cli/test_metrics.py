"""`millstream metrics`: one scrape on the terminal, and the page that Prometheus reads."""

from __future__ import annotations

import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client.parser import text_string_to_metric_families

from millstream.server.process import wait_until
from tests.cli.program import Program


def samples(text: str) -> dict[str, float]:
    """Name with labels → value, as Prometheus reads it."""
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@contextmanager
def taken_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def test_one_scrape_is_printed(running: Program) -> None:
    answer = running("metrics")
    assert answer.returncode == 0, answer.stderr
    found = samples(answer.stdout)
    assert (found["millstream_server_up"], found["millstream_worker_up"]) == (1, 1)
    assert found["millstream_dead_rows"] == 0
    assert "millstream_ticks_total" in found


def test_without_a_server_that_is_what_it_says(fresh: Program) -> None:
    assert samples(fresh("metrics").stdout) == {"millstream_server_up": 0}


def test_the_page_is_served_until_it_is_stopped(running: Program) -> None:
    with taken_port() as port:
        pass
    process = running.start("metrics", "--port", str(port))
    pages: list[str] = []

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
                pages.append(page.read().decode())
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    try:
        assert wait_until(answers, 60)
        assert samples(pages[0])["millstream_server_up"] == 1
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, out + err


def test_a_port_that_is_taken_is_said(running: Program) -> None:
    with taken_port() as port:
        answer = running("metrics", "--port", str(port))
    assert answer.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be listened on" in answer.stderr
