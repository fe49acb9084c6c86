"""Where a key has one row, the new row is written over the old one, at the place where that was read.

The changes of such a node have a column more: where the stored row of the key is. A new row has the place of the old one,
which it replaces; an old row has its place where none replaces it.
"""

from __future__ import annotations

from collections.abc import Sequence

from millstream.compiler.algebra.expression import OWN, WEIGHT
from millstream.compiler.postgres.identity import is_strict
from millstream.compiler.postgres.layout import clause, lines, listing, nested, union_all, where
from millstream.compiler.postgres.names import changes, quote, table
from millstream.compiler.postgres.stored import StoredNode

PLACE = f"at{OWN}"  # where the stored row of a changed key is, within a tick


def names_before(columns: Sequence[str]) -> dict[str, str]:
    """What the columns of a stored row are called beside those of the row that replaces it."""
    return {name: f"_b{number}" for number, name in enumerate(columns)}


def stored_row(sql: StoredNode, match_on: str) -> str:
    """The row `t` of a key, and its place."""
    columns = [f"t.{name} AS {before}" for name, before in names_before(sql.all_columns()).items()]
    return lines(
        clause("SELECT", [*columns, f"t.ctid AS {PLACE}"]),
        f"FROM {table(sql.node.name)} AS t",
        where([match_on]),
        "LIMIT 1",
    )


def replacement(columns: Sequence[str], alive: str, new: str) -> str:
    """The stored rows of `m`, removed, and the `new` ones, added; `alive` says of which rows there is a new one."""
    old = [f"m.{before}" for before in names_before(columns).values()]
    gone = f"CASE WHEN NOT ({alive}) THEN m.{PLACE} END"
    return union_all(
        [
            lines(clause("SELECT", [*old, gone, "-1"]), "FROM m", f"WHERE m.{PLACE} IS NOT NULL"),
            lines(clause("SELECT", [*columns, f"s.{PLACE}", "1"]), f"FROM {nested(new)} AS s"),
        ]
    )


def apply_in_place(sql: StoredNode) -> str:
    """Write new rows over the old ones, whose places the changes know; a key only where it may have changed."""
    stored, changed = table(sql.node.name), changes(sql.node.name)
    columns = sql.all_columns()
    keys = {quote(key) for key in sql.node.keys}
    written = [name for name in columns if name not in keys]
    written += [name for name, type_ in sql.typed if name in keys and not is_strict(type_)]
    gone = lines(
        f"SELECT d.{PLACE}", f"FROM {changed} AS d", f"WHERE d.{WEIGHT} < 0 AND d.{PLACE} IS NOT NULL"
    )
    deleted = lines(f"DELETE FROM {stored}", f"WHERE ctid = ANY (ARRAY{nested(gone)})")
    moved = lines(
        f"UPDATE {stored} AS t",
        clause("SET", [f"{name} = d.{name}" for name in written]),
        f"FROM {changed} AS d",
        f"WHERE t.ctid = d.{PLACE} AND d.{WEIGHT} > 0",
    )
    return lines(
        f"WITH gone AS {nested(deleted)}" + (f",\nmoved AS {nested(moved)}" if written else ""),
        f"INSERT INTO {stored} ({listing(columns)})",
        clause("SELECT", [f"d.{name}" for name in columns]),
        f"FROM {changed} AS d",
        f"WHERE d.{WEIGHT} > 0 AND d.{PLACE} IS NULL",
    )
