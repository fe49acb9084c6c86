"""What a producer's transaction holds is read when it was committed, and never when it was aborted."""

from __future__ import annotations

import pytest
from kafka import KafkaProducer
from kafka.protocol.consumer import FetchResponse

from millstream.ingest import consumer
from tests.kafka import LEFT_BY_KAFKA_PYTHON
from tests.kafka.broker import Broker
from tests.kafka.gateway import Gateway
from tests.kafka.shop import Shop, Told, event

pytestmark = pytest.mark.filterwarnings(LEFT_BY_KAFKA_PYTHON)


def in_transactions(broker: Broker, fates: list[bool | None]) -> KafkaProducer:
    """Send two messages in each: committed (True), aborted (False) or left open (None). Gives the producer."""
    producer = KafkaProducer(bootstrap_servers=broker.address, transactional_id="shop", acks="all")
    producer.init_transactions()
    for number, fate in enumerate(fates):
        producer.begin_transaction()
        for part in range(2):
            producer.send("events", value=event(10 * number + part))
        producer.flush()
        if fate is not None:
            (producer.commit_transaction if fate else producer.abort_transaction)()
    return producer


def test_aborted_messages_are_not_read(shop: Shop) -> None:
    def list_aborted(answer: object) -> None:
        """Say what Kafka says and the test broker does not: which transaction was aborted."""
        for topic in answer.responses:  # type: ignore[attr-defined]
            for part in topic.partitions:
                part.aborted_transactions = [
                    FetchResponse.FetchableTopicResponse.PartitionData.AbortedTransaction(
                        producer_id=ids[0], first_offset=3
                    )
                ]

    broker = Broker()
    ids: list[int] = []
    with Gateway(broker.port, changes={FetchResponse: list_aborted}) as gateway:
        broker.wire = gateway
        broker.start()
        try:
            broker.create("events")
            producer = in_transactions(broker, [True, False, True])
            ids.append(producer._transaction_manager.producer_id_and_epoch.producer_id)
            producer.close()
            assert shop.consume(broker).messages == 4
            assert shop.consume(broker).messages == 0
        finally:
            broker.kill()
    shop.tick()
    wanted = ["e00000", "e00001", "e00020", "e00021"]
    assert shop.values("select event_id from events order by event_id") == wanted


def test_a_run_that_is_to_end_does_not_wait_for_an_open_transaction(
    broker: Broker, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "STILL_SECONDS", 0.5)
    broker.create("events")
    producer = in_transactions(broker, [True, None])
    told = Told()
    assert shop.consume(broker, told=told).messages == 2
    assert "transaction is still open" in told.of("open")[0]
    producer.commit_transaction()
    producer.close()
    assert shop.consume(broker).messages == 2
