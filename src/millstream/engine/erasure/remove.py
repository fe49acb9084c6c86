"""Remove people from every source and leave tombstones, in SQL of both engines where the engine has nothing better."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import psycopg
from psycopg import sql

from millstream.compiler.postgres.names import quote
from millstream.engine.erasure.columns import Holder, holders
from millstream.engine.erasure.messages import is_of
from millstream.engine.erasure.nobody import listed, names_nobody
from millstream.engine.erasure.people import People

CANDIDATES = """
select ctid::text, {column} from {name} as t
where exists (select from unnest(%s::text[]) as i (id) where strpos(t.{column}, i.id) > 0)
    or strpos(t.{column}, chr(92)) > 0
"""


def remove(conn: psycopg.Connection, people: People) -> Counter[str]:
    """Write the tombstones, then delete; returns the rows deleted by relation. The caller has a transaction."""
    bury(conn, people)
    removed: Counter[str] = Counter()
    for holder in holders(conn):
        count = delete_rows(conn, holder, people) + delete_messages(conn, holder, people)
        if count:
            removed[holder.plain] += count
    return removed


def bury(conn: psycopg.Connection, people: People) -> None:
    """Write tombstones, and the links as hashes; those that are there stay."""
    insert(
        conn,
        "insert into tombstones (id_hash, erased_at) values {}",
        "({}, now())",
        ((h,) for h in people.hashes),
    )
    insert(
        conn, "insert into past_identities (visitor_hash, person_hash) values {}", "({}, {})", people.links
    )


def insert(conn: psycopg.Connection, statement: str, row: str, values: Iterable[tuple[str, ...]]) -> None:
    """Insert rows with one statement, if there are any."""
    rows = [sql.SQL(row).format(*map(sql.Literal, each)) for each in sorted(values)]
    if rows:
        conn.execute(sql.SQL(statement).format(sql.SQL(", ").join(rows)))


def delete_rows(conn: psycopg.Connection, holder: Holder, people: People) -> int:
    """Delete the rows that name one of the ids, or one of the visitors and nobody else."""
    if not holder.ids:
        return 0
    columns = [sql.Identifier(name) for name in holder.ids]
    ids, visitors, everybody = map(listed, (people.ids, people.visitors, people.everything))

    def either(array: sql.Composable) -> sql.Composed:
        return sql.SQL(" or ").join(sql.SQL("{} = any({})").format(column, array) for column in columns)

    alone = sql.SQL(" and ").join(
        sql.SQL("({} or {} = any({}))").format(names_nobody(column), column, everybody) for column in columns
    )
    condition = sql.SQL("{} or (({}) and {})").format(either(ids), either(visitors), alone)
    return conn.execute(sql.SQL("delete from {} where {}").format(sql.SQL(holder.name), condition)).rowcount


def delete_messages(conn: psycopg.Connection, holder: Holder, people: People) -> int:
    """Delete the messages that are these people's; what cannot contain an id is not even read."""
    count = 0
    for name in holder.messages:
        rows = conn.execute(
            CANDIDATES.format(column=quote(name), name=holder.name).encode(), [people.everything]
        )
        places = [place for place, payload in rows if is_of(payload, people.ids, people.visitors)]
        count += conn.execute(
            f"delete from {holder.name} where ctid = any(%s::tid[])".encode(), [places]
        ).rowcount
    return count
