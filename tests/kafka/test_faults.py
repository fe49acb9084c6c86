"""What goes away is said once and waited for; nothing is lost and nothing comes twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from millstream.engine import deploy
from millstream.ingest import assignment
from millstream.ingest.assignment import Lost
from millstream.ingest.offsets import Offsets, PartitionId
from millstream.server.process import wait_until
from tests.kafka import LEFT_BY_KAFKA_PYTHON
from tests.kafka.broker import Broker
from tests.kafka.shop import SECONDS, Shop, Told, event, events

pytestmark = pytest.mark.filterwarnings(LEFT_BY_KAFKA_PYTHON)

WORKER = """
import sys, threading
from millstream.engine.tick.worker import Worker

with Worker(sys.argv[1]) as worker:
    worker.run(threading.Event())
"""


def test_a_broker_that_is_away_at_the_start_is_waited_for(broker: Broker, shop: Shop) -> None:
    broker.kill()
    told, stop = Told(), threading.Event()
    reader = threading.Thread(target=lambda: shop.consume(broker, told=told, stop=stop))
    reader.start()
    try:
        assert wait_until(lambda: bool(told.of("trouble")), SECONDS)
        assert f"Kafka at {broker.address} does not answer" in told.of("trouble")[0]
        assert "--brokers" in told.of("trouble")[0]
        broker.start()
        assert wait_until(lambda: len(told.of("trouble")) == 2, SECONDS), told.lines
        assert "there is no topic events" in told.of("trouble")[1]
        assert "make it" in told.of("trouble")[1]
        broker.create("events")
        broker.produce("events", events(0, 10))
        assert shop.is_read(10)
    finally:
        stop.set()
        reader.join()
    assert len(told.of("trouble")) == 2
    assert ["Kafka" in told.of("recovered")[0], "topic events is there" in told.of("recovered")[1]] == [
        True
    ] * 2
    shop.shows(0, 10)


def test_a_broker_that_is_lost_in_mid_stream_is_waited_for(wired: Broker, shop: Shop) -> None:
    assert wired.wire is not None
    wired.create("events", 2)
    wired.produce("events", events(0, 100))
    with shop.consuming(wired) as told:
        assert shop.is_read(100)
        wired.wire.cut()
        assert wait_until(lambda: bool(told.of("trouble")), SECONDS)
        wired.wire.mend()
        assert wait_until(lambda: bool(told.of("recovered")), SECONDS)
        wired.produce("events", events(100, 150))
        assert shop.is_read(150)
    assert [text.split(" ")[0] for text in told.of("trouble")] == ["Kafka"]
    shop.shows(0, 150)


def test_a_killed_consumer_and_a_killed_worker_lose_and_double_nothing(broker: Broker, shop: Shop) -> None:
    broker.create("events", 3)
    broker.produce("events", events(0, 3_000))
    read = "select coalesce(sum(messages), 0)::int from millstream.kafka_partition"
    worker = subprocess.Popen([sys.executable, "-c", WORKER, shop.dsn])
    try:
        for _ in range(2):
            before = shop.values(read)[0]
            command = shop.start(broker, "--once", "--batch", "7")
            assert wait_until(lambda before=before: shop.values(read)[0] > before, SECONDS)
            command.end(signal.SIGKILL)
        assert 0 < shop.values(read)[0] < 3_000
        assert worker.poll() is None
    finally:
        worker.kill()
        worker.wait()
    assert shop.consume(broker).messages > 0
    assert shop.values(read) == [3_000]
    shop.shows(0, 3_000)


def test_a_lost_database_is_waited_for(broker: Broker, shop: Shop) -> None:
    broker.create("events", 2)
    broker.produce("events", events(0, 900))
    told = Told()
    reader = threading.Thread(target=lambda: shop.consume(broker, told=told, batch=5))
    reader.start()
    for part in (200, 400, 600):
        assert shop.is_read(part)
        shop.conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
            " and pid <> pg_backend_pid()"
        )
    reader.join(SECONDS)
    assert shop.is_read(900)
    assert "the database does not take messages" in told.of("trouble")[0]
    assert "the database answers again" in told.of("recovered")[0]
    shop.shows(0, 900)


def test_a_consumer_that_lost_its_partition_writes_nothing(
    broker: Broker, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assignment, "FENCED_SECONDS", 1.0)
    broker.create("events")
    broker.produce("events", events(0, 10))
    with shop.consuming(broker) as told:
        assert shop.is_read(10)
        with shop.connect() as conn:
            offsets = Offsets(conn, "public", "events_raw")
            taken = offsets.claim(PartitionId("events", 0), "another")
        assert taken.next_offset == 10
        broker.produce("events", events(10, 30))
        assert wait_until(lambda: bool(told.of("fenced")), SECONDS)
        assert shop.values("select next_offset from millstream.kafka_partition") == [10]
        assert shop.is_read(30)  # the other one never wrote, and the group still says that it is ours
    shop.shows(0, 30)


def test_two_consumers_share_the_partitions_and_one_takes_over(broker: Broker, shop: Shop) -> None:
    broker.create("events", 4)
    holders = "select distinct claimed_by from millstream.kafka_partition"
    first = shop.start(broker, "--batch", "10")
    assert first.says("assigned")
    broker.produce("events", events(0, 300))
    second = shop.start(broker, "--batch", "10")
    assert second.says("assigned")
    broker.produce("events", events(300, 600))
    assert shop.is_read(600)
    assert len(shop.values(holders)) == 2
    first.end(signal.SIGTERM)
    broker.produce("events", events(600, 800))
    assert shop.is_read(800)
    assert second.end(signal.SIGTERM) == 0
    shop.shows(0, 800)


def test_a_topic_that_was_made_again_stops_the_consumer_until_it_is_told_where_to_go_on(
    broker: Broker, shop: Shop
) -> None:
    broker.create("events", 2)
    broker.produce("events", events(0, 20))
    shop.consume(broker)
    broker.restart()  # with nothing in its memory
    broker.create("events", 2)
    broker.produce("events", events(10, 60))
    stopped = shop.start(broker, "--once")
    assert stopped.wait() == 1
    assert "was deleted and made again" in stopped.errors
    assert "--from earliest" in stopped.errors
    told = Told()
    assert shop.consume(broker, begin="earliest", told=told).messages == 50
    assert len(told.of("reset")) == 2
    shop.tick()
    assert shop.values("select count(*) from events") == [60]  # 10 of them came a second time


def test_a_topic_that_is_made_again_under_a_running_consumer_is_noticed(broker: Broker, shop: Shop) -> None:
    broker.create("events")
    broker.produce("events", events(0, 5))
    with pytest.raises(Lost, match="made again"), shop.consuming(broker) as told:
        assert shop.is_read(5)
        broker.delete("events")
        assert wait_until(lambda: bool(told.of("trouble")), SECONDS)
        assert "there is no topic events" in told.of("trouble")[0]
        broker.create("events")
        assert told.has_ended.wait(SECONDS)


def test_an_offset_beyond_the_end_of_the_log_is_not_passed_over(
    broker: Broker, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assignment, "SHORT_SECONDS", 0.5)
    broker.create("events")
    broker.produce("events", events(0, 5))
    shop.consume(broker)
    shop.conn.execute("update millstream.kafka_partition set next_offset = 100")
    with pytest.raises(Lost, match="its log ends at 5, before offset 100"):
        shop.consume(broker)
    assert shop.consume(broker, begin="earliest").messages == 5
    shop.tick()
    assert shop.values("select count(*) from events") == [5]


def test_a_message_that_the_relation_refuses_is_a_dead_row(broker: Broker, shop: Shop) -> None:
    with deploy.connect(shop.dsn) as conn:
        deploy.deploy_table(conn, "strict", "create table strict (payload varchar not null)")
    broker.create("events")
    broker.produce("events", [event(0), (b"k", None), event(1), event(2)])
    told = Told()
    assert shop.consume(broker, "events=strict", told=told).refused == 1
    assert "millstream.dead_row" in told.of("refused")[0]
    shop.tick()
    assert shop.values("select count(*) from strict") == [3]
    (dead,) = shop.conn.execute("select relation, error, payload from millstream.dead_row").fetchall()
    assert dead["relation"] == "strict"
    assert 'null value in column "payload"' in dead["error"]
    assert dead["payload"] == {"topic": "events", "partition": 0, "offset": 1, "key": "k", "payload": None}


def test_a_relation_that_is_dropped_under_a_running_consumer_is_waited_for(
    broker: Broker, shop: Shop
) -> None:
    ddl = "create table side (payload varchar)"
    with deploy.connect(shop.dsn) as conn:
        deploy.deploy_table(conn, "side", ddl)
        broker.create("events")
        with shop.consuming(broker, "events=side") as told:
            assert wait_until(lambda: bool(told.of("assigned")), SECONDS)
            deploy.drop(conn, "side")
            broker.produce("events", events(0, 4))
            assert wait_until(lambda: bool(told.of("trouble")), SECONDS)
            deploy.deploy_table(conn, "side", ddl)
            assert shop.is_read(4)
    shop.tick()
    assert shop.values("select count(*) from side") == [4]


def test_without_kafka_python_the_command_names_the_remedy(shop: Shop) -> None:
    program = "import sys; sys.modules['kafka'] = None; from millstream.cli import main; main(['consume'])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert "pip install 'millstream[kafka]'" in answer.stderr
