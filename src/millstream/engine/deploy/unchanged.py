"""Tell that a materialized view is deployed as it is asked for, without compiling it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import millstream
from millstream.compiler.binder.scope import SqlFunction
from millstream.engine.catalog import store
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.json_form import write_definition
from millstream.engine.catalog.records import Function, PythonFunction, StoredView
from millstream.engine.deploy.draft import Draft
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.deploy.public import is_shown
from millstream.engine.state import versions

COMPILER = ("compiler", "engine")  # what decides what a view becomes


@cache
def compiler() -> str:
    """Identify this version of the compiler by its own text: what another one has compiled is looked at again."""
    found = hashlib.sha256(version("sqlglot").encode())
    root = Path(millstream.__file__).parent
    for folder in COMPILER:
        for file in sorted((root / folder).rglob("*.py")):
            found.update(file.read_bytes())
    return found.hexdigest()


def mark(
    catalogue: Catalogue, reads: Iterable[str], sql: str, indexes: Sequence[Sequence[str]], portable: bool
) -> str:
    """Identify a definition, the compiler, and all that the names in it (`schema.name`) and every function mean now."""
    functions = {
        f"{schema}.{name}": signature_and_body(found.definition)
        for (schema, name), found in catalogue.relations.items()
        if isinstance(found.definition, PythonFunction | SqlFunction)
    }
    said = {key: meaning(catalogue, key) for key in reads}
    asked = [
        " ".join(sql.split()),
        [list(columns) for columns in indexes],
        portable,
        compiler(),
        versions.FORMAT,
    ]
    return hashlib.sha256(json.dumps([asked, said, functions], sort_keys=True).encode()).hexdigest()


def signature_and_body(function: Function) -> list[Any]:
    """What of a function decides what a view becomes: Python is called, and not compiled."""
    if isinstance(function, SqlFunction):
        return ["sql", function.parameters, function.returns, function.body]
    return ["python", *function.signature]


def meaning(catalogue: Catalogue, key: str) -> list[Any]:
    """What a name stands for: a stored relation with its columns, key and indexes, or a text."""
    schema, _, name = key.partition(".")
    found = catalogue.named(schema, name)
    if found is None:
        return []
    state = catalogue.states.get(found.state or "")
    if state is None:
        return [found.kind, write_definition(found.definition)]
    indexes = state.indexes if isinstance(state, StoredView) else ()
    return [found.kind, state.name, repr(state.as_relation()), indexes]


def found_unchanged(
    draft: Draft, schema: str, name: str, sql: str, indexes: Sequence[Sequence[str]], portable: bool
) -> Deployed | None:
    """The outcome for a view that is deployed as it is asked for; None where it has to be compiled to know."""
    current = draft.catalogue.current(schema, name)
    if current is None or current.mark is None:
        return None
    same = current.mark == mark(draft.catalogue, current.reads, sql, indexes, portable)
    if not same or not is_shown(draft.conn, schema, name):
        return None
    return Deployed(name, "unchanged", current.summary)


def note_mark(
    draft: Draft, schema: str, name: str, sql: str, indexes: Sequence[Sequence[str]], portable: bool
) -> None:
    """Note what a view that was compiled just now was made of, for `found_unchanged` to find."""
    state = draft.catalogue.current(schema, name)
    if state is not None:
        found = mark(draft.catalogue, state.reads, sql, indexes, portable)
        store.note(draft.conn, state.name, "mark", found)
