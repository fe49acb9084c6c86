"""Messages that are no events: each is kept with its content and a reason, and stops nothing."""

from __future__ import annotations

import pytest

from tests.kafka import LEFT_BY_KAFKA_PYTHON
from tests.kafka.broker import Broker
from tests.kafka.shop import Shop, event

pytestmark = pytest.mark.filterwarnings(LEFT_BY_KAFKA_PYTHON)

NOT_JSON = "the payload is not JSON"
DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("value", "payload", "reason"),
    [
        (b"\xff\xfe{", "\\xfffe7b", NOT_JSON),
        (b'{"event_id": "\\\xff"}', "\\x7b226576656e745f6964223a20225cff227d", NOT_JSON),
        (b'{"event_id": "a\x00b"}', "\\x7b226576656e745f6964223a20226100" + "62227d", NOT_JSON),
        (b'{"event_id": "a\\u0000b"}', '{"event_id": "a\\u0000b"}', NOT_JSON),
        (b"", "", NOT_JSON),
        (b"click", "click", NOT_JSON),
        (None, None, NOT_JSON),
        (b"null", "null", "event_id is missing"),
        (b"[1, 2]", "[1, 2]", "event_id is missing"),
        (b'{"id": 1}', '{"id": 1}', "event_id is missing"),
    ],
    ids=["utf8", "backslash", "nul", "nul_escape", "empty", "text", "tombstone", "null", "array", "schema"],
)
def test_a_poisoned_message_is_rejected_alone(
    broker: Broker, shop: Shop, value: bytes | None, payload: str | None, reason: str
) -> None:
    broker.create("events")
    broker.produce("events", [event(0), (b"k", value), event(1)])
    assert shop.consume(broker).messages == 3
    assert shop.rejected() == [(payload, reason)]
    assert shop.values("select event_id from events order by 1") == ["e00000", "e00001"]


def test_a_huge_message_is_read_like_any_other(broker: Broker, shop: Shop) -> None:
    huge = event(1, referrer="x" * 1_500_000)
    broker.create("events")
    broker.produce("events", [event(0), huge, b"y" * 1_500_000, event(2)], max_request_size=3_000_000)
    shop.consume(broker)
    assert [(len(payload or ""), reason) for payload, reason in shop.rejected()] == [(1_500_000, NOT_JSON)]
    assert shop.values("select length(referrer) from events order by event_id") == [None, 1_500_000, None]


def test_nesting_without_end_does_not_stop_the_worker(broker: Broker, shop: Shop) -> None:
    harmless = event(2, referrer="[" * 600, attributes=[{}] * 600)
    broker.create("events")
    broker.produce("events", [event(0), DEEP, event(1), harmless])
    shop.consume(broker)
    assert shop.rejected() == [("\\x" + DEEP.hex(), NOT_JSON)]
    assert shop.values("select event_id from events order by 1") == ["e00000", "e00001", "e00002"]


def test_a_message_of_no_sensible_time_arrives_now(broker: Broker, shop: Shop) -> None:
    broker.create("events")
    for milliseconds in (-1, 4_102_444_800_000, 2**62):
        broker.produce_at("events", event(milliseconds % 1000), milliseconds)
    shop.consume(broker)
    shop.tick()
    assert (
        shop.values("select received_at between now() - interval '1 min' and now() from events_raw")
        == [True] * 3
    )
