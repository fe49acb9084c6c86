"""Loaders send an event log to a topic, and the consumer makes events of it again."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from loaders.commands.load import load
from loaders.commands.replay import replay
from loaders.formats.registry import open_source
from loaders.kafka.address import KafkaAddress, read_address
from loaders.kafka.send import send_to_kafka
from loaders.kafka.topic import DEFAULTS, KafkaTopic
from loaders.loading.schedule import Schedule
from loaders.schema.errors import LoaderError
from loaders.schema.rows import event
from millstream.server.process import wait_until
from tests.engine.running import running
from tests.kafka import LEFT_BY_KAFKA_PYTHON
from tests.kafka.broker import Broker
from tests.kafka.shop import Shop
from tests.loaders.logs import NOON, fields, write_jsonl

pytestmark = pytest.mark.filterwarnings(LEFT_BY_KAFKA_PYTHON)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MILLSTREAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--no-progress"])


def to(broker: Broker) -> str:
    return f"kafka://{broker.address}/events"


def test_a_log_goes_through_kafka_into_events_unchanged(broker: Broker, shop: Shop, tmp_path: Path) -> None:
    full = fields(7) | {
        "user_id": None,
        "anonymous_id": "visitor",
        "price": 2.5,
        "quantity": 3,
        "consent": True,
    }
    path = write_jsonl(tmp_path / "log.jsonl", [*(fields(number) for number in range(7)), full, "{broken"])
    result = run(load, "jsonl", str(path), "--to", to(broker), "--partitions", "3")
    assert result.exit_code == 0, result.output
    assert f"8 events sent to {to(broker)}" in result.output
    assert "1 row rejected" in result.output
    assert shop.consume(broker).messages == 8
    shop.tick()
    assert shop.rejected() == []
    rows = shop.conn.execute(
        "select event_id, occurred_at, anonymous_id, price, quantity, consent from events order by event_id"
    ).fetchall()
    assert [row["event_id"] for row in rows] == [f"e{number:06}" for number in range(8)]
    assert rows[0]["occurred_at"] == NOON
    assert [rows[7][name] for name in ("anonymous_id", "price", "quantity", "consent")] == [
        "visitor",
        2.5,
        3,
        True,
    ]


def test_a_load_that_is_repeated_counts_once(broker: Broker, shop: Shop, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(20)])
    for _ in range(2):
        assert run(load, "jsonl", str(path), "--to", to(broker), "--partitions", "1").exit_code == 0
    assert shop.consume(broker).messages == 40
    shop.tick()
    assert shop.values("select count(*) from events") == [20]


def test_the_events_of_a_person_are_in_one_partition_in_their_order(
    broker: Broker, shop: Shop, tmp_path: Path
) -> None:
    log = [fields(number) | {"user_id": f"user-{number % 5}"} for number in range(60)]
    path = write_jsonl(tmp_path / "log.jsonl", log)
    run(load, "jsonl", str(path), "--to", to(broker), "--partitions", "3")
    shop.consume(broker)
    shop.tick()
    rows = shop.conn.execute(
        "select payload::jsonb ->> 'user_id' as person, source_partition, payload::jsonb ->> 'event_id' as id"
        " from events_raw order by source_partition, source_offset::int"
    ).fetchall()
    for person in {row["person"] for row in rows}:
        mine = [row for row in rows if row["person"] == person]
        assert len({row["source_partition"] for row in mine}) == 1
        assert [row["id"] for row in mine] == sorted(row["id"] for row in mine)


def test_a_log_is_moved_and_paced_like_one_for_the_server(broker: Broker, shop: Shop, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(20)])
    began = time.monotonic()
    sent = json.loads(
        run(
            load,
            "jsonl",
            str(path),
            "--to",
            to(broker),
            "--partitions",
            "1",
            "--rate",
            "40",
            "--shift-to",
            "now",
            "--json",
        ).stdout
    )
    assert time.monotonic() - began >= 19 / 40
    assert sent["sent"] == 20
    assert abs(datetime.fromisoformat(sent["last_event_at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    again = json.loads(
        run(
            replay, "jsonl", str(path), "--to", to(broker), "--speed", "1000x", "--stamp-now", "--json"
        ).stdout
    )
    assert (again["sent"], again["stopped"]) == (20, False)
    assert abs(datetime.fromisoformat(again["first_event_at"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_catalogue_goes_to_the_server_that_is_named(broker: Broker, shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "oct.csv"
    path.write_text(
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2019-10-01 00:00:05 UTC,view,17,9,appliances.environment.water_heater,aqua,33.20,7,s1\n"
    )
    with running(shop.dsn):
        result = run(load, "rees46", str(path), "--to", to(broker), "--partitions", "1", "--dsn", shop.dsn)
        assert result.exit_code == 0, result.output
        assert wait_until(lambda: shop.values("select name from items") == ["Aqua water heater 17"], 20)
    assert shop.consume(broker).messages == 1


def test_a_replay_that_is_stopped_has_sent_what_it_says(broker: Broker, tmp_path: Path) -> None:
    broker.create("events")
    path = write_jsonl(tmp_path / "log.jsonl", [fields(number) for number in range(50)])
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with KafkaTopic(read_address(to(broker))) as topic:
        sent = send_to_kafka(
            topic, open_source("jsonl", path), schedule=Schedule(None, 50), stop=stop, show_progress=False
        )
    assert sent.stopped
    assert 0 < sent.sent < 50


def test_no_more_events_are_under_way_than_may(broker: Broker) -> None:
    broker.create("events")
    with KafkaTopic(read_address(to(broker)), in_flight=3) as topic:
        most = 0
        for number in range(50):
            topic.send(event(f"e{number}", "view_item", NOON, user_id="ann"))
            most = max(most, number + 1 - topic.acknowledged)
        topic.flush()
        assert topic.acknowledged == 50
    assert most <= 4  # the last one counted may have been acknowledged and not yet counted


def test_an_event_that_no_broker_takes_is_rejected_alone(broker: Broker, tmp_path: Path, home: Path) -> None:
    path = write_jsonl(
        tmp_path / "log.jsonl", [fields(0), fields(1) | {"referrer": "x" * 2_000_000}, fields(2)]
    )
    result = run(load, "jsonl", str(path), "--to", to(broker), "--partitions", "1")
    assert "2 events sent" in result.output
    assert "too large for Kafka" in result.output
    assert json.loads((home / "rejects" / "jsonl.jsonl").read_text())["payload"] == "event_id=e000001"


def test_a_missing_topic_is_refused_with_the_remedy(broker: Broker, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(0)])
    result = run(load, "jsonl", str(path), "--to", to(broker))
    assert result.exit_code == 1
    assert "there is no topic events" in result.output
    assert "--partitions" in result.output


def test_a_broker_that_is_away_is_refused_with_the_remedy(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loaders.kafka.topic.BOOTSTRAP_MS", 500)
    broker.kill()
    path = write_jsonl(tmp_path / "log.jsonl", [fields(0)])
    result = run(load, "jsonl", str(path), "--to", to(broker))
    assert result.exit_code == 1
    assert f"no broker answers at {broker.address}" in result.output
    assert "start Kafka, or correct --to" in result.output


def test_a_broker_that_goes_away_says_how_much_it_has(wired: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DEFAULTS, "delivery_timeout_ms", 1_000)
    monkeypatch.setitem(DEFAULTS, "request_timeout_ms", 500)
    assert wired.wire is not None
    wired.create("events")
    with (
        pytest.raises(LoaderError, match="after 1 of them .*repeat the command"),
        KafkaTopic(read_address(to(wired))) as topic,
    ):
        topic.send(event("e0", "view_item", NOON, user_id="ann"))
        topic.flush()
        wired.wire.cut()
        topic.send(event("e1", "view_item", NOON, user_id="ann"))
        topic.flush()


@pytest.mark.parametrize(
    "text", ["localhost:9092/events", "kafka://localhost/events", "kafka://a:1/", "kafka://a:1/b c"]
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(LoaderError, match="such as kafka://localhost:9092/events"):
        read_address(text)


def test_an_address_names_brokers_and_a_topic() -> None:
    address = read_address("kafka://kafka-1:9092,[::1]:9093/shop.events")
    assert address == KafkaAddress(("kafka-1:9092", "[::1]:9093"), "shop.events")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("acks=0", "set by the loader"),
        ("no.such.setting=1", "no setting no_such_setting"),
        ("linger.ms=soon", "a whole number"),
        ("security.protocol", "is not NAME=VALUE"),
    ],
)
def test_settings_that_are_none_are_refused(broker: Broker, tmp_path: Path, line: str, said: str) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [fields(0)])
    settings = tmp_path / "kafka.properties"
    settings.write_text(f"# comment\n\n{line}\n")
    result = run(load, "jsonl", str(path), "--to", to(broker), "--properties", str(settings))
    assert result.exit_code == 1
    assert said in result.output
