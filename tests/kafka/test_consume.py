"""Messages of a topic become events, each once."""

from __future__ import annotations

from tests.kafka.broker import Broker
from tests.kafka.shop import Shop, events


def test_every_message_becomes_an_event_once(broker: Broker, shop: Shop) -> None:
    broker.create("events", 3)
    broker.produce("events", events(0, 500))
    assert shop.consume(broker).messages == 500
    assert shop.consume(broker).messages == 0
    shop.shows(0, 500)
    broker.produce("events", events(500, 600))
    assert shop.consume(broker).messages == 100
    shop.shows(0, 600)
