"""A fixed database for faults and crashes: every change rule has a view, and the per-user path is there too."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, LiteralString

from tests.equivalence.compare import difference
from tests.equivalence.engine import Engine
from tests.equivalence.recommendation_path import FEAT_USER_RECENT, deploy_lists, deploy_sources
from tests.equivalence.values import EPOCH

CLICKS = "create table clicks (user_id varchar, item_id varchar, tag integer, clicked_at timestamptz)"

# Over source tables alone, so that PostgreSQL can run the same text on the source relations.
VIEWS: dict[str, LiteralString] = {
    "item_counts": "select item_id, count(*) as n, count(distinct user_id) as users, min(clicked_at) as first_at,"
    " sum(tag) as tags from clicks group by item_id",
    "totals": "select count(*) as n, sum(tag) as tags, max(tag) as last_tag from clicks",
    "pairs": "select a.item_id as item_a, b.item_id as item_b, count(*) as n from clicks as a"
    " join clicks as b on b.user_id = a.user_id and b.item_id > a.item_id group by a.item_id, b.item_id",
    "recent_clicks": "select item_id, count(*) as n from clicks where clicked_at > now() - interval '10 minutes'"
    " group by item_id",
    "stocked": "select s.item_id, s.quantity, n.scores from stock as s left join neighbours as n on n.item_id = s.item_id",
    "never_clicked": "select s.item_id from stock as s where not exists"
    " (select 1 from clicks as c where c.item_id = s.item_id)",
    "people": "select distinct user_id from (select user_id from clicks union all select user_id from events) as u",
    "last_clicks": "select user_id, item_id, tag from (select user_id, item_id, tag, row_number() over"
    " (partition by user_id order by clicked_at desc, tag desc) as rn from clicks) as c where rn <= 2",
}

Statement = tuple[LiteralString, Sequence[Any]]


def deploy(engine: Engine) -> None:
    """Deploy all of it into an empty database."""
    deploy_sources(engine)
    engine.deploy_table("clicks", CLICKS)
    for name, sql in VIEWS.items():
        engine.deploy_view(name, sql)
    deploy_lists(engine)


def statements(seed: int) -> Iterator[Statement]:
    """An endless stream of single-row writes; each click carries a tag of its own, and time advances."""
    choose = random.Random(seed)
    items, users = "abcdef", ("u1", "u2", "u3", "u4")
    for number in range(1_000_000):
        at = EPOCH + timedelta(seconds=number)
        kind = choose.random()
        item, user = choose.choice(items), choose.choice(users)
        if kind < 0.4:
            yield "insert into clicks values (%s, %s, %s, %s)", (user, item, number, at)
        elif kind < 0.75:
            yield "insert into events values (%s, %s, %s, %s)", (f"e{number}", user, item, at)
        elif kind < 0.9:
            near = choose.sample(items, 3)
            yield "insert into neighbours values (%s, %s, %s)", (item, near, [choose.random() for _ in near])
        elif kind < 0.95:
            yield "insert into stock values (%s, %s)", (item, choose.randrange(3))
        elif kind < 0.98:
            yield "insert into members values (%s, %s)", (user, choose.choice(("control", "test")))
        else:
            yield (
                "insert into weights values (%s, %s)",
                (choose.choice(("control", "test")), float(choose.randrange(1, 4))),
            )


def errors(engine: Engine) -> list[str]:
    """Compare the deterministic views with their SQL over the source relations, at the engine's now."""
    (now,) = engine.query("select now from millstream.clock")[0]
    found = []
    for name, sql in {**VIEWS, "feat_user_recent": FEAT_USER_RECENT}.items():
        expected = engine.query(sql.replace("now()", f"timestamptz '{now.isoformat()}'"))
        different = difference(expected, engine.read(name).rows)
        if different is not None:
            found.append(f"{name}\n{different}")
    lists = engine.query("select user_id, computed_at from rank_user_list")
    different = difference(engine.query("select user_id, acted_at from feat_user_recent"), lists)
    if different is not None:
        found.append(f"rank_user_list\n{different}")
    return found


def stored(engine: Engine) -> dict[str, list[str]]:
    """Every row of every table that the engine keeps, as text: what a failed tick must leave as it was."""
    names = engine.query(
        "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'millstream_data'"
        " union all select 'millstream.clock' order by 1"
    )
    return {
        name: sorted(row[0] for row in engine.query(f"select t::text from {name} as t")) for (name,) in names
    }
