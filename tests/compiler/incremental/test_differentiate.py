"""The change rules are identities: the terms of a change, run at their moments, add up to new minus old."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.algebra.operators import Plan, TimeFilter, inputs, scans, with_inputs
from millstream.compiler.incremental.differentiate import AFTER, BEFORE, Term, differentiate
from millstream.compiler.incremental.occurrences import moment
from millstream.compiler.postgres.names import changes, quote, table
from millstream.compiler.postgres.render import render
from tests.compiler import show
from tests.compiler.catalogue import RELATIONS, bound
from tests.compiler.golden import Case, each_case
from tests.databases import Databases
from tests.engine.stored import fill

HERE = Path(__file__).parent

# What happens to each relation in the tick: rows that go (picked by a condition) and rows that come.
GONE = {
    "events": "event_id in ('e1', 'e6')",
    "items": "item_id in ('a', 'c')",
    "users": "user_id = 'u1'",
    "neighbours": "item_id = 'a'",
    "clicks": "user_id is null",
    "totals": "true",
}
NEW = {
    "events": "('e8', 'u2', 'b', 4.0, '2030-01-01 00:58+00'), ('e1', 'u3', 'a', 7.0, '2030-01-01 00:01+00'), ('e9', 'u1', 'd', 1.0, null)",
    "items": "('a', 'tea', 20.0), ('e', 'cake', 2.0)",
    "users": "('u1', array['d', 'b'])",
    "neighbours": "('a', array['d'], array[0.75]), ('c', array['a', 'b'], array[0.5, 0.5])",
    "clicks": "('u1', 'a'), ('u3', null)",
    "totals": "(20.0)",
}


def terms_of(plan: Plan) -> list[tuple[str, str, list[Term]]]:
    """(relation, moment asked for, terms) of each leaf, from left to right."""
    found = []
    for leaf in scans(plan):
        when = moment(plan, leaf.instance)
        found.append((leaf.relation.name, when, differentiate(plan, leaf.instance, when)))
    return found


@each_case(HERE / "differences.golden")
def test_the_terms_of_a_change(case: Case) -> None:
    plan, _, _ = bound(case.given)
    blocks = [
        f"when {relation} changes, {term.moment}:\n{show.tree(term.plan, 1)}"
        for relation, _, terms in terms_of(plan)
        for term in terms
    ]
    case.check("\n".join(blocks))


@pytest.fixture
def filled(databases: Databases) -> Iterator[psycopg.Connection]:
    with databases.fresh() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        fill(connection)
        yield connection


def bag(connection: psycopg.Connection, sql: str) -> Counter[tuple[object, ...]]:
    """The rows of a query as a bag; arrays as tuples, so that they can be counted."""
    return Counter(hashable(row) for row in connection.execute(sql.encode()).fetchall())


def hashable(row: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in row)


def weighted(connection: psycopg.Connection, sql: str) -> Counter[tuple[object, ...]]:
    """The rows of a term by their weights; the weight is its last column, by name."""
    total: Counter[tuple[object, ...]] = Counter()
    cursor = connection.execute(sql.encode())
    place = [column.name for column in cursor.description or ()].index(WEIGHT)
    for row in cursor.fetchall():
        weight = row[place]
        assert isinstance(weight, int)
        total[hashable((*row[:place], *row[place + 1 :]))] += weight
    return total


def at(plan: Plan, clock: str) -> Plan:
    """The plan with every temporal filter at one reading of the clock."""
    plan = with_inputs(plan, tuple(at(child, clock) for child in inputs(plan)))
    return replace(plan, clock=clock) if isinstance(plan, TimeFilter) else plan


def placed(plan: Plan, changing: str, order: list[str]) -> Plan:
    """As in a tick: the clock of a temporal filter has moved for relations that changed before this one."""
    plan = with_inputs(plan, tuple(placed(child, changing, order) for child in inputs(plan)))
    if not isinstance(plan, TimeFilter):
        return plan
    (leaf,) = scans(plan)
    moved = order.index(leaf.relation.name) < order.index(changing)
    return replace(plan, clock="now" if moved else "then")


@each_case(HERE / "differences.golden")
def test_the_terms_add_up_to_new_minus_old(case: Case, filled: psycopg.Connection) -> None:
    plan, _, _ = bound(case.given)
    old = bag(filled, render(at(plan, "then")))
    order = list(dict.fromkeys(leaf.relation.name for leaf in scans(plan)))
    total: Counter[tuple[object, ...]] = Counter()
    for relation in order:
        record_changes(filled, relation)
        due: dict[str, list[Term]] = {BEFORE: [], AFTER: []}
        for leaf in scans(plan):
            if leaf.relation.name == relation:
                when = moment(plan, leaf.instance)
                for term in differentiate(placed(plan, relation, order), leaf.instance, when):
                    due[term.moment].append(term)
        for term in due[BEFORE]:
            total.update(weighted(filled, render(term.plan)))
        apply_changes(filled, relation)
        for term in due[AFTER]:
            total.update(weighted(filled, render(term.plan)))
    new = bag(filled, render(at(plan, "now")))
    expected = Counter(new)
    expected.subtract(old)
    assert {row: n for row, n in total.items() if n} == {row: n for row, n in expected.items() if n}
    assert new != old, "nothing changed: tells nothing"


def record_changes(connection: psycopg.Connection, relation: str) -> None:
    columns = ", ".join(quote(name) for name, _, _ in RELATIONS[relation].columns)
    d, t = changes(relation), table(relation)
    connection.execute(
        f"insert into {d} ({columns}, {WEIGHT}) select {columns}, -1 from {t} where {GONE[relation]}".encode()
    )
    connection.execute(f"create temporary table come as select {columns} from {t} limit 0".encode())
    connection.execute(f"insert into come values {NEW[relation]}".encode())
    connection.execute(f"insert into {d} ({columns}, {WEIGHT}) select {columns}, 1 from come".encode())
    connection.execute("drop table come")


def apply_changes(connection: psycopg.Connection, relation: str) -> None:
    columns = ", ".join(quote(name) for name, _, _ in RELATIONS[relation].columns)
    connection.execute(f"delete from {table(relation)} where {GONE[relation]}".encode())
    connection.execute(
        f"insert into {table(relation)} ({columns}) select {columns} from {changes(relation)} where {WEIGHT} > 0".encode()
    )


def test_what_is_not_linear_has_no_such_rule() -> None:
    plan, _, _ = bound("select item_id, count(*) as n from events group by item_id")
    with pytest.raises(TypeError, match="Aggregate is not linear"):
        differentiate(plan, scans(plan)[0].instance, BEFORE)
