"""`millstream metrics`: one scrape on the terminal, and the page that Prometheus reads."""

from __future__ import annotations

import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from millstream.cli.status import read_engine
from millstream.engine.inspect.metrics import EngineCollector, HostCollector
from millstream.server.process import wait_until
from tests.cli.program import Program
from tests.databases import Databases
from tests.equivalence.engine import Engine
from tests.production.files import DEPLOY, guide
from tests.production.test_watching import metrics_in

CONFIG = DEPLOY / "prometheus" / "embedded.yml"


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
    assert found["millstream_connections_limit{millstream_reader}"] == 100
    assert found["millstream_connections{millstream}"] >= 2  # the worker's, and ours


def test_without_a_server_that_is_what_it_says(fresh: Program) -> None:
    found = samples(fresh("metrics").stdout)
    assert found.pop("millstream_server_up") == 0
    assert 0 < found["millstream_disk_free_bytes"] < found["millstream_disk_size_bytes"]
    assert set(found) == {"millstream_disk_free_bytes", "millstream_disk_size_bytes"}


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


@pytest.fixture(scope="module")
def page(databases: Databases) -> str:
    """The metrics of an engine that has ticked, with a row that waits for the next tick."""
    name = databases.create()
    with Engine(databases.dsn(name)) as engine:
        engine.deploy_table("clicks", "create table clicks (click_id varchar primary key, item_id varchar)")
        engine.deploy_view("counts", "select item_id, count(*) as clicks from clicks group by item_id")
        engine.write("insert into clicks values ('1', 'a'), ('2', 'a'), ('3', 'b')")
        engine.tick(datetime(2026, 1, 1, tzinfo=UTC))
        engine.worker.housekeep()  # which a running worker does every two seconds
        engine.write("insert into clicks values ('4', 'b')")
        registry = CollectorRegistry()
        registry.register(EngineCollector(lambda: read_engine(engine.dsn)))
        registry.register(HostCollector(lambda: {"free": 1, "size": 2, "certificate": 3.0}))
        text = generate_latest(registry).decode()
    databases.drop(name)
    return text


@pytest.fixture(scope="module")
def exported(page: str) -> set[str]:
    """Names of the samples of an engine, also of those that it has none of yet."""
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(page)
    }


def test_what_waits_and_what_ticks_did_is_told(page: str) -> None:
    found = samples(page)
    assert found["millstream_queued_rows{clicks}"] == 1
    assert found["millstream_view_changes_total{counts}"] == 2
    assert found["millstream_view_bytes{counts}"] > 0
    assert 0 < found["millstream_tick_seconds{0.5}"] <= found["millstream_tick_seconds{0.99}"] < 60
    assert 0 <= found["millstream_last_tick_age_seconds"] < 60


def rules() -> list[dict[str, str]]:
    """The alerts of an embedded engine."""
    [file] = yaml.safe_load(CONFIG.read_text())["rule_files"]
    return [
        rule
        for group in yaml.safe_load(CONFIG.with_name(file).read_text())["groups"]
        for rule in group["rules"]
    ]


def test_an_alert_on_the_engine_is_about_what_it_exports(exported: set[str]) -> None:
    assert len(rules()) > 5
    unknown = {rule["alert"]: metrics_in(rule["expr"]) - exported - {"up"} for rule in rules()}
    assert {alert: names for alert, names in unknown.items() if names} == {}


def test_the_guide_tells_every_metric_and_alert_of_the_engine(exported: set[str]) -> None:
    text = guide()
    told = set(
        re.findall(r"`(millstream_[a-z_]+)`", text[text.index("## The embedded engine in a Prometheus") :])
    )
    roles = {"millstream_writer", "millstream_reader", "millstream_monitor"}
    assert told - roles == exported
    for rule in rules():
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]  # type: ignore[index]
        assert f"`{rule['alert']}`" in text


def test_the_scrape_of_the_guide_is_that_of_the_file() -> None:
    text = guide()
    block = re.findall(r"^    scrape_configs:\n(?:    .*\n)+", text, re.M)[0]
    assert yaml.safe_load(block)["scrape_configs"] == yaml.safe_load(CONFIG.read_text())["scrape_configs"]
    [job] = yaml.safe_load(CONFIG.read_text())["scrape_configs"]
    assert f"millstream metrics --port {job['static_configs'][0]['targets'][0].split(':')[1]}" in text
