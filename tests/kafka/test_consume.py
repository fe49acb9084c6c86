"""Messages of a topic become events, each once."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import psycopg
import pytest

from millstream.engine.inspect import status
from millstream.engine.inspect.metrics import EngineCollector
from millstream.errors import MillstreamError
from millstream.ingest.client import KafkaSettings, read_properties
from millstream.server.process import wait_until
from tests.engine.running import running
from tests.kafka import LEFT_BY_KAFKA_PYTHON
from tests.kafka.broker import Broker
from tests.kafka.shop import SECONDS, Shop, Told, event, events

pytestmark = pytest.mark.filterwarnings(LEFT_BY_KAFKA_PYTHON)


def test_every_message_becomes_an_event_once(broker: Broker, shop: Shop) -> None:
    broker.create("events", 3)
    broker.produce("events", events(0, 500))
    assert shop.consume(broker).messages == 500
    assert shop.consume(broker).messages == 0
    shop.shows(0, 500)
    broker.produce("events", events(500, 600))
    assert shop.consume(broker).messages == 100
    shop.shows(0, 600)


def test_a_message_says_where_it_came_from_and_when_it_arrived(broker: Broker, shop: Shop) -> None:
    broker.create("events", 2)
    broker.produce("events", [(b"ann", event(1)), (b"ann", event(2))])
    shop.consume(broker)
    shop.tick()
    rows = shop.conn.execute(
        "select source_partition, source_offset, received_at - now() between '-1 min' and '0 s' as is_recent"
        " from events_raw order by source_offset"
    ).fetchall()
    assert len({row["source_partition"] for row in rows} & {"0", "1"}) == 1  # one key, one partition
    assert [(row["source_offset"], row["is_recent"]) for row in rows] == [("0", True), ("1", True)]


def test_duplicates_and_disorder_change_nothing(broker: Broker, shop: Shop) -> None:
    broker.create("events", 2)
    messages = events(0, 40)
    broker.produce("events", [*reversed(messages), *messages, messages[7]])
    assert shop.consume(broker).messages == 81
    shop.tick()
    assert shop.values("select event_id from events order by event_id") == [f"e{n:05}" for n in range(40)]
    assert shop.values("select count(*) from stg_events_rejected") == [0]


def test_two_topics_feed_their_relations(broker: Broker, shop: Shop) -> None:
    for name, messages in (("web", events(0, 3)), ("app", events(3, 8))):
        broker.create(name)
        broker.produce(name, messages)
    assert shop.consume(broker, "web=events_raw", "app=public.events_raw").messages == 8
    shop.shows(0, 8)


def test_messages_are_seen_while_a_worker_runs(broker: Broker, shop: Shop) -> None:
    broker.create("events", 2)
    with running(shop.dsn), shop.consuming(broker) as told:
        assert wait_until(lambda: bool(told.of("assigned")), SECONDS)
        broker.produce("events", events(0, 50))
        assert wait_until(lambda: shop.values("select count(*) from events") == [50], SECONDS)
    assert shop.values("select sum(messages)::int from millstream.kafka_partition") == [50]


def test_reading_waits_for_the_worker_and_goes_on(broker: Broker, shop: Shop) -> None:
    broker.create("events")
    broker.produce("events", events(0, 400))
    told, stop = Told(), threading.Event()
    options = {"told": told, "stop": stop, "batch": 50, "max_queued": 100}
    reader = threading.Thread(target=lambda: shop.consume(broker, **options))
    reader.start()
    try:
        assert wait_until(lambda: bool(told.of("trouble")), SECONDS)
        assert 100 <= shop.queued() <= 150
        assert "wait for the worker" in told.of("trouble")[0]
        with running(shop.dsn):
            reader.join(SECONDS)
        assert not reader.is_alive()
    finally:
        stop.set()
        reader.join()
    shop.shows(0, 400)
    assert "goes on" in told.of("recovered")[0]


def test_latest_begins_after_what_is_there(broker: Broker, shop: Shop) -> None:
    broker.create("events")
    broker.produce("events", events(0, 1))
    assert shop.consume(broker, begin="latest").messages == 0
    broker.produce("events", events(1, 3))
    assert shop.consume(broker, begin="latest").messages == 2
    shop.shows(1, 3)


def test_the_lag_can_be_watched(broker: Broker, shop: Shop) -> None:
    broker.create("events")
    broker.produce("events", events(0, 30))
    shop.consume(broker, batch=10)
    broker.produce("events", events(30, 40))
    shop.conn.execute(
        "update millstream.kafka_partition set log_end = 40"
    )  # as a consumer that is busy sees it
    with psycopg.connect(shop.dsn) as conn:
        state = status.read(conn)
    assert state["kafka"] == [
        {"relation": "events_raw", "topic": "events", "partition": 0, "messages": 30, "lag": 10}
    ]
    found = {
        sample.name: sample.value
        for family in EngineCollector(lambda: state).collect()
        for sample in family.samples
        if sample.name.startswith("millstream_kafka")
    }
    assert found == {"millstream_kafka_lag": 10, "millstream_kafka_messages_total": 30}
    shop.consume(broker)
    assert shop.values("select log_end - next_offset from millstream.kafka_partition") == [0]


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("events=nowhere", "no source relation nowhere is deployed"),
        ("events=events", "it has no column payload"),
        ("events", "is not TOPIC=RELATION"),
    ],
)
def test_a_topic_without_a_place_to_go_is_refused(broker: Broker, shop: Shop, topic: str, said: str) -> None:
    with pytest.raises(MillstreamError, match=f"(?s){said}.*hint: "):
        shop.consume(broker, topic)


def test_the_command_tells_programs_what_it_does_and_ends_when_asked(broker: Broker, shop: Shop) -> None:
    broker.create("events")
    broker.produce("events", events(0, 5))
    command = shop.start(broker)
    assert shop.is_read(5)
    assert command.end(signal.SIGTERM) == 0
    assert command.errors == ""
    done = command.lines[-1]
    assert (done["kind"], done["messages"], done["refused"]) == ("done", 5, 0)
    assert json.loads(json.dumps(command.of("assigned"))) == ["reading events/0 from offset 0"]
    shop.shows(0, 5)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("group.id=mine", "is set by millstream"),
        ("no.such.setting=1", "has no setting no_such_setting"),
        ("session.timeout.ms=soon", "must be a whole number"),
        ("security.protocol", "is not NAME=VALUE"),
    ],
)
def test_settings_that_are_none_are_refused(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "kafka.properties"
    file.write_text(f"# comment\n\n{line}\n")
    with pytest.raises(MillstreamError, match=said):
        KafkaSettings("localhost:9092", "millstream", read_properties([], file)).consumer(1, grouped=True)


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "kafka.properties"
    file.write_text("client.id = shop \nsasl.plain.password=a=b\n")
    assert read_properties(["client-id=mine"], file) == {"client_id": "mine", "sasl_plain_password": "a=b"}
