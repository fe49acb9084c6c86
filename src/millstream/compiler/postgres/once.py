"""Acts on rows without a key: what a row gives is computed once, when the row comes, and stays until a row goes.

    Δ(Q(a)) = Q(a⁺ with the other inputs as they are) − the stored results of as many equal rows as went

Rows of a bag that are the same cannot be told apart, but what they gave can differ: each was looked up when it came. So a
result carries the hash of its row, and how many such rows had results before it (its turn). Of the same rows that go, those
whose results are oldest go first.
"""

from __future__ import annotations

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.algebra.operators import Relation
from millstream.compiler.incremental.node import HASH, TURN, Node
from millstream.compiler.postgres.identity import Columns, image, loose
from millstream.compiler.postgres.names import changes, quote, table
from millstream.compiler.postgres.render import Images, listing


def driver(node: Node) -> Relation:
    """The relation whose rows the node acts on."""
    return node.leaves[0].relation


def images(node: Node, rows: str) -> Images:
    """Read these rows wherever the node's plan reads its driver."""
    return {leaf.instance: rows for leaf in node.leaves}


def row_hash(relation: Relation, row: str) -> str:
    """What the rows that are the same have in common: the hash of a bag is that of all that are equal."""
    columns = [(quote(name), type_) for name, type_, _ in relation.columns]
    if not loose(columns):
        return f"{row}.{HASH}"
    return f"hash_record_extended(ROW({listing(image(columns, row))}), 0)"


def taking_turns(relation: Relation, rows: str, before: str) -> str:
    """Rows of a relation with their hash, and each with its turn among the same rows, after `before` others."""
    columns = listing([quote(name) for name, _, _ in relation.columns])
    turn = f"{before} + row_number() OVER (PARTITION BY r.{HASH})"
    hashed = f"SELECT {columns}, {row_hash(relation, 'd')} AS {HASH} FROM {rows}"
    return f"(SELECT r.*, {turn} AS {quote(TURN)} FROM ({hashed}) AS r)"


def stored_rows(node: Node) -> str:
    """All rows of the driver in turn."""
    return taking_turns(driver(node), f"{table(driver(node).name)} AS d", "0")


def coming_rows(node: Node) -> str:
    """The rows that came in this tick, as often as they did, in turn after those that have results."""
    mine, turn = map(quote, node.keys)
    rows = (
        f"{changes(driver(node).name)} AS d CROSS JOIN LATERAL generate_series(1, d.{WEIGHT}) AS g ({TURN})"
    )
    last = f"SELECT max(t.{turn}) FROM {table(node.name)} AS t WHERE t.{mine} = r.{HASH}"
    return taking_turns(driver(node), rows, f"coalesce(({last}), 0)")


def derive(node: Node, typed: Columns, columns: list[str], coming: str) -> str:
    """The results of the rows that went, taken out, and those of the rows that came; `typed` are the outputs' columns."""
    mine, turn = map(quote, node.keys)
    found = f"FROM {table(node.name)} AS t WHERE t.{mine} = {row_hash(driver(node), 'd')}"
    oldest = f"SELECT DISTINCT t.{turn} {found} ORDER BY t.{turn} LIMIT -d.{WEIGHT}"
    going = (
        f"SELECT t.* FROM {changes(driver(node).name)} AS d CROSS JOIN LATERAL (SELECT t.* {found} "
        f"AND t.{turn} = ANY (ARRAY({oldest})) OFFSET 0) AS t WHERE d.{WEIGHT} < 0"
    )
    same = [*columns, *image(typed, "s")[len(typed) :]]
    listed = listing(columns)
    counted = (
        f"SELECT {listed}, {sign}count(*)::integer AS {WEIGHT} FROM ({rows}) AS s GROUP BY {listing(same)}"
        for rows, sign in ((going, "-"), (coming, ""))
    )
    return f"INSERT INTO {changes(node.name)} {' UNION ALL '.join(counted)}"
