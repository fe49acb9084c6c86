"""The statements of a tick, one case for each change rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from millstream.compiler.postgres.rules import node_sql
from millstream.compiler.postgres.statements import NodeSql
from millstream.engine.state.describe import describer
from tests.compiler.catalogue import compiled
from tests.compiler.golden import Case, each_case
from tests.databases import Databases
from tests.engine.stored import fill


@pytest.fixture(scope="module")
def filled(databases: Databases) -> Iterator[psycopg.Connection]:
    with databases.fresh() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        fill(connection)
        yield connection


def texts(sql: NodeSql, places: dict[str, int]) -> Iterator[str]:
    """The statements of a node, each below what it is for."""
    made = sql.statements(places.__getitem__)
    for term in made.terms:
        yield f"-- {sql.node.name}: term, {term.moment} {term.relation} changes\n{term.sql}"
    yield f"-- {sql.node.name}: derive\n{made.derive}"
    yield f"-- {sql.node.name}: apply\n{made.apply}"


@each_case(Path(__file__).parent / "statements.golden")
def test_the_statements_of_a_tick(case: Case, filled: psycopg.Connection) -> None:
    nodes = compiled(case.given)
    read = sorted({scan.relation.name for node in nodes for scan in (*node.leaves, *node.looked_up)})
    places = {name: place for place, name in enumerate([*read, *(node.name for node in nodes)])}
    with filled.transaction(force_rollback=True):
        written = []
        for node in nodes:
            written.append(node_sql(node, describer(filled)))
            for statement in (*written[-1].create(), *written[-1].temporary()):
                filled.execute(statement.encode())
        found = [text for sql in written for text in texts(sql, places)]
        for text in found:
            filled.execute(f"EXPLAIN {text.split(chr(10), 1)[1]}".encode())
    case.check("\n\n".join(found))
