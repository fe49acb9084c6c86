"""The catalogue's records and their JSON, and what names mean to a compilation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from millstream.compiler.binder.scope import SqlFunction, ViewText
from millstream.compiler.compile import compile_view, fingerprint
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.json_form import (
    detail_of,
    read_entry,
    read_state,
    write_definition,
    write_pins,
)
from millstream.engine.catalog.records import (
    Entry,
    Function,
    PythonFunction,
    Sink,
    State,
    StoredPin,
    StoredTable,
    StoredView,
)
from millstream.engine.catalog.resolver import Resolver, pins_of

COLUMNS = (("k", "integer", False), ("v", "text", True))
TABLE = StoredTable("t", "public", "t", "create table t", "sql/t.sql", COLUMNS, ("k",), ("t",), True, "mark")
DOUBLED = SqlFunction("public", "doubled", (("", "int"),), "INT", "$1 * 2")
PLAIN = ViewText("plain", "select k from t", "sql/plain.sql")
VIEW = StoredView(
    "v@1",
    "public",
    "v",
    "select k from plain",
    None,
    COLUMNS[:1],
    ("k",),
    ("v@1__1", "v@1"),
    {"public.t": StoredPin("t", 1), "public.plain": PLAIN, "public.doubled": DOUBLED},
    guard="seen",
    single=True,
    indexes=(("k",),),
    nodes="nodes",
    fingerprint="print",
)


def written(state: State) -> dict[str, Any]:
    """A stored relation as the row that is kept of it, read back from JSON."""
    reads = write_pins(state.reads) if isinstance(state, StoredView) else {}
    return {
        "name": state.name,
        "schema": state.schema,
        "relation": state.relation,
        "kind": "materialized_view" if isinstance(state, StoredView) else "table",
        "definition": state.definition,
        "path": state.path,
        "reads": json.loads(json.dumps(reads)),
        "tables": list(state.tables),
        "detail": json.loads(json.dumps(detail_of(state))),
    }


@pytest.mark.parametrize("state", [TABLE, VIEW])
def test_a_stored_relation_is_read_as_it_was_written(state: State) -> None:
    assert read_state(**written(state)) == state


@pytest.mark.parametrize(
    ("kind", "definition"),
    [
        ("view", "select k from t"),
        ("sink", Sink("create sink s into t from v", "t", "select * from v")),
        ("function", PythonFunction((("k", "integer"),), "varchar", "/udfs/f.py", "f", "abc")),
        ("function", DOUBLED),
    ],
)
def test_what_a_name_stands_for_is_read_as_it_was_written(
    kind: str, definition: str | Sink | Function
) -> None:
    name = "doubled" if isinstance(definition, SqlFunction) else "name"
    entry = Entry("public", name, kind, None, definition, None)
    assert read_entry("public", name, kind, None, write_definition(definition), None) == entry


def test_a_version_of_an_earlier_release_lacks_what_came_later() -> None:
    row = written(VIEW)
    row["detail"] = {part: row["detail"][part] for part in ("columns", "key")}
    found = read_state(**row)
    assert isinstance(found, StoredView)
    assert (found.guard, found.single, found.indexes, found.nodes, found.mark) == (
        None,
        False,
        (),
        None,
        None,
    )


def test_a_definition_keeps_its_fingerprint_from_release_to_release() -> None:
    assert fingerprint("select  k\nfrom plain", write_pins(VIEW.reads)) == "3b6561aea79cbb5b"


def catalogue() -> Catalogue:
    """A table that has gained a column since v was compiled, and a plain view over it."""
    relations = {
        ("public", "t"): Entry("public", "t", "table", "t", "create table t", None),
        ("public", "plain"): Entry("public", "plain", "view", None, "select k, v from t", None),
    }
    return Catalogue(relations, {"t": TABLE, "v@1": VIEW})


def test_what_names_meant_comes_back_with_the_compilation() -> None:
    compiled = compile_view(Resolver(catalogue()), "w@1", "select k, v from plain", None)
    assert pins_of(compiled.reads) == {
        "public.plain": ViewText("plain", "select k, v from t"),
        "public.t": StoredPin("t"),
    }


def test_names_mean_what_they_meant_when_a_version_was_compiled() -> None:
    pinned = Resolver(catalogue(), VIEW.reads)
    assert pinned.relation(None, "plain") == PLAIN
    assert pinned.relation(None, "t") == TABLE.as_relation(1)
    assert pinned.sql_function(None, "doubled") == DOUBLED
    assert Resolver(catalogue()).relation(None, "t") == TABLE.as_relation()
