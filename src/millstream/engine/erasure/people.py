"""All ids of a person: those that were named, and those that the links between visitors and persons lead to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg
from psycopg import sql

from millstream.engine.erasure.nobody import is_nobody, listed
from millstream.engine.erasure.tombstones import keep_key, keyed_hash

LINKS = "select anonymous_id, user_id from identities where anonymous_id = any({ids}) or user_id = any({ids})"
PAST = "select visitor_hash, person_hash from past_identities where visitor_hash = any({ids}) or person_hash = any({ids})"
KNOWN = "select id from stg_known_ids where id_hash = any({ids})"


@dataclass
class People:
    """Whom to forget.

    `ids` are forgotten wherever they stand. `visitors` were these people at some time, and perhaps others: theirs is what
    names nobody else. `hashes` and `visitor_hashes` are the same hashed, and those that only past_identities still knows.
    """

    ids: set[str]
    visitors: set[str] = field(default_factory=set)
    follow_visitors: bool = False
    hashes: set[str] = field(default_factory=set)
    visitor_hashes: set[str] = field(default_factory=set)
    links: set[tuple[str, str]] = field(default_factory=set)

    @property
    def everything(self) -> list[str]:
        """All the ids as they are."""
        return sorted(self.ids | self.visitors)

    @property
    def size(self) -> int:
        """How much is known."""
        return len(self.ids) + len(self.visitors) + len(self.hashes) + len(self.visitor_hashes)


def follow(conn: psycopg.Connection, people: People) -> None:
    """Add what the links lead to, those of now and of the past.

    A visitor among `ids` leads to the persons that it was, a person to all visitors that were this person. Those lead on
    to other persons only with `follow_visitors`: two people may have used one device.
    """
    key = keep_key(conn)
    size = -1
    while size != people.size:
        size = people.size
        people.hashes |= {keyed_hash(key, each) for each in people.ids}
        people.visitor_hashes |= {keyed_hash(key, each) for each in people.visitors}
        roots, hashed = people.ids, people.hashes
        if people.follow_visitors:
            roots, hashed = roots | people.visitors, hashed | people.visitor_hashes
        for visitor, person in ask(conn, LINKS, roots):
            if is_nobody(visitor) or is_nobody(person):
                continue
            people.ids.add(person)
            people.visitors.add(visitor)
            people.links.add((keyed_hash(key, visitor), keyed_hash(key, person)))
        for visitor, person in ask(conn, PAST, hashed):
            people.hashes.add(person)
            people.visitor_hashes.add(visitor)
        resolve(conn, people)
        people.visitors -= people.ids
        people.visitor_hashes -= people.hashes


def resolve(conn: psycopg.Connection, people: People) -> None:
    """Find the ids behind hashes, as far as the sources still have them."""
    row = conn.execute("select 1 from pg_catalog.pg_class where relname = 'stg_known_ids'").fetchone()
    if row is None:
        return
    people.ids.update(row[0] for row in ask(conn, KNOWN, people.hashes))
    people.visitors.update(row[0] for row in ask(conn, KNOWN, people.visitor_hashes))


def ask(conn: psycopg.Connection, query: LiteralString, ids: Iterable[str]) -> list[tuple[str, ...]]:
    """The rows of a query about ids."""
    return conn.execute(sql.SQL(query).format(ids=listed(ids))).fetchall()
