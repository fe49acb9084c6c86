"""The project's own models, after every step of one history.

On the embedded engine all of them equal a batch computation, and what is served keeps the invariants and the project's
data tests. Set RISINGWAVE_DSN to compare with a RisingWave, which takes four minutes, and MILLSTREAM_UDF_LINK to the address
of a `millstream udf-server`, as that RisingWave sees it, to include the lists of people.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from millstream.engine.erasure import tombstones
from tests.conformance.invariants import OWNERS, Row, Shop, violations
from tests.conformance.recorder import RisingWave as Recorder
from tests.conformance.rules import violations as broken_rules
from tests.conformance.runs import ROOT
from tests.conformance.shipped import AS_OF, RELATIONS, Shipped
from tests.conformance.shipped_history import ACTING, KEY, LOOKED_UP, steps
from tests.conformance.shipped_targets import Recommender, Reference, shipped_risingwave
from tests.conformance.targets import compare, insertion, play
from tests.databases import Databases
from tests.equivalence.cases import Insert
from tests.equivalence.compare import difference
from tests.equivalence.oracles import Result

DATA_TESTS = {
    path.stem: re.sub(r"\{\{ ref\('(\w+)'\) \}\}", r"\1", path.read_text())
    for path in sorted((ROOT / "tests/sql").glob("*.sql"))
}


@pytest.fixture
def recommender(
    databases: Databases, shipped: Shipped, shipped_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Recommender]:
    monkeypatch.setenv(tombstones.KEY, KEY)
    name = databases.create(template=shipped_database)
    with Recommender(databases.dsn(name), shipped) as made:
        yield made
    databases.drop(name)


def as_rows(result: Result) -> list[Row]:
    return [dict(zip(result.names, row, strict=True)) for row in result.rows]


def not_compared(shipped: Shipped, name: str, *, clocks_differ: bool) -> frozenset[str]:
    """Columns of a model that clusters spell otherwise (structs are compared as rows of rank_user_items) or date."""
    if not clocks_differ:
        return frozenset()
    moments = {"computed_at"} if "now() as computed_at" in shipped.node(name).statement else set()
    return frozenset({"recommended", "lists"} | moments)


def test_every_model_equals_a_batch_computation_and_serves_what_it_may(
    recommender: Recommender, shipped: Shipped
) -> None:
    seen: Counter[str] = Counter()
    start = datetime.now(UTC)
    with Reference(shipped) as reference:
        for step, now in play(steps(start), start, (recommender, reference)):
            compare(
                step, recommender, reference, lambda name: not_compared(shipped, name, clocks_differ=False)
            )
            for query, expected in step.expected.items():
                select = query if query.startswith("select") else f"select * from {query}"
                wrong = difference(expected, recommender.query(select))
                assert wrong is None, f"{step.name}: {query} is not what was reckoned\n{wrong}"
            seen += served(step.name, recommender, now)
            seen.update(name for name in recommender.models if not seen[name] and recommender.read(name).rows)
        assert reference.failures == 1
    assert {name for name in recommender.models if not seen[name]} == set(), "models that never had a row"
    assert seen["list"] > 1000
    assert {name for name in seen if name.startswith(("by ", "from "))} == {
        *("by covisitation", "by bought_together", "by embedding", "by session_affinity", "by trending"),
        *("by buy_again", "by popularity", "from personal", "from sql_fallback"),
    }


def served(step: str, recommender: Recommender, now: datetime) -> Counter[str]:
    """Check what is served; returns which strategies and sources there were, and how many rows."""
    seen: Counter[str] = Counter()
    shop = Shop.read(recommender.query, now)
    for model in OWNERS:
        rows = as_rows(recommender.read(model))
        assert list(violations(model, rows, shop)) == [], step
        seen["list"] += len(rows)
        if model == "serve_recommendations":
            seen.update(f"by {row['strategy']}" for row in rows)
            seen.update(f"from {row['source']}" for row in rows)
    for name, text in DATA_TESTS.items():
        assert recommender.query(text) == [], f"{step}: {name}"
    people = "select user_id from {}".format
    assert (
        difference(recommender.query(people("feat_user_recent")), recommender.query(people("rank_user_list")))
        is None
    )
    return seen


def test_every_model_equals_risingwave(request: pytest.FixtureRequest, shipped: Shipped) -> None:
    start = datetime.now(UTC)
    with shipped_risingwave(shipped) as server:
        recommender: Recommender = request.getfixturevalue("recommender")
        start = datetime.now(UTC)
        for step, _ in play(steps(start), start, (server, recommender)):
            compared = compare(
                step, recommender, server, lambda name: not_compared(shipped, name, clocks_differ=True)
            )
            assert compared == len(server.models)


def test_the_embedded_compiler_accepts_every_query_that_a_streaming_job_keeps(
    databases: Databases, shipped: Shipped, shipped_database: str, shipped_server: Recorder
) -> None:
    """With portable=True it refuses what RisingWave refuses; the text is the one that was sent there."""
    with psycopg.connect(databases.dsn(shipped_database)) as conn:
        rows = conn.execute("select kind, count(*) from millstream.relation group by kind").fetchall()
    there = {kind.replace("_", " "): number for kind, number in rows}
    assert there["materialized view"] == len(shipped_server.names("materialized view"))
    assert sum(there[kind] for kind in RELATIONS) == len(shipped.relations)


def test_the_statements_for_a_schema_keep_the_rules(shipped: Shipped) -> None:
    statements = shipped.in_schema("conformance", "http://functions:8815")
    assert {text[:80]: found for text in statements if (found := broken_rules(text))} == {}
    assert not [text for text in statements if '"public"' in text or "udf-server" in text]
    lists = {"blend_v2", "rank_user_list", "rank_user_list_feed", "rank_user_items", "serve_recommendations"}
    rest = {node.name for node in shipped.without("blend_v2").nodes}
    assert {node.name for node in shipped.nodes} - rest == lists


def test_rows_as_constants_are_the_rows(databases: Databases, shipped: Shipped) -> None:
    """What a RisingWave is sent to insert, on a PostgreSQL, which reads these constants alike."""
    tables = {table.name: table for table in shipped.tables}
    inserts = [
        change for step in steps(datetime.now(UTC)) for change in step.changes if isinstance(change, Insert)
    ]
    with databases.fresh() as dsn, psycopg.connect(dsn) as conn:
        for insert in inserts:
            table = tables[insert.table]
            conn.execute(f"drop table if exists {table.name}".encode())
            conn.execute(table.mirror_ddl.encode())
            conn.execute(insertion(insert, table).encode())
            stored = conn.execute(f"select * from {table.name}".encode()).fetchall()
            assert difference(insert.rows, stored) is None, insert.table


def test_the_history_is_one_for_a_cluster() -> None:
    for step in steps(datetime.now(UTC)):
        acting = [change for change in step.changes if change.table in ACTING]
        assert len(acting) <= 1, step.name
        assert not acting or not [change for change in step.changes if change.table in LOOKED_UP], step.name
        written = [
            (change.table, key)
            for change in step.changes
            for key in ({row[0] for row in change.rows} if isinstance(change, Insert) else [change.value])
        ]
        assert len(written) == len(set(written)), step.name


def test_what_a_list_looks_up_has_sources_that_the_history_knows(shipped: Shipped) -> None:
    """A right side is one of LOOKED_UP, or follows from what people do and from these."""
    for right in re.findall(rf'"(\w+)" {re.escape(AS_OF)}', shipped.node("rank_user_list").statement):
        sources, found = set(), {right}
        while found:
            node = shipped.node(found.pop())
            found |= node.reads
            sources |= {node.name} if node.kind == "table" else set()
        assert sources <= {*ACTING, *LOOKED_UP}, right


@pytest.mark.parametrize("model", ["feat_pair_scores", "rank_user_list"])
def test_rows_of_the_world_after_the_action_are_found(shipped: Shipped, model: str) -> None:
    """The history tells looking up what the same tick changed from looking up what was before."""

    class Hasty(Reference):
        def _act(self, name: str) -> None:
            if name == model:
                self.look()
            super()._act(name)

    assert first_difference(shipped, Hasty(shipped)) == f"people buy baskets: {model} differs"


@pytest.mark.parametrize("model", ["feat_pair_scores", "rank_user_list"])
def test_rows_that_follow_every_change_are_found(shipped: Shipped, model: str) -> None:
    """The history tells what is computed when somebody acts from what is always up to date."""

    class Restless(Reference):
        def _act(self, name: str) -> None:
            if name == model:
                self.tapes[name].drivers.clear()
            super()._act(name)

    assert (
        first_difference(shipped, Restless(shipped)) == f"neighbours and weights are loaded: {model} differs"
    )


def first_difference(shipped: Shipped, other: Reference) -> str | None:
    """Where another computation of the history goes apart from the reference."""
    start = datetime.now(UTC)
    with Reference(shipped) as reference, other:
        for step, _ in play(steps(start), start, (reference, other)):
            try:
                compare(step, reference, other)
            except AssertionError as found:
                return str(found).splitlines()[0]
    return None


NOW = datetime(2026, 1, 10, tzinfo=UTC)
SHOP = Shop(
    NOW,
    {"a": "cake", "b": "cake", "t": "tea"},
    frozenset({"eve"}),
    {("ann", "b"): NOW - timedelta(days=30), ("ann", "t"): NOW - timedelta(days=3)},
    {"tea": timedelta(days=7)},
)


def row(item: str, rank: int, **changed: object) -> Row:
    listed = {"user_id": "bob", "item_id": item, "rank": rank, "slot": rank, "score": 1 / rank, "rec_id": "r"}
    return listed | {"reason_text": "Picked for you", "name": item.upper(), "strategy": "trending"} | changed


def test_a_list_that_keeps_the_invariants_has_no_violation() -> None:
    assert list(violations("serve_recommendations", [row("b", 2, slot=5), row("a", 1)], SHOP)) == []


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ([row("a", 1), row("b", 3)], "ranks [1, 3]"),
        ([row("a", 1), row("a", 2)], "an item twice"),
        ([row("a", 1, slot=3), row("b", 2)], "slots [3, 2]"),
        ([row("a", 1), row("b", 2, rec_id="other")], "several rec_ids"),
        ([row("a", 1, reason_text=None)], "without a name or a reason"),
        ([row("a", 1), row("b", 2, score=2.0)], "scores [1.0, 2.0]"),
        ([row("sold out", 1)], "sold out is not to be shown"),
        ([row("a", 1, user_id="eve")], "they are erased"),
        ([row("b", 1, user_id="ann")], "b is bought"),
        ([row("t", 1, user_id="ann")], "t is bought"),
    ],
)
def test_each_invariant_bites(rows: list[Row], wrong: str) -> None:
    assert wrong in " ".join(violations("serve_recommendations", rows, SHOP))
