"""Fixtures: a broker, and a database with the relations that messages pass through."""

from __future__ import annotations

import gc
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from jinja2 import Environment

from millstream.engine import deploy
from millstream.ingest import consumer
from millstream.ingest.offsets import install_partitions
from tests.databases import Databases
from tests.kafka.broker import Broker
from tests.kafka.shop import Shop
from tests.kafka.wire import Wire

ROOT = Path(__file__).parents[2]
RAW = "stg_events_raw_decoded"  # ephemeral: a part of the text of its readers


def model(folder: str, name: str) -> str:
    """The text of one of the project's models, as dbt renders it."""
    macros = "".join((ROOT / f"macros/{used}.sql").read_text() for used in ("id_or_null", "is_moment"))
    settings = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
    return (
        Environment(autoescape=False)  # noqa: S701 (SQL, not HTML)
        .from_string(macros + (ROOT / "sql" / folder / f"{name}.sql").read_text())
        .render(this=name, ref=str, var=settings.__getitem__, config=lambda **_: "")
    )


@pytest.fixture(scope="session")
def deployed(databases: Databases) -> str:
    """Name of a database with the relations, still empty."""
    name = databases.create()
    with deploy.connect(databases.dsn(name)) as conn:
        for source in ("events", "events_raw", "items", "inventory", "users"):
            deploy.deploy_table(conn, source, model("sources", source))
        for view in ("stg_events_raw_parsed", "stg_events_rejected"):
            text = f"with {RAW} as ({model('staging', RAW)}) {model('staging', view)}"
            deploy.deploy_view(conn, view, text)
        install_partitions(conn)
        deploy.deploy_sink(conn, "events_from_raw", model("staging", "events_from_raw"))
    return name


@pytest.fixture
def shop(databases: Databases, deployed: str, tmp_path: Path) -> Iterator[Shop]:
    """A copy of the database for the test alone; its worker runs when the test says so."""
    name = databases.create(template=deployed)
    with Shop(databases.dsn(name), tmp_path / "home") as made:
        yield made
    databases.drop(name)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Consumers of this process look again sooner than they need to."""
    monkeypatch.setattr(consumer, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(consumer, "RETRY_SECONDS", 0.1)


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    """Nothing that kafka-python leaves is found in another test: it keeps the sockets that a dead broker refused."""
    yield
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed <socket", ResourceWarning)
        gc.collect()
    for left in [each for each in gc.get_objects() if type(each) is socket.socket]:
        if left.fileno() != -1 and left.family == socket.AF_INET and left.getsockname()[0] == "0.0.0.0":
            left.close()


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    yield made.start()
    made.kill()


@pytest.fixture
def wired() -> Iterator[Broker]:
    """A broker whose every client comes over a wire that can be cut."""
    made = Broker()
    made.wire = Wire(made.port)
    made.wire.mend()
    yield made.start()
    made.wire.cut()
    made.kill()
