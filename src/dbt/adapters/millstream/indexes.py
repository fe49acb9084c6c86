"""The `indexes` of a model's configuration: read, and made on relations whose rows dbt or clients bring."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dbt_common.exceptions import DbtRuntimeError

from millstream.compiler.algebra.quoting import quote
from millstream.compiler.syntax.identifiers import named

Node = Mapping[str, Any]

ENDS = "_dbt_ix"  # of the names of indexes that are ours to drop


def index_columns(model: Node) -> list[list[str]]:
    """The columns of each index, as they are written. Raises DbtRuntimeError, with the file, for another form."""
    found = []
    for index in model["config"].get("indexes") or ():
        columns = index.get("columns") if isinstance(index, Mapping) else None
        columns = [columns] if isinstance(columns, str) else columns
        if not columns or not all(isinstance(column, str) for column in columns):
            raise DbtRuntimeError(
                f"{model['original_file_path']}: an index of {model['name']} is written as {index!r}\n"
                "  hint: write  indexes=[{'columns': ['a', 'b']}, …]"
            )
        found.append([str(column) for column in columns])
    return found


def statements(
    model: Node, schema: str, relation: str, shown: Sequence[str], there: Collection[str]
) -> list[str]:
    """What makes the indexes of a table be those of its model; `there` are the names of the indexes that it has.

    Raises DbtRuntimeError, with the file, for a column that the table (`shown`) does not have.
    """
    wanted = {}
    for written in index_columns(model):
        columns = [named(column) for column in written]
        for column, known in zip(written, columns, strict=True):
            if known not in shown:
                raise DbtRuntimeError(
                    f"{model['original_file_path']}: index on {model['name']} ({column}): it has no such column\n"
                    f"  hint: it has {', '.join(shown)}; a name in double quotes keeps its letters"
                )
        wanted[index_name(schema, relation, columns)] = ", ".join(map(quote, columns))
    gone = [name for name in there if name.endswith(ENDS) and name not in wanted]
    table = f"{quote(schema)}.{quote(relation)}"
    return [f"drop index {quote(schema)}.{quote(name)}" for name in gone] + [
        f"create index {quote(name)} on {table} ({columns})"
        for name, columns in wanted.items()
        if name not in there
    ]


def index_name(schema: str, relation: str, columns: Sequence[str]) -> str:
    """A name that is the same at every run."""
    said = "\0".join((schema, relation, *columns))
    return f"ms_{hashlib.md5(said.encode(), usedforsecurity=False).hexdigest()}{ENDS}"
