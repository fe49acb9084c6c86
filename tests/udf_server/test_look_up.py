"""What functions look up in a database: read once, kept, read again, and done without while nobody answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from types import ModuleType

import psycopg
import pyarrow as pa
import pytest

from tests.databases import Databases
from udf_server.arrow_types import arrow_type
from udf_server.look_up import LookUp, looking_up
from udf_server.observed import Metrics
from udf_server.python_values import python_values

NEVER = 3600.0


@pytest.fixture
def catalogue(databases: Databases) -> Iterator[psycopg.Connection]:
    """A database with a table of items."""
    with databases.fresh() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "create table items (item_id varchar primary key, category varchar, brand varchar)"
        )
        connection.execute("insert into items values ('a', 'tea', 'x'), ('b', null, null)")
        yield connection


@pytest.fixture
def module() -> ModuleType:
    made = ModuleType("blend")
    made.LOOKED_UP = {"items": ("item_id", ("category", "brand"))}  # type: ignore[attr-defined]
    return made


@pytest.fixture
def serving(module: ModuleType) -> Iterator[Callable[[str], LookUp]]:
    """Serves a module from the database at an address."""
    made: list[LookUp] = []

    def serve(dsn: str) -> LookUp:
        made.append(LookUp(dsn, [module, ModuleType("other")], Metrics([]), NEVER))
        return made[-1]

    yield serve
    for each in made:
        each.close()


def dsn_of(connection: psycopg.Connection) -> str:
    return f"{connection.info.dsn} password={connection.info.password}"


def failures(rows: LookUp) -> float:
    return rows._metrics.look_up_failures._value.get()  # type: ignore[no-any-return]


def test_a_row_is_read_once_and_again_when_it_is_time(
    catalogue: psycopg.Connection, module: ModuleType, serving: Callable[[str], LookUp]
) -> None:
    rows = serving(dsn_of(catalogue))
    assert module.look_up("items", ["a", "b", "c"]) == {"a": ("tea", "x"), "b": (None, None)}
    catalogue.execute("update items set category = 'jam'")
    catalogue.execute("insert into items values ('c', 'cake', null), ('d', 'cake', null)")
    assert module.look_up("items", ["a", "c", "d"]) == {"a": ("tea", "x"), "d": ("cake", None)}
    rows.refresh()
    assert module.look_up("items", ["a", "c"]) == {"a": ("jam", "x"), "c": ("cake", None)}
    catalogue.execute("delete from items where item_id = 'a'")
    rows.refresh()
    assert module.look_up("items", ["a"]) == {}
    assert failures(rows) == 0


def test_while_nobody_answers_calls_go_on_with_what_is_kept(
    catalogue: psycopg.Connection,
    module: ModuleType,
    serving: Callable[[str], LookUp],
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = serving(dsn_of(catalogue))
    assert module.look_up("items", ["a"]) == {"a": ("tea", "x")}
    catalogue.execute("alter table items rename to elsewhere")
    with caplog.at_level(logging.WARNING, "udf_server"):
        assert module.look_up("items", ["a", "b"]) == {"a": ("tea", "x")}
        assert module.look_up("items", ["a", "b"]) == {"a": ("tea", "x")}, "nor is it tried again at once"
    assert failures(rows) == 1
    assert caplog.text.count("items cannot be read, and calls go on without") == 1
    catalogue.execute("alter table elsewhere rename to items")
    rows._failed_at -= 11
    assert module.look_up("items", ["a", "b"]) == {"a": ("tea", "x"), "b": (None, None)}


def test_an_address_at_which_nobody_is_costs_a_second_at_most(
    module: ModuleType, serving: Callable[[str], LookUp]
) -> None:
    rows = serving("postgresql://nobody:x@127.0.0.1:1/none")
    assert module.look_up("items", ["a"]) == {}
    assert failures(rows) == 1


def test_only_modules_that_look_something_up_are_served(module: ModuleType) -> None:
    assert looking_up([module, module, ModuleType("other")]) == [module]


NESTED = "struct<a varchar, b double precision, c varchar[], d double precision[], e integer>[]"
VALUES = [
    [{"a": "é", "b": 0.5, "c": ["x", None, ""], "d": [1.0, None], "e": 3}, {"a": None, "b": None, "c": None, "d": [], "e": None}],
    [],
    None,
    [None, {"a": "", "b": 2.0, "c": [], "d": None, "e": 0}],
]  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        (NESTED, VALUES), ("varchar", ["a", None]), ("double precision", [0.5, None]), ("double precision", [0.5, 1.0]),
        ("bigint", [1, None]), ("varchar[]", [["a", None], None, []]), ("boolean[]", [[True, None], None]),
    ],
)  # fmt: skip
def test_columns_are_the_values_that_arrow_gives(type_: str, values: list[object]) -> None:
    column = pa.array(values, arrow_type(type_))
    assert python_values(column) == column.to_pylist() == values
    assert python_values(column.slice(1)) == values[1:]
    assert python_values(column[:0]) == []
