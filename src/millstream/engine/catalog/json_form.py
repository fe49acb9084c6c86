"""The catalogue's JSON: how records are written into it and read again. Nothing else knows its keys but SQL that reads them.

millstream.state.detail        columns, key and what else describes a stored relation
millstream.state.reads         what each name meant
millstream.relation.definition the SQL of what FROM can name, else an object
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from millstream.compiler.binder.scope import SqlFunction, ViewText
from millstream.compiler.postgres.names import pending, queue
from millstream.engine.catalog.records import (
    Entry,
    Function,
    Pin,
    Pins,
    PythonFunction,
    Sink,
    State,
    StoredPin,
    StoredTable,
    StoredView,
)

Detail = Mapping[str, Any]


# ---- stored relations ------------------------------------------------------------------------------------------------


def read_state(
    name: str,
    schema: str,
    relation: str,
    kind: str,
    definition: str,
    path: str | None,
    reads: Mapping[str, Detail],
    tables: list[str],
    detail: Detail,
) -> State:
    """A row of millstream.state."""
    columns = tuple((str(n), str(type_), bool(nullable)) for n, type_, nullable in detail["columns"])
    common = (name, schema, relation, definition, path, columns, tuple(detail["key"]), tuple(tables))
    if kind == "table":
        return StoredTable(*common, bool(detail.get("append_only")), detail.get("triggers"))
    return StoredView(
        *common,
        {key: read_pin(key, pin) for key, pin in reads.items()},
        detail.get("guard"),
        bool(detail.get("single")),
        tuple(tuple(index) for index in detail.get("indexes", ())),
        detail.get("nodes"),
        detail.get("fingerprint"),
        detail.get("mark"),
        str(detail.get("summary", "")),
    )


def detail_of(state: State) -> dict[str, Any]:
    """What is written of a stored relation besides its names; a mark and a summary are noted later."""
    if isinstance(state, StoredTable):
        names = {"queue": queue(state.name), "pending": pending(state.name)}
        return {**table_detail(state), **names, "append_only": state.append_only}
    return {
        "columns": state.columns,
        "key": state.key,
        "guard": state.guard,
        "single": state.single,
        "fingerprint": state.fingerprint,
        "nodes": state.nodes,
        "indexes": state.indexes,
    }


def table_detail(table: StoredTable) -> dict[str, Any]:
    """What is written of a source table and may change."""
    triggers = {"triggers": table.triggers} if table.triggers is not None else {}
    return {"columns": table.columns, "key": table.key, **triggers}


# ---- what names meant ------------------------------------------------------------------------------------------------


def read_pin(key: str, written: Detail) -> Pin:
    """What a name meant."""
    schema, _, name = key.partition(".")
    if written.get("function") is not None:
        function = read_function(schema, name, written["function"])
        assert isinstance(function, SqlFunction)
        return function
    if written.get("view") is not None:
        return ViewText(name, written["view"], written.get("path"))
    known = written.get("columns")
    return StoredPin(written["state"], int(known) if known is not None else None)


def write_pins(pins: Pins) -> dict[str, dict[str, str | None]]:
    """What names meant, for JSON."""
    return {key: write_pin(pin) for key, pin in pins.items()}


def write_pin(pin: Pin) -> dict[str, str | None]:
    """What a name meant, for JSON."""
    if isinstance(pin, ViewText):
        return {"view": pin.sql, "path": pin.path}
    if isinstance(pin, SqlFunction):
        return {"function": json.dumps(describe_function(pin))}
    known = {"columns": str(pin.columns)} if pin.columns is not None else {}
    return {"state": pin.state, **known}


# ---- what names stand for --------------------------------------------------------------------------------------------


def read_entry(schema: str, name: str, kind: str, state: str | None, written: str, path: str | None) -> Entry:
    """A row of millstream.relation."""
    definition: str | Sink | Function = written
    if kind == "sink":
        found = json.loads(written)
        definition = Sink(found["ddl"], found["target"], found["query"])
    elif kind == "function":
        definition = read_function(schema, name, written)
    return Entry(schema, name, kind, state, definition, path)


def write_definition(definition: str | Sink | Function) -> str:
    """What is kept of what a name stands for."""
    if isinstance(definition, str):
        return definition
    if isinstance(definition, Sink):
        return json.dumps({"ddl": definition.ddl, "target": definition.target, "query": definition.query})
    return json.dumps(describe_function(definition))


def read_function(schema: str, name: str, written: str) -> Function:
    """A function from what is kept of it."""
    found = json.loads(written)
    if found["language"] == "sql":
        parameters = tuple((str(label), str(type_)) for label, type_ in found["parameters"])
        return SqlFunction(schema, name, parameters, found["returns"], found["body"])
    arguments = tuple((str(label), str(type_)) for label, type_ in found["arguments"])
    return PythonFunction(arguments, found["returns"], found["module"], found["entry"], found["code"])


def describe_function(function: Function) -> dict[str, Any]:
    """What is kept of a function."""
    if isinstance(function, SqlFunction):
        parts = {"parameters": function.parameters, "returns": function.returns, "body": function.body}
        return {"language": "sql", **parts}
    return {
        "language": "python",
        "arguments": [list(argument) for argument in function.arguments],
        "returns": function.returns,
        "module": function.module,
        "entry": function.entry,
        "code": function.code,
    }
