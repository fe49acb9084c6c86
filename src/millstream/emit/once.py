"""Acts on rows without a key: what a row gives is computed once, when the row comes, and stays until a row goes.

    Δ(Q(a)) = Q(a⁺ with the other inputs as they are) − the stored results of as many equal rows as went

Equal rows of a bag cannot be told apart, but what they gave can differ: each was looked up when it came. So a result
carries the hash of its row, and how many equal rows had results before it (its turn). Of equal rows that go, those whose
results are oldest go first.
"""

from __future__ import annotations

from millstream.delta.node import HASH, TURN, Node
from millstream.emit.names import changes, quote, table
from millstream.emit.render import Images, listing
from millstream.plan.expression import WEIGHT


def driver(node: Node) -> str:
    """The relation whose rows the node acts on."""
    return node.leaves[0].relation.name


def images(node: Node, rows: str) -> Images:
    """Read these rows wherever the node's plan reads its driver."""
    return {leaf.instance: rows for leaf in node.leaves}


def stored_rows(node: Node) -> str:
    """All rows of the driver, each with its turn among its equals."""
    return f"(SELECT t.*, row_number() OVER (PARTITION BY t.{HASH}) AS {quote(TURN)} FROM {table(driver(node))} AS t)"


def coming_rows(node: Node) -> str:
    """The rows that came in this tick, as often as they did, in turn after those that have results."""
    row_hash, turn = map(quote, node.keys)
    last = f"(SELECT max(t.{turn}) FROM {table(node.name)} AS t WHERE t.{row_hash} = d.{HASH})"
    return (
        f"(SELECT d.*, coalesce({last}, 0) + g AS {quote(TURN)} FROM {changes(driver(node))} AS d "
        f"CROSS JOIN LATERAL generate_series(1, d.{WEIGHT}) AS g)"
    )


def derive(node: Node, columns: list[str], coming: str) -> str:
    """The results of the rows that went, taken out, and those of the rows that came."""
    row_hash, turn = map(quote, node.keys)
    mine = f"FROM {table(node.name)} AS t WHERE t.{row_hash} = d.{HASH}"
    oldest = f"SELECT DISTINCT t.{turn} {mine} ORDER BY t.{turn} LIMIT -d.{WEIGHT}"
    going = (
        f"SELECT t.* FROM {changes(driver(node))} AS d CROSS JOIN LATERAL (SELECT t.* {mine} "
        f"AND t.{turn} = ANY (ARRAY({oldest})) OFFSET 0) AS t WHERE d.{WEIGHT} < 0"
    )
    return f"INSERT INTO {changes(node.name)} {counted(columns, going, '-')} UNION ALL {counted(columns, coming, '')}"


def counted(columns: list[str], rows: str, sign: str) -> str:
    """Equal rows as one, with how many they are as its weight."""
    listed = listing(columns)
    return f"SELECT {listed}, {sign}count(*)::integer AS {WEIGHT} FROM ({rows}) AS s GROUP BY {listed}"
