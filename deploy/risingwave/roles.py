# ruff: noqa: INP001, T201 - a script that `deploy/up` runs
"""Users of RisingWave and what each may do: `python deploy/risingwave/roles.py accounts`, and after a deploy `grants`.

`check` says which passwords are missing, before anything is started. `accounts` gives root its password (a new RisingWave has none) and makes the three users; `grants` lets each see what it
needs and nothing else. Both may be repeated. A deploy builds a changed view beside the old one, and the new view has
no grants: so `grants` follows every deploy. Passwords come from the environment, as .env.example describes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import LiteralString

import psycopg
from psycopg import sql

SUPERUSER = "root"
WRITER, READER, MONITOR = "millstream_writer", "millstream_reader", "millstream_monitor"
PASSWORDS = {
    SUPERUSER: "RISINGWAVE_PASSWORD",
    WRITER: "RISINGWAVE_WRITER_PASSWORD",
    READER: "RISINGWAVE_READER_PASSWORD",
    MONITOR: "RISINGWAVE_MONITOR_PASSWORD",
}
SOURCES = frozenset({
    "events", "events_raw", "items", "users", "inventory", "identities", "erased_users", "excluded_items",
    "category_rules", "embedding_neighbours", "item_vectors",
})  # fmt: skip
"""What the writer may write. ranking_weights and ranking_models are the analysts'; tombstones and their keys are nobody's, root's."""
MONITORED = frozenset({"rank_user_list", "stg_events_rejected"})
"""What the panels of deploy/grafana read."""
LOOKED_UP = frozenset({"items"})
"""What the functions' server reads, as the reader: category and brand, which are shown to people anyway."""
KINDS: Mapping[str, LiteralString] = {"r": "TABLE", "m": "MATERIALIZED VIEW", "v": "VIEW"}
"""pg_class.relkind → what GRANT calls it."""

Relation = tuple[str, str]
"""Name and pg_class.relkind."""


class SetupError(Exception):
    """What is missing, and the remedy."""


def passwords(environment: Mapping[str, str]) -> dict[str, str]:
    """User → password. Raises SetupError, naming every variable that is not set."""
    missing = [name for name in PASSWORDS.values() if not environment.get(name)]
    if missing:
        raise SetupError(f"{', '.join(missing)} not set: fill in .env, as .env.example says")
    return {user: environment[name] for user, name in PASSWORDS.items()}


def connect(environment: Mapping[str, str], password: str | None) -> psycopg.Connection:
    """A connection of the superuser, each statement its own transaction, as RisingWave has it."""
    return psycopg.connect(
        host=environment.get("RISINGWAVE_HOST", "127.0.0.1"),
        port=environment.get("RISINGWAVE_PORT", "4566"),
        user=environment.get("RISINGWAVE_USER", SUPERUSER),
        password=password,
        dbname=environment.get("RISINGWAVE_DATABASE", "dev"),
        autocommit=True,
        connect_timeout=10,
    )


def open_first(environment: Mapping[str, str], password: str) -> psycopg.Connection:
    """Connect with the password; where that fails without one, as to a RisingWave that was made a moment ago."""
    try:
        return connect(environment, password)
    except psycopg.OperationalError as refused:
        try:
            return connect(environment, None)
        except psycopg.OperationalError:
            raise SetupError(
                f"cannot connect to RisingWave: {str(refused).strip()}\n"
                "  Is it up (docker compose ps)? Is RISINGWAVE_PASSWORD the one of the first start?"
            ) from refused


def account_statements(wanted: Mapping[str, str], present: Iterable[str]) -> list[sql.Composed]:
    """Statements that give every user its password, those who are not there yet last."""
    there = set(present)
    statements = []
    for user, password in sorted(wanted.items(), key=lambda pair: pair[0] not in there):
        verb = sql.SQL("ALTER") if user in there else sql.SQL("CREATE")
        statements.append(
            sql.SQL("{} USER {} WITH PASSWORD {}").format(verb, sql.Identifier(user), sql.Literal(password))
        )
    return statements


def grant_statements(relations: Iterable[Relation], schema: str, database: str) -> list[sql.Composed]:
    """Statements that let each user see and change what it is for, among the relations that are there."""
    place = sql.Identifier(schema)
    statements = [
        sql.SQL("GRANT {} TO {}").format(
            sql.SQL("{} ON {} {}").format(sql.SQL(right), sql.SQL(kind), name), user
        )
        for user in map(sql.Identifier, (WRITER, READER, MONITOR))
        for right, kind, name in (
            ("CONNECT", "DATABASE", sql.Identifier(database)),
            ("USAGE", "SCHEMA", place),
        )
    ]
    for name, kind in sorted(relations):
        for user, rights in rights_on(name, kind):
            statements.append(
                sql.SQL("GRANT {} ON {} {}.{} TO {}").format(
                    sql.SQL(rights), sql.SQL(KINDS[kind]), place, sql.Identifier(name), sql.Identifier(user)
                )
            )
    return statements


def rights_on(name: str, kind: str) -> list[tuple[str, LiteralString]]:
    """Who may do what with a relation; the writer reads what it writes, to go on where it stopped."""
    found: list[tuple[str, LiteralString]] = []
    if kind not in KINDS:
        return found
    if name in SOURCES and kind == "r":
        append_only = name == "events_raw"
        found.append((WRITER, "SELECT, INSERT" if append_only else "SELECT, INSERT, UPDATE, DELETE"))
    if name.startswith("load_"):
        found.append((WRITER, "SELECT"))
    if name.startswith("serve_") or (name in LOOKED_UP and kind == "r"):
        found.append((READER, "SELECT"))
    if name in MONITORED:
        found.append((MONITOR, "SELECT"))
    return found


def set_accounts(environment: Mapping[str, str]) -> str:
    """Give root its password and make the other users; return what was done."""
    wanted = passwords(environment)
    with open_first(environment, wanted[SUPERUSER]) as connection:
        present = [row[0] for row in connection.execute("select usename from pg_catalog.pg_user")]
        for statement in account_statements(wanted, present):
            connection.execute(statement)
    return f"users {', '.join(wanted)} have the passwords of .env"


def set_grants(environment: Mapping[str, str]) -> str:
    """Grant everything that is to be granted; return what was done."""
    schema, database = "public", environment.get("RISINGWAVE_DATABASE", "dev")
    with connect(environment, passwords(environment)[SUPERUSER]) as connection:
        relations = [
            (str(name), str(kind))
            for name, kind in connection.execute(
                "select c.relname, c.relkind from pg_catalog.pg_class as c "
                "join pg_catalog.pg_namespace as n on n.oid = c.relnamespace where n.nspname = %s",
                [schema],
            )
        ]
        statements = grant_statements(relations, schema, database)
        for statement in statements:
            connection.execute(statement)
    return f"{len(statements)} grants on {len(relations)} relations"


def check(environment: Mapping[str, str]) -> str:
    """Say that all passwords are there."""
    return f"{len(passwords(environment))} passwords are set"


COMMANDS = {"check": check, "accounts": set_accounts, "grants": set_grants}


def main(arguments: list[str]) -> int:
    """Run one command; errors are one sentence."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(f"usage: python deploy/risingwave/roles.py {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        print(COMMANDS[arguments[0]](os.environ))
    except (SetupError, psycopg.Error) as error:
        print(f"error: {str(error).strip()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
