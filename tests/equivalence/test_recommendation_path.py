"""The per-user path of recommendations against an oracle in plain Python.

Recent items of a user as an array → unnest → process-time join with neighbour arrays → unnest → UNION ALL of two
strategies → GROUP BY user, item → GROUP BY user with a Python function → unnest in a serving view with a fact joined at
read time. A user's list may change only when that user's row changes, and it then uses the world of the tick before.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.databases import Databases
from tests.equivalence.compare import difference
from tests.equivalence.engine import Engine
from tests.equivalence.ranking_function import order_items
from tests.equivalence.recommendation_path import RECENT, deploy_lists, deploy_sources
from tests.equivalence.values import EPOCH

USERS, ITEMS, VARIANTS = ("u1", "u2", "u3"), ("a", "b", "c", "d"), ("control", "test")

Recent = tuple[datetime, tuple[str, ...]]


@dataclass
class World:
    """Every source table as a dictionary by key."""

    events: dict[str, tuple[str, str | None, datetime]] = field(default_factory=dict)
    neighbours: dict[str, tuple[list[str], list[float]]] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    stock: dict[str, int] = field(default_factory=dict)

    def recent(self) -> dict[str, Recent]:
        """Each user's last items, newest first, with the instant of the newest."""
        found: dict[str, list[tuple[datetime, str, str]]] = defaultdict(list)
        for event_id, (user_id, item_id, occurred_at) in self.events.items():
            if item_id is not None:
                found[user_id].append((occurred_at, event_id, item_id))
        result = {}
        for user_id, acts in found.items():
            last = sorted(acts, key=lambda act: (-act[0].timestamp(), act[1]))[:RECENT]
            result[user_id] = (last[0][0], tuple(item for _, _, item in last))
        return result

    def copy(self) -> World:
        return World(*(dict(part) for part in vars(self).values()))


@dataclass
class Lists:
    """The tape: each user's list as it was computed when that user's row last changed."""

    recent: dict[str, Recent] = field(default_factory=dict)
    rows: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def act(self, recent: dict[str, Recent], world: World) -> None:
        """Recompute the lists of users whose row differs from the tick before, in `world`."""
        self.rows = {user: row for user, row in self.rows.items() if user in recent}
        for user, row in recent.items():
            if self.recent.get(user) != row:
                self.rows[user] = compute(user, row, world)
        self.recent = recent


def compute(user: str, recent: Recent, world: World) -> tuple[object, ...]:
    """One user's row of rank_user_list."""
    acted_at, items = recent
    scores: dict[str, float] = defaultdict(float)
    for position, item in enumerate(items, start=1):
        for neighbour, score in zip(*world.neighbours.get(item, ([], [])), strict=True):
            scores[neighbour] += score / position
        scores[item] += 0.25
    ordered = sorted(scores)
    weight = world.weights.get(world.members.get(user, ""))
    listed = order_items(ordered, [scores[item] for item in ordered], weight) if weight is not None else None
    return user, acted_at, len(items), ordered, listed


SHORT_LISTS = st.lists(st.tuples(st.sampled_from(ITEMS), st.sampled_from((0.5, 1.0, 0.1))), max_size=3)
Statement = tuple[str, tuple[object, ...]]


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    """One write: (kind, values)."""
    kind = draw(
        st.sampled_from(
            ("event", "event", "event", "forget", "neighbours", "unlink", "member", "weight", "stock")
        )
    )
    if kind == "event":
        occurred_at = EPOCH + timedelta(minutes=draw(st.integers(0, 6)))
        item = draw(st.sampled_from((*ITEMS, None)))
        return kind, (f"e{draw(st.integers(0, 9))}", draw(st.sampled_from(USERS)), item, occurred_at)
    if kind == "forget":
        return kind, (draw(st.sampled_from(USERS)),)
    if kind == "neighbours":
        pairs = draw(SHORT_LISTS)
        return kind, (
            draw(st.sampled_from(ITEMS)),
            [item for item, _ in pairs],
            [score for _, score in pairs],
        )
    if kind == "unlink":
        return kind, (draw(st.sampled_from(ITEMS)),)
    if kind == "member":
        return kind, (draw(st.sampled_from(USERS)), draw(st.sampled_from(VARIANTS)))
    if kind == "weight":
        return kind, (draw(st.sampled_from(VARIANTS)), draw(st.sampled_from((1.0, 2.0))))
    return kind, (draw(st.sampled_from(ITEMS)), draw(st.integers(0, 1)))


WRITES = {
    "event": "insert into events values (%s, %s, %s, %s)",
    "forget": "delete from events where user_id = %s",
    "neighbours": "insert into neighbours values (%s, %s, %s)",
    "unlink": "delete from neighbours where item_id = %s",
    "member": "insert into members values (%s, %s)",
    "weight": "insert into weights values (%s, %s)",
    "stock": "insert into stock values (%s, %s)",
}


def write(world: World, kind: str, values: tuple[object, ...]) -> None:
    """Apply a statement to the world to come."""
    key, *rest = values
    if kind == "event":
        world.events.setdefault(key, tuple(rest))  # type: ignore[call-overload]
    elif kind == "forget":
        world.events = {event_id: event for event_id, event in world.events.items() if event[0] != key}
    elif kind == "neighbours":
        world.neighbours[key] = tuple(rest)  # type: ignore[index, assignment]
    elif kind == "unlink":
        world.neighbours.pop(key, None)  # type: ignore[call-overload]
    else:
        part = {"member": world.members, "weight": world.weights, "stock": world.stock}[kind]
        part[key] = rest[0]  # type: ignore[index, assignment]


@given(history=st.lists(st.lists(statements(), max_size=6), min_size=2, max_size=8), late=st.integers(0, 3))
def test_a_list_changes_when_its_user_acts_and_at_no_other_time(
    history: list[list[Statement]], late: int, databases: Databases
) -> None:
    world, lists = World(), Lists()
    with databases.fresh() as dsn, Engine(dsn) as engine:
        deploy_sources(engine)
        deployed = False
        for number, batch in enumerate(history):
            if number == min(late, len(history) - 1):
                deploy_lists(engine)
                lists.act(world.recent(), world)
                deployed = True
            before = world.copy()
            for kind, values in batch:
                engine.write(WRITES[kind], values)
                write(world, kind, values)
            engine.tick(EPOCH + timedelta(minutes=number))
            if deployed:
                lists.act(world.recent(), before)
                check(engine, world, lists)


def check(engine: Engine, world: World, lists: Lists) -> None:
    columns = "user_id, computed_at, recents, item_ids"
    stored = engine.query(f"select {columns} from rank_user_list")
    assert difference([row[:4] for row in lists.rows.values()], stored) is None
    served = engine.query("select user_id, computed_at, rank, item_id, score from serve")
    expected = [
        (row[0], row[1], rank, item["item_id"], item["score"])
        for row in lists.rows.values()
        for rank, item in enumerate(row[4] or [], start=1)  # type: ignore[arg-type, var-annotated]
        if world.stock.get(item["item_id"], 0) > 0
    ]
    assert difference(expected, served) is None
