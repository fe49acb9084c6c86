"""The per-user path of recommendations against an oracle in plain Python.

Recent items of a user as an array → unnest → process-time join with neighbour arrays → unnest → UNION ALL of two
strategies → GROUP BY user, item → GROUP BY user with a Python function → unnest in a serving view with a fact joined at
read time. A user's list may change only when that user's row changes, and it then uses the world of the tick before.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.databases import Databases
from tests.equivalence.compare import difference
from tests.equivalence.engine import Engine
from tests.equivalence.ranking_function import order_items
from tests.equivalence.values import EPOCH

USERS, ITEMS, VARIANTS = ("u1", "u2", "u3"), ("a", "b", "c", "d"), ("control", "test")
RECENT = 2

TABLES = {
    "events": "create table events (event_id varchar, user_id varchar, item_id varchar, occurred_at timestamptz,"
    " primary key (event_id)) on conflict do nothing",
    "neighbours": "create table neighbours (item_id varchar primary key, neighbour_ids varchar[],"
    " scores double precision[])",
    "members": "create table members (user_id varchar primary key, variant varchar)",
    "weights": "create table weights (variant varchar primary key, weight double precision)",
    "stock": "create table stock (item_id varchar primary key, quantity integer)",
}

FEAT_USER_RECENT = f"""
select user_id, max(occurred_at) as acted_at, array_agg(item_id order by occurred_at desc, event_id) as items
from (
    select user_id, item_id, event_id, occurred_at,
        row_number() over (partition by user_id order by occurred_at desc, event_id) as rn
    from events
    where item_id is not null
) as e
where rn <= {RECENT}
group by user_id
"""

RANK_USER_LIST = """
with recent as (
    select u.user_id, u.acted_at, i.item_id, i.position
    from feat_user_recent as u
    cross join unnest(u.items) with ordinality as i(item_id, position)
),

met as (
    select r.user_id, r.acted_at, r.item_id as reason_item_id, r.position, n.neighbour_ids, n.scores
    from recent as r
    join neighbours for system_time as of proctime() as n on n.item_id = r.item_id
),

candidates as (
    select m.user_id, m.acted_at, x.item_id, x.score / m.position as score, 'covisitation' as strategy
    from met as m
    cross join unnest(m.neighbour_ids, m.scores) as x(item_id, score)

    union all

    select r.user_id, r.acted_at, r.item_id, cast(0.25 as double precision) as score, 'recent' as strategy
    from recent as r
),

weighted as (
    select c.user_id, c.acted_at, c.item_id, c.score, c.strategy, v.weight
    from candidates as c
    left join members for system_time as of proctime() as m on m.user_id = c.user_id
    left join weights for system_time as of proctime() as v on v.variant = m.variant
),

features as (
    select user_id, item_id, max(acted_at) as acted_at, sum(score) as score, max(weight) as weight,
        count(*) filter (where strategy = 'recent') as recents
    from weighted
    group by user_id, item_id
)

select user_id, max(acted_at) as computed_at, sum(recents) as recents,
    array_agg(item_id order by item_id) as item_ids,
    order_items(array_agg(item_id order by item_id), array_agg(score order by item_id), max(weight)) as list
from features
group by user_id
"""

SERVE = """
select l.user_id, l.computed_at, r.rank, r.item_id, r.score
from rank_user_list as l
cross join unnest(l.list) with ordinality as r(item_id, score, rank)
join stock as s on s.item_id = r.item_id and s.quantity > 0
"""

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


def write(world: World, seen: World, kind: str, values: tuple[object, ...]) -> None:
    """Apply a statement to the world to come; `seen` is what the statement sees."""
    key, *rest = values
    if kind == "event":
        world.events.setdefault(key, tuple(rest))  # type: ignore[call-overload]
    elif kind == "forget":
        for event_id, event in seen.events.items():
            if event[0] == key:
                world.events.pop(event_id, None)
    elif kind == "neighbours":
        world.neighbours[key] = tuple(rest)  # type: ignore[index, assignment]
    elif kind == "unlink":
        if key in seen.neighbours:
            world.neighbours.pop(key, None)  # type: ignore[call-overload]
    else:
        part = {"member": world.members, "weight": world.weights, "stock": world.stock}[kind]
        part[key] = rest[0]  # type: ignore[index, assignment]


def deploy(engine: Engine) -> None:
    for name, ddl in TABLES.items():
        engine.deploy_table(name, ddl)
    engine.deploy_function(
        "order_items",
        [("item_ids", "varchar[]"), ("scores", "double precision[]"), ("weight", "double precision")],
        "struct<item_id varchar, score double precision>[]",
        Path(__file__).with_name("ranking_function.py"),
    )
    engine.deploy_view("feat_user_recent", FEAT_USER_RECENT)


@given(history=st.lists(st.lists(statements(), max_size=6), min_size=2, max_size=8), late=st.integers(0, 3))
def test_a_list_changes_when_its_user_acts_and_at_no_other_time(
    history: list[list[Statement]], late: int, databases: Databases
) -> None:
    world, lists = World(), Lists()
    with databases.fresh() as dsn, Engine(dsn) as engine:
        deploy(engine)
        deployed = False
        for number, batch in enumerate(history):
            if number == min(late, len(history) - 1):
                engine.deploy_view("rank_user_list", RANK_USER_LIST)
                engine.deploy_view("serve", SERVE, materialized=False)
                lists.act(world.recent(), world)
                deployed = True
            before = world.copy()
            for kind, values in batch:
                engine.write(WRITES[kind], values)
                write(world, before, kind, values)
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
        (row[0], row[1], rank, item, score)
        for row in lists.rows.values()
        for rank, (item, score) in enumerate(row[4] or [], start=1)  # type: ignore[arg-type, var-annotated]
        if world.stock.get(item, 0) > 0
    ]
    assert difference(expected, served) is None
