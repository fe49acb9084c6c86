"""No statement of a tick reads a whole stored table: the shipped project's program, explained over real sizes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import millstream.server
from millstream.engine.tick.program import TickRelation
from millstream.engine.tick.worker import Worker
from millstream.recommend.statement import statement
from tests.serving.project import deploy_project
from tests.serving.shop import recommend_statement

# Statements that may read a stored table from end to end, and why: (relation, step, table).
ALLOWED = {
    ("stg_events@1", f"term of stg_erased_ids@1, {moment}", "events"): (
        "who acted is coalesce(user_id, identity, anonymous_id), which no index on one table can hold; people are erased seldom"
    )
    for moment in ("before", "after")
} | {
    ("stg_known_ids@1", f"term of tombstone_keys, {moment}", "stg_known_ids@1__1"): (
        "the key is made once, before there are ids"
    )
    for moment in ("before", "after")
}
# What is small in every shop: rules, weights, the key of the hashes, and one row per category, segment or scope.
SMALL = {
    "category_rules",
    "ranking_models",
    "ranking_weights",
    "rank_weights@1",
    "feat_category_popular@1",
    "feat_segment_popular@1",
    "feat_trending@1",
    "tombstone_keys",
}

# 60,000 events of 3,000 people in 12,000 sessions of five items each, over 4,000 items in 40 categories and ten days.
FILL = """
insert into items (item_id, name, category, brand, price, is_active)
    select 'i' || n, 'Item ' || n, 'c' || n % 40, 'b' || n % 90, n % 30, n % 50 <> 0 from generate_series(0, 3999) as n;
insert into inventory select 'i' || n, n % 7 from generate_series(0, 3999) as n;
insert into users (user_id, segment) select 'u' || n, 's' || n % 8 from generate_series(0, 2999) as n;
insert into embedding_neighbours
    select 'i' || n, 'v1', array['i' || (n + 1) % 4000, 'i' || (n + 7) % 4000], array[0.9, 0.5] from generate_series(0, 3999) as n;
insert into events (event_id, event_type, user_id, session_id, item_id, quantity, price, occurred_at, received_at)
    select
        'e' || n,
        (array['view_item', 'purchase', 'add_to_cart', 'purchase'])[1 + (n / 5) % 4],
        'u' || (n / 5) % 3000,
        's' || n / 5,
        'i' || case when (n / 5) % 3 = 0 then abs(hashint4(n)) % 4000 else n % 2000 * 2 end,
        1,
        2.5,
        now() - interval '10 days' + n * interval '14 seconds',
        now() - interval '10 days' + n * interval '14 seconds'
    from generate_series(0, 59999) as n;
insert into item_vectors select 'i' || n, 'v1', array[0.5, 0.5] from generate_series(0, 3999) as n;
insert into category_rules select 'c' || n, true, 7 from generate_series(0, 39) as n;
insert into ranking_models (variant) values ('control'), ('treatment');
insert into ranking_weights
    select v, s, 0.5
    from unnest(array['control', 'treatment']) as v
    cross join unnest(array['covisitation', 'embedding', 'popularity']) as s;
insert into events_raw (payload, source_partition, source_offset, received_at)
    select
        case when n % 2 = 0 then 'not json' else json_build_object(
            'event_id', 'r' || n, 'event_type', 'view_item', 'user_id', 'u' || n, 'item_id', 'i' || n,
            'occurred_at', now() - interval '3 hours')::text end,
        'log', n::text, now()
    from generate_series(0, 3999) as n;
insert into identities select 'a' || n, 'u' || n from generate_series(0, 999) as n;
insert into erased_users select 'gone' || n, now() from generate_series(0, 999) as n;
insert into tombstones select encode(sha256(convert_to('gone' || n, 'UTF8')), 'hex'), now() from generate_series(0, 999) as n;
insert into excluded_items select 'x' || n, 'recalled' from generate_series(0, 999) as n;
"""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker of the whole project over filled states, as it is before its next tick."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch, millstream.server.open(home) as server:
        patch.setenv("MILLSTREAM_HOME", str(home))
        dsn = server.dsn("owner")
        with Worker(dsn, batch=1_000_000) as made:
            deploy_project(
                home / "dbt",
                *("--exclude", "events_from_raw", "past_identities_from_identities"),
                *("--select", "path:sql/sources"),
            )
            with psycopg.connect(dsn, autocommit=True) as client:
                client.execute(FILL)
            made.tick()
            deploy_project(home / "dbt")
            made.tick()
            made.conn.execute("analyze")
            yield made


def steps(relation: TickRelation) -> list[tuple[str, str]]:
    """The statements of a relation in a tick: (step, SQL)."""
    if relation.source is not None:
        return [("apply", relation.source.apply())]
    statements = relation.statements
    assert statements is not None
    found = [("derive", statements.derive), ("apply", statements.apply)]
    found += [(f"term of {term.relation}, {term.moment}", term.sql) for term in statements.terms]
    return found + ([("prepare", statements.prepare)] if statements.prepare is not None else [])


def whole_reads(plan: dict[str, Any]) -> Iterator[str]:
    """The stored tables that a plan reads from end to end: without an index, or by an index without a condition."""
    scan = plan["Node Type"]
    if plan.get("Schema") == "millstream_data" and "Scan" in scan:
        bounded = "Index Cond" in plan or "TID Cond" in plan or "Recheck Cond" in plan or stops_early(plan)
        if not bounded:
            yield plan["Relation Name"]
    for child in plan.get("Plans", ()):
        if plan["Node Type"] == "Limit" and child["Node Type"].startswith("Index"):
            continue  # reads as many rows as the limit says
        yield from whole_reads(child)


def stops_early(plan: dict[str, Any]) -> bool:
    """An index in the order of a top-N over everything is read until the N-th row."""
    return plan["Node Type"].startswith("Index") and "Run Condition" in plan


def sizes(worker: Worker) -> dict[str, int]:
    """How many rows each stored table of the program has."""
    assert worker.program is not None
    found = {}
    for relation in worker.program.relations:
        row = worker.conn.execute(
            f'select count(*) from millstream_data."{relation.name}"'.encode()
        ).fetchone()
        assert row is not None
        found[relation.name] = row[0]
    return found


def explained(conn: psycopg.Connection, sql: str) -> dict[str, Any]:
    row = conn.execute(f"explain (verbose, format json) {sql}".encode()).fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    return plan


def read_whole(worker: Worker) -> dict[tuple[str, str, str], str]:
    """(relation, step, table) of every read of a whole table that is not small, with the plan."""
    assert worker.program is not None
    found = {}
    for relation in worker.program.relations:
        for step, sql in steps(relation):
            plan = explained(worker.conn, sql)
            for table in set(whole_reads(plan)) - SMALL:
                found[relation.name, step, table] = json.dumps(plan, indent=1)
    return found


def test_the_states_are_as_large_as_a_shop_has_them(worker: Worker) -> None:
    """Over empty tables every plan is as good as another."""
    counts = sizes(worker)
    assert {name for name, count in counts.items() if count < 400} <= SMALL, counts
    assert {"events", "stg_events@1", "feat_user_items@1", "feat_item_pairs@1"} <= {
        name for name, count in counts.items() if count >= 40_000
    }, counts


def test_no_statement_of_a_tick_reads_a_whole_table(worker: Worker) -> None:
    found = read_whole(worker)
    unexpected = {key: plan for key, plan in found.items() if key not in ALLOWED}
    assert not unexpected, "\n".join(" / ".join(key) + "\n" + plan for key, plan in unexpected.items())
    assert set(ALLOWED) <= set(found), "an exception that is no longer needed"


def test_the_guard_sees_a_missing_index(worker: Worker) -> None:
    """Without the indexes of the staged events, the same test fails."""
    with worker.conn.transaction(force_rollback=True):
        indexes = worker.conn.execute(
            "select indexrelid::regclass::text from pg_index where indrelid = 'millstream_data.\"stg_events@1\"'::regclass"
        ).fetchall()
        for (index,) in indexes:
            worker.conn.execute(f"drop index {index}".encode())
        assert "stg_events@1" in {table for _, _, table in read_whole(worker)}


FILTERED = statement("psql", filters=True)
# For drivers that count parameters each occurs once, and is looked at in a subquery.
ASKED_ONCE = statement("jdbc").replace("?", "$1", 1).replace("?", "$2", 1)
PREPARED = {
    "documented": (f"prepare recommend (varchar, integer) as {recommend_statement()}", ""),
    "with filters": (FILTERED, ", '{tea}', null, null, 9, '{i1}'"),
    "asked once": (f"prepare recommend (varchar, bigint) as {ASKED_ONCE}", ""),
}


@pytest.mark.parametrize("text", PREPARED)
@pytest.mark.parametrize("user", ["u1", "nobody"])
def test_recommendations_can_be_read_by_key_alone(worker: Worker, user: str, text: str) -> None:
    """An index serves every table of the statement in each form, whatever the planner prefers while a table is small."""
    prepared, filters = PREPARED[text]
    with psycopg.connect(worker.dsn) as connection:
        for setting in ("seqscan", "hashjoin", "mergejoin"):
            connection.execute(f"set enable_{setting} = off".encode())
        connection.execute("set plan_cache_mode = force_custom_plan")
        connection.execute(prepared.encode())
        plan = explained(connection, f"execute recommend ('{user}', 20{filters})")
        assert set(whole_reads(plan)) - SMALL == set()


def test_no_tier_below_is_read_while_the_personal_list_is_long_enough(worker: Worker) -> None:
    with psycopg.connect(worker.dsn) as connection:
        connection.execute(PREPARED["documented"][0].encode())
        told = connection.execute("explain (analyze, costs off) execute recommend ('u1', 3)")
        scans = [line for (line,) in told if re.search(r'"(feat_trending|feat_segment_popular)@\d+"', line)]
        assert len(scans) == 3
        assert all("never executed" in line for line in scans), scans


def test_the_first_of_a_list_are_read_without_the_rest(worker: Worker) -> None:
    """The list comes in the order of its slots, so whoever wants few rows stops early: nothing sorts or counts all of it."""
    direct = "select item_id, rank from serve_recommendations where user_id = 'u1' order by slot limit 3"
    numbered = (
        "select * from (select r.*, row_number() over (order by r.slot) as number"
        " from serve_recommendations as r where r.user_id = 'u1') as n where number <= 3"
    )
    with psycopg.connect(worker.dsn) as connection:
        plan = "\n".join(row[0] for row in connection.execute(f"explain (costs off) {direct}".encode()))
        assert "Sort" not in plan.partition("WindowAgg")[0], plan
        plan = "\n".join(row[0] for row in connection.execute(f"explain (costs off) {numbered}".encode()))
        assert "Run Condition" in plan
        assert "Sort" not in plan.partition("Nested Loop Anti Join")[0], plan
