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
from millstream.engine.catalog.store import Catalogue, State
from millstream.engine.deploy.draft import Draft
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.deploy.public import is_shown
from millstream.engine.state import versions

COMPILER = ("compiler", "engine")  # what decides what a view becomes
OF_A_FUNCTION = ("language", "arguments", "parameters", "returns", "body")


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
        f"{schema}.{name}": {part: defined.get(part) for part in OF_A_FUNCTION}
        for (schema, name), found in catalogue.relations.items()
        if found.kind == "function" and (defined := json.loads(found.definition))
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


def meaning(catalogue: Catalogue, key: str) -> list[Any]:
    """What a name stands for: a stored relation with its columns, key and indexes, or a text."""
    schema, _, name = key.partition(".")
    found = catalogue.named(schema, name)
    if found is None:
        return []
    state = catalogue.states.get(found.state or "")
    if state is None:
        return [found.kind, found.definition]
    return [found.kind, state.name, repr(state.as_relation()), state.indexes]


def as_deployed(
    draft: Draft, schema: str, name: str, sql: str, indexes: Sequence[Sequence[str]], portable: bool
) -> Deployed | None:
    """The outcome for a view that is deployed as it is asked for; None where it has to be compiled to know."""
    current = current_state(draft.catalogue, schema, name)
    if current is None or "mark" not in current.detail:
        return None
    same = current.detail["mark"] == mark(draft.catalogue, current.reads, sql, indexes, portable)
    if not same or not is_shown(draft.conn, schema, name):
        return None
    return Deployed(name, "unchanged", str(current.detail.get("summary", "")))


def remember(
    draft: Draft, schema: str, name: str, sql: str, indexes: Sequence[Sequence[str]], portable: bool
) -> None:
    """Note what a view that was compiled just now was made of, for `as_deployed` to find."""
    state = current_state(draft.catalogue, schema, name)
    if state is not None:
        draft.conn.execute(
            "update millstream.state set detail = detail || jsonb_build_object('mark', %s::text) where name = %s",
            [mark(draft.catalogue, state.reads, sql, indexes, portable), state.name],
        )


def current_state(catalogue: Catalogue, schema: str, name: str) -> State | None:
    """The version for which a name stands, if it is that of a materialized view."""
    found = catalogue.named(schema, name)
    if found is None or found.kind != "materialized_view":
        return None
    return catalogue.states.get(found.state or "")
