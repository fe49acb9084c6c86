"""One history, watched on the recorded RisingWave and, when RISINGWAVE_DSN is set, on a real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from millstream.feeds import subscription
from millstream.feeds.change import Gone
from millstream.feeds.subscription import batches
from tests.feeds.shops import OnRisingWave, Recorded, Shop
from tests.feeds.tail import Tail


@pytest.fixture(params=[Recorded, OnRisingWave])
def shop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setattr(subscription, "CHECK_SECONDS", 0.05)
    with ExitStack() as stack:
        yield stack.enter_context(request.param())


def test_a_history_is_watched_from_its_rows_from_a_position_and_past_a_deployment(shop: Shop) -> None:
    shop.put("a", 10)
    shop.put("b", 500)
    with Tail(shop.dsn, shop.model, batches, snapshot=True) as found:
        found.has("+ a 10")
        shop.put("a", 20)
        found.has("+ a 10", "- a 10", "+ a 20")
        gone, come = found.changes[-2:]
        assert gone.tick == come.tick is not None
        assert gone.time is not None
        shop.put("b", 30)
        shop.put("a", None)
        found.has("+ a 10", "- a 10", "+ a 20", "+ b 30", "- a 20")
        with Tail(shop.dsn, shop.model, batches, after=come.tick) as later:
            later.has("+ b 30", "- a 20")
        with Tail(shop.dsn, shop.model, batches, after=found.changes[-1].tick) as last:
            shop.put("c", 5)
            last.has("+ c 5")
        before = found.changes[-1].tick
        shop.put("d", 600)
        shop.deploy(1000)
        found.reaches_lines("+ b 30", "+ c 5", "+ d 600")
        shop.put("d", None)
        found.reaches_lines("- d 600")
        assert [batch.anew for batch in found.batches if batch.anew] == [True]
    with pytest.raises(Gone, match="deployed again"):
        next(batches(shop.dsn, shop.model, after=before))
