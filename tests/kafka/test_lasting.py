"""What waiting does not mend ends the consumer with the remedy; what was read before it is kept."""

from __future__ import annotations

import threading

import pytest
from kafka import KafkaConsumer, codec, errors
from kafka.admin import KafkaAdminClient
from kafka.record.default_records import DefaultRecordBatch

from millstream.errors import MillstreamError
from millstream.ingest import consumer
from millstream.ingest.lasting import Lasting
from tests.kafka import LEFT_BY_KAFKA_PYTHON
from tests.kafka.broker import Broker
from tests.kafka.shop import Shop, Told, event, events

pytestmark = pytest.mark.filterwarnings(LEFT_BY_KAFKA_PYTHON)


@pytest.mark.parametrize("name", ["gzip", "lz4", "snappy", "zstd"])
def test_every_codec_of_kafka_is_read(broker: Broker, shop: Shop, name: str) -> None:
    broker.create("events")
    broker.produce("events", events(0, 50), compression_type=name)
    assert shop.consume(broker).messages == 50
    shop.shows(0, 50)


@pytest.mark.parametrize("once", [True, False])
def test_a_codec_that_is_not_installed_ends_with_what_installs_it(
    broker: Broker, shop: Shop, monkeypatch: pytest.MonkeyPatch, once: bool
) -> None:
    broker.create("events")
    broker.produce("events", events(0, 10))
    broker.produce("events", events(10, 20), compression_type="zstd")
    monkeypatch.setattr(codec, "zstd", None)
    told = Told()
    with pytest.raises(Lasting, match="zstd") as caught:
        shop.consume(broker, told=told, once=once, stop=threading.Event())
    assert "pip install 'millstream[kafka]'" in str(caught.value)
    assert told.of("trouble") == [], "the broker is not to blame"
    monkeypatch.undo()
    assert shop.consume(broker).messages == 10, "what was good is read, and counts once"
    shop.shows(0, 20)


def test_a_corrupt_batch_ends_with_its_place(
    broker: Broker, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.create("events")
    broker.produce("events", [event(1)])
    monkeypatch.setattr(DefaultRecordBatch, "validate_crc", lambda _: False)
    with pytest.raises(Lasting, match=r"corrupt \(CorruptRecordError: .*events\[0\] at offset 0") as caught:
        shop.consume(broker)
    assert "millstream.kafka_partition" in str(caught.value)


def test_content_that_its_codec_cannot_read_ends_without_a_traceback(
    broker: Broker, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> bytes:
        raise RuntimeError("LZ4F_decompress failed")

    broker.create("events")
    broker.produce("events", events(0, 9), compression_type="lz4")
    monkeypatch.setattr("kafka.record.default_records.lz4_decode", broken)
    with pytest.raises(Lasting, match="cannot be decoded"):
        shop.consume(broker)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (errors.TopicAuthorizationFailedError({"events"}), "READ and DESCRIBE"),
        (errors.GroupAuthorizationFailedError("millstream"), "READ the group"),
        (errors.SaslAuthenticationFailedError("no"), "user, password and sasl.mechanism"),
        (errors.UnsupportedSaslMechanismError("no"), "sasl.mechanism"),
        (errors.UnsupportedVersionError("no"), "newer"),
        (errors.UnsupportedForMessageFormatError("no"), "newer"),
        (errors.UnrecognizedBrokerVersion("no"), "newer"),
        (errors.InconsistentGroupProtocolError("no"), "--group"),
        (errors.InvalidTopicError("no"), "name"),
        (errors.KafkaConfigurationError("no"), "--property"),
        (ValueError("cannot decode record with magic 7"), "millstream.kafka_partition"),
    ],
)
def test_an_error_that_lasts_ends_with_its_remedy(
    broker: Broker, shop: Shop, monkeypatch: pytest.MonkeyPatch, error: Exception, remedy: str
) -> None:
    def poll(*_: object, **__: object) -> None:
        raise type(error)(*error.args)  # one that goes with the test, and what its traceback holds

    broker.create("events")
    monkeypatch.setattr(KafkaConsumer, "poll", poll)
    with pytest.raises(Lasting) as caught:
        shop.consume(broker)
    assert remedy in str(caught.value).split("hint:")[1]


def test_a_topic_that_the_user_may_not_see_ends_with_the_grants(
    broker: Broker, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = [{"error_code": 29, "name": "events", "partitions": [], "topic_id": None}]
    monkeypatch.setattr(KafkaAdminClient, "describe_topics", lambda *_: refused)
    with pytest.raises(Lasting, match="events") as caught:
        shop.consume(broker)
    assert "READ and DESCRIBE" in str(caught.value)


@pytest.mark.parametrize("has_broker", [True, False])
def test_a_run_that_is_to_end_does_not_wait_for_ever(
    broker: Broker, shop: Shop, monkeypatch: pytest.MonkeyPatch, has_broker: bool
) -> None:
    monkeypatch.setattr(consumer, "ONCE_SECONDS", 1.0)
    if not has_broker:
        broker.kill()
    said = "there is no topic events" if has_broker else "does not answer"
    with pytest.raises(MillstreamError, match=f"nothing could be read for 1 s: .*{said}"):
        shop.consume(broker)
