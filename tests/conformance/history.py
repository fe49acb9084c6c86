"""What both engines are put through: sources, models, and steps. A step is some statements and a FLUSH, which is a tick.

Times are ages in seconds at the start of the history, and every comparison with now() is decided by more than LATE, so that
a cluster's wall clock and the tests' clock agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.equivalence.cases import Change, Delete, Insert, Update
from tests.equivalence.schema import Column, Table

WINDOW = 60
"""Seconds of the temporal filter."""
LATE = 20.0
"""Seconds that a cluster's clock may be ahead of the history's before a row leaves the window too early."""

EVENTS = Table(
    "events",
    (
        Column("event_id", "varchar"),
        Column("user_id", "varchar"),
        Column("item_id", "varchar"),
        Column("kind", "varchar"),
        Column("price", "double precision"),
        Column("occurred_at", "timestamptz"),
    ),
    ("event_id",),
    "do nothing",
)
ITEMS = Table(
    "items",
    (Column("item_id", "varchar"), Column("category", "varchar"), Column("is_active", "boolean")),
    ("item_id",),
    "do update full",
)
TABLES = (EVENTS, ITEMS)


@dataclass(frozen=True)
class Model:
    """A materialized view, or a plain one. Batch engines cannot compute what is not `deterministic`."""

    name: str
    sql: str
    deterministic: bool = True
    materialized: bool = True


MODELS = (
    Model(
        "purchases",
        "select item_id, count(*) as units, sum(price) as revenue, min(price) as lowest, max(price) as highest"
        " from events where kind = 'purchase' group by item_id",
    ),
    Model(
        "enriched",
        "select e.event_id, e.user_id, e.kind, i.category from events as e"
        " left join items as i on i.item_id = e.item_id and i.is_active",
    ),
    Model(
        "top_items",
        "select category, item_id, units from (select i.category, p.item_id, p.units, row_number() over"
        " (partition by i.category order by p.units desc, p.item_id) as rn"
        " from purchases as p inner join items as i on i.item_id = p.item_id) as ranked where rn <= 2",
    ),
    Model(
        "never_bought",
        "select i.item_id from items as i where not exists"
        " (select 1 from events as e where e.item_id = i.item_id and e.kind = 'purchase')",
    ),
    Model(
        "recent_views",
        "select item_id, count(*) as views from events"
        f" where occurred_at > now() - interval '{WINDOW} seconds' group by item_id",
    ),
    Model(
        "last_event",
        "select user_id, event_id, occurred_at from (select user_id, event_id, occurred_at, row_number() over"
        " (partition by user_id order by occurred_at desc, event_id) as rn from events) as ranked where rn = 1",
    ),
    Model(
        "baskets",
        "select user_id, array_agg(item_id order by occurred_at, event_id) as items,"
        " count(distinct item_id) as distinct_items from events where item_id is not null group by user_id",
    ),
    Model(
        "pairs",
        "select a.item_id as item_a, b.item_id as item_b, count(*) as together from events as a"
        " inner join events as b on b.user_id = a.user_id where a.item_id < b.item_id group by a.item_id, b.item_id",
    ),
    Model(
        "by_category",
        "select category, count(*) as events, count(*) filter (where kind = 'purchase') as purchases"
        " from enriched group by category",
        materialized=False,
    ),
    Model(
        "scored",
        "select event_id, shaky_v1(price) as score from events where price is not null",
        deterministic=False,
    ),
)


@dataclass(frozen=True)
class Step:
    """Statements, and how many seconds pass before them."""

    name: str
    changes: tuple[Change, ...] = ()
    seconds: float = 0
    expected: dict[str, set[tuple[object, ...]]] = field(default_factory=dict)  # by hand, where it matters

    def after(self, now: datetime) -> datetime:
        """The moment of this step's tick, when `now` is that of the step before."""
        return now + max(timedelta(seconds=self.seconds), timedelta(milliseconds=1))


def steps(start: datetime) -> tuple[Step, ...]:
    """The history that begins at `start`."""

    def event(
        number: int, user: str, item: str | None, kind: str, price: float | None, age: float
    ) -> tuple[object, ...]:
        return (f"e{number}", user, item, kind, price, start - timedelta(seconds=age))

    def insert(*rows: tuple[object, ...], table: Table = EVENTS) -> Insert:
        return Insert(table.name, rows)  # type: ignore[arg-type]

    return (
        Step("nothing is there"),
        Step(
            "a catalogue and first events",
            (
                insert(("a", "cake", True), ("b", "cake", True), ("c", "tea", False), ("d", "cake", True), table=ITEMS),
                insert(
                    event(1, "ann", "a", "purchase", 2.5, 3),
                    event(2, "ann", "b", "view", None, 2),
                    event(3, "bob", "a", "purchase", 3.5, 20),
                    event(4, "bob", "c", "purchase", 1.0, 300),
                ),
            ),
            expected={"never_bought": {("b",), ("d",)}, "recent_views": {("a", 2), ("b", 1)}},
        ),
        Step("an event that comes twice counts once", (insert(event(1, "eve", "d", "purchase", 9.0, 1)),)),
        Step(
            "a late event takes its place in the order",
            (insert(event(5, "ann", "c", "view", None, 3600)),),
            expected={"baskets": {("ann", ("c", "a", "b"), 3), ("bob", ("c", "a"), 2)}},
        ),
        Step("an item changes its category and another is deactivated", (
            Update("items", "item_id", "a", "category", "tea"),
            Update("items", "item_id", "b", "is_active", False),
        )),
        Step(
            "a person's events are deleted",
            (Delete("events", "user_id", "bob"),),
            expected={"purchases": {("a", 1, 2.5, 2.5, 2.5)}, "never_bought": {("b",), ("c",), ("d",)}},
        ),
        Step("a deleted event comes again", (insert(event(4, "bob", "c", "purchase", 4.0, 10)),)),
        Step(
            "the function fails for one row, and the others have their result",
            (
                insert(event(6, "cleo", "d", "purchase", -1.0, 4), event(7, "cleo", "d", "purchase", 5.0, 4)),
                insert(event(8, "cleo", "b", "purchase", 7.0, 4)),
            ),
            expected={"scored": {("e1", 5.0), ("e4", 8.0), ("e6", None), ("e7", 10.0), ("e8", 14.0)}},
        ),
        Step("a row with a failed result is deleted", (Delete("events", "event_id", "e6"),)),
        Step("time passes and events leave the window", seconds=WINDOW + 10, expected={"recent_views": set()}),
        Step("everything is deleted", (Delete("events", None, None), Delete("items", None, None)), expected={
            "purchases": set(), "top_items": set(), "pairs": set(), "by_category": set(),
        }),
    )  # fmt: skip
