"""Run a statement that computes keys so that a key which cannot be computed costs itself alone.

All keys at once first; where that fails, key by key. One that fails has no rows, and is remembered with its error until it
is computed without one: by the next change of it, or when it is tried again.
"""

from __future__ import annotations

from millstream.compiler.postgres.careful import FAILURES
from millstream.compiler.postgres.identity import texts
from millstream.compiler.postgres.names import quote, string
from millstream.compiler.postgres.statements import ByKey, NodeSql

OF_A_KEY = " OR ".join((*FAILURES, "cardinality_violation", "integrity_constraint_violation"))


def create_keys(table: str, by: ByKey) -> str:
    """Create a session's table of the keys of a statement."""
    return f"CREATE TEMPORARY TABLE {table} AS SELECT 0::bigint AS number$, k.* FROM ({by.keys}) AS k LIMIT 0"


def body(sql: NodeSql, by: ByKey, model: str, listed: str) -> str:
    """The body of a plpgsql function that runs the statement and returns how many rows it made; `listed` is for its keys."""
    node = string(sql.node.name)
    types = dict(sql.typed)
    key = texts([(quote(name), types[quote(name)]) for name in sql.node.keys])
    columns = ", ".join(f"k.{name}" for name in sql.lookup_columns)
    one = f"SELECT {columns} FROM {listed} AS k WHERE k.number$ = one$"
    return (
        "#variable_conflict use_column\n"
        "DECLARE rows$ bigint; made$ bigint; one$ bigint; key$ text[]; error$ text; BEGIN\n"
        f"DELETE FROM {listed}; INSERT INTO {listed} SELECT row_number() OVER (), k.* FROM ({by.keys}) AS k;\n"
        f"BEGIN {by.compute(f'SELECT {columns} FROM {listed} AS k')}; GET DIAGNOSTICS rows$ = ROW_COUNT;\n"
        f"PERFORM millstream.note_key({string(model)}, {node}, {key}, NULL) FROM {listed} "
        f"WHERE EXISTS (SELECT 1 FROM millstream.dead_key AS d WHERE d.node = {node});\n"
        f"RETURN rows$; EXCEPTION WHEN {OF_A_KEY} THEN rows$ := 0; END;\n"
        f"FOR one$ IN SELECT number$ FROM {listed} LOOP\n"
        f"BEGIN {by.compute(one)}; GET DIAGNOSTICS made$ = ROW_COUNT; error$ := NULL;\n"
        f"EXCEPTION WHEN {OF_A_KEY} THEN error$ := sqlerrm; END;\n"
        f"IF error$ IS NOT NULL THEN {by.clear(one)}; GET DIAGNOSTICS made$ = ROW_COUNT; END IF;\n"
        f"SELECT {key} INTO key$ FROM {listed} WHERE number$ = one$;\n"
        f"PERFORM millstream.note_key({string(model)}, {node}, key$, error$);\n"
        "rows$ := rows$ + made$;\nEND LOOP; RETURN rows$; END"
    )
