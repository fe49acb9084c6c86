"""One purchase: a row inserted by a client, and how long it takes until the list has changed."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

import psycopg

from millstream.demo.settings import LIST_ROWS
from millstream.demo.steps import DemoStep
from millstream.recommend.lists import Recommendation, recommend

FULL_LIST = 50
MIN_NEIGHBOURS = 5  # so that the purchase has something to say about other products


@dataclass(frozen=True)
class Purchase:
    """What was bought, the list before and after, and milliseconds from the commit to the changed list in hand."""

    bought: Recommendation
    before: list[Recommendation]
    after: list[Recommendation]
    milliseconds: float


def buy(
    step: DemoStep,
    owner: psycopg.Connection,
    writer: psycopg.Connection,
    reader: psycopg.Connection,
    user_id: str,
) -> Purchase:
    """Let a household buy something that it is recommended; check that its list changes, and why."""
    before = recommend(reader, user_id, FULL_LIST)
    bought = next(
        (row for row in before[:LIST_ROWS] if neighbours(reader, row.item_id) >= MIN_NEIGHBOURS), before[0]
    )
    row = owner.execute("select now from millstream.clock").fetchone()
    assert row is not None
    event_id = f"demo-{uuid.uuid4()}"
    writer.execute(
        "insert into events (event_id, event_type, user_id, session_id, item_id, quantity, occurred_at)"
        " values (%s, 'purchase', %s, %s, %s, 1, %s)",
        [event_id, user_id, event_id, bought.item_id, row[0]],
    )
    committed = time.perf_counter()
    writer.execute("call millstream.flush()")
    after = recommend(reader, user_id, FULL_LIST)
    milliseconds = (time.perf_counter() - committed) * 1000
    check(step, writer, reader, user_id, event_id, before, after, bought)
    return Purchase(bought, before, after, milliseconds)


def check(
    step: DemoStep,
    writer: psycopg.Connection,
    reader: psycopg.Connection,
    user_id: str,
    event_id: str,
    before: list[Recommendation],
    after: list[Recommendation],
    bought: Recommendation,
) -> None:
    """Check that the purchase is stored, keeps its item from being offered, and is the reason for what is new."""
    stored = writer.execute("select item_id from events where event_id = %s", [event_id]).fetchone()
    step.expect(stored == (bought.item_id,), "the event is not in the events relation")
    known = reader.execute(
        "select 1 from serve_bought_items where user_id = %s and item_id = %s", [user_id, bought.item_id]
    ).fetchone()
    step.expect(known is not None, f"the purchase of {bought.name} is not known when the list is read")
    step.expect(bought.item_id not in {row.item_id for row in after}, f"{bought.name} is still recommended")
    step.expect(len(after) == len(before), f"the list has {len(after)} rows and had {len(before)}")
    moments = (before[0].computed_at, after[0].computed_at)
    step.expect(
        None not in moments and moments[1] > moments[0],  # type: ignore[operator]
        f"the list was computed at {moments[0]} and again at {moments[1]}",
    )
    because = [row for row in after if row.reason_item_id == bought.item_id]
    step.expect(bool(because), f"nothing is recommended because of {bought.name}")


def neighbours(reader: psycopg.Connection, item_id: str) -> int:
    """How many items stand beside an item."""
    row = reader.execute(
        "select count(*) from serve_similar_items where shown_with_item_id = %s", [item_id]
    ).fetchone()
    return int(row[0]) if row else 0
