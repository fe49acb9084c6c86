"""The list of supported SQL: the page says what the list says, and every example does what the page says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from millstream.diagnostics.catalogue import AREAS, CATALOGUE
from millstream.engine.deploy import deploy_sql_function
from millstream.errors import Refused
from support.construct import FUNCTION, PYTHON, TABLES, Construct, compiled
from support.listing import GROUPS
from support.page import page
from tests.databases import Databases
from tests.engine.engine import Engine, minute
from tests.equivalence.compare import difference

PAGE = Path(__file__).parents[2] / "docs" / "sql-support.md"
CONSTRUCTS = [construct for group in GROUPS for construct in group.constructs]
KEPT = [construct for construct in CONSTRUCTS if not construct.refused]
REFUSED = [construct for construct in CONSTRUCTS if construct.refused]

# Ties, NULLs, equal rows, rows without a partner; updates, deletes, a tick in which only time passes. No category changes
# and no item comes after its events and clicks, so that a process-time join has the answer of an ordinary one.
TICKS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (
        0,
        (
            "insert into items (item_id, category, price, tags, details) values ('a', 'tea', 3, '{x,y}', '{\"colour\": \"red\", \"size\": 1}'),"
            " ('b', 'tea', 5, '{}', '{\"colour\": null}'), ('c', 'cake', 2, '{x}', null), ('d', null, null, null, '{}')",
        ),
    ),
    (
        10,
        (
            "insert into clicks values ('u1', 'a', 2), ('u1', 'a', 2), ('u2', 'b', 1), (null, 'c', null)",
            "insert into events values (1, 'u1', 'a', 1, 1.5, '7', '2029-12-31 23:50+00'),"
            " (2, 'u1', 'b', 3, 2.5, 'x', '2030-01-01 00:00+00'), (3, 'u2', 'a', 3, null, null, '2030-01-01 00:05+00'),"
            " (4, null, 'zz', 2, 0.25, '20300101', '2030-01-01 00:10+00'), (5, 'u2', null, 2, 1.5, '', null),"
            " (8, 'u2', 'b', 7, 1, 'cake', '2030-01-01 00:12+00')",
        ),
    ),
    (
        40,
        (
            "update events set amount = 2, note = 'tea' where event_id = 2",
            "insert into events values (6, 'u3', 'c', 4, 9, 'cake', '2030-01-01 00:40+00'),"
            " (7, 'u1', 'a', 1, 1.5, '7', '2030-01-01 00:30+00')",
            "delete from clicks where user_id = 'u2'",
            "insert into clicks values ('u1', 'b', 3), ('u3', 'c', 4)",
        ),
    ),
    (70, ()),
    (
        75,
        (
            "delete from events where event_id in (1, 6)",
            "update items set price = 1, tags = '{z}' where item_id = 'a'",
            "delete from items where item_id = 'd'",
            "delete from clicks where item_id = 'a'",
        ),
    ),
)


@pytest.fixture(scope="module")
def deployed(
    databases: Databases, on_event_clock: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """All examples in one database, each a materialized view, before there is any data."""
    name = databases.create(template=on_event_clock)
    with Engine(databases.dsn(name)) as engine:
        engine.deploy_all(*TABLES.values())
        deploy_sql_function(engine.owner, FUNCTION)
        engine.deploy_python(
            tmp_path_factory.mktemp("udfs") / "triple.py",
            PYTHON,
            "amount integer",
            "integer",
            f"def {PYTHON}(amount):\n    return None if amount is None else amount * 3\n",
        )
        for number, construct in enumerate(KEPT):
            engine.deploy(f"create materialized view example_{number} as {construct.sql}")
        yield engine
    databases.drop(name)


def answer(engine: Engine, construct: Construct, now: datetime) -> list[tuple[object, ...]]:
    """What PostgreSQL says, reading the source relations."""
    sql = construct.postgres or construct.sql
    return engine.rows(sql.replace("now()", f"timestamptz '{now.isoformat()}'"))


def test_every_example_has_postgresql_s_answer_after_every_tick(deployed: Engine) -> None:
    wrong: list[str] = []
    for minutes, statements in TICKS:
        now = minute(minutes)
        for statement in statements:
            deployed.execute(statement)
        deployed.tick(now)
        for number, construct in enumerate(KEPT):
            found = difference(
                answer(deployed, construct, now), deployed.rows(f"select * from example_{number}")
            )
            if found is not None:
                wrong.append(f"minute {minutes}, {construct.name}: {construct.sql}\n{found}")
    assert not wrong, "\n".join(wrong)
    assert deployed.value("select count(*) from millstream.dead_row") == 0


def test_every_example_shows_something_at_some_time(deployed: Engine) -> None:
    """Runs after the ticks: an example that stays empty would prove nothing."""
    deployed.worker.housekeep()
    moved = {row[0] for row in deployed.rows("select node from millstream.node_stats where rows > 0")}
    still = [c.name for number, c in enumerate(KEPT) if f"example_{number}@1" not in moved]
    assert still == ["VALUES", "constants alone"]


@pytest.mark.parametrize("construct", REFUSED, ids=[construct.name for construct in REFUSED])
def test_a_refused_example_is_refused_with_its_code_at_a_place(construct: Construct) -> None:
    with pytest.raises(Refused) as caught:
        compiled(construct.sql)
    diagnostic = caught.value.diagnostic
    assert diagnostic.code == construct.refused
    assert diagnostic.line is not None
    assert diagnostic.column is not None
    assert construct.risingwave, "say what RisingWave does with it"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(), "python -m support > docs/sql-support.md"


def test_names_are_unique() -> None:
    names = [construct.name for construct in CONSTRUCTS]
    assert len(set(names)) == len(names)


def test_no_code_is_described_twice() -> None:
    assert len(CATALOGUE) == sum(len(area) for area in AREAS)
