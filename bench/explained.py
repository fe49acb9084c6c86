"""The statements of ticks with their real plans, by PostgreSQL's auto_explain on the worker's connection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from millstream.engine.tick.program import Program

MESSAGE = re.compile(r"duration: ([0-9.]+) ms\s+plan:\nQuery Text: (.*?)\n(?=\S[^\n]*\(cost=)(.*)", re.DOTALL)
SETTINGS = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_level": "notice",
    "client_min_messages": "notice",
}


@dataclass
class Statement:
    """A statement of the tick: which relation and step it belongs to, its runs in milliseconds, its slowest plan."""

    relation: str
    step: str
    sql: str
    runs: list[float] = field(default_factory=list)
    plan: str = ""


def steps(program: Program) -> dict[str, tuple[str, str]]:
    """Every statement of a program: its SQL → (relation, step)."""
    found: dict[str, tuple[str, str]] = {}
    for relation in program.relations:
        if relation.source is not None:
            found[relation.source.apply()] = (relation.name, "apply")
            continue
        statements = relation.statements
        assert statements is not None
        found[statements.derive] = (relation.name, "derive")
        found[statements.apply] = (relation.name, "apply")
        if statements.prepare is not None:
            found[statements.prepare] = (relation.name, "prepare")
        for term in statements.terms:
            found[term.sql] = (relation.name, f"term of {term.relation} ({term.moment})")
    return found


@contextmanager
def explaining(conn: psycopg.Connection, program: Program) -> Iterator[dict[str, Statement]]:
    """Collect every statement that runs on the connection within the block, by its SQL. Needs a superuser."""
    known = steps(program)
    collected: dict[str, Statement] = {}

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        match = MESSAGE.match(diagnostic.message_primary or "")
        if match is None:
            return
        milliseconds, sql, plan = float(match[1]), match[2], match[3]
        relation, step = known.get(sql, ("(the tick)", sql[:60]))
        statement = collected.setdefault(sql, Statement(relation, step, sql))
        if milliseconds >= max(statement.runs, default=0.0):
            statement.plan = plan
        statement.runs.append(milliseconds)

    before = {name: current(conn, name) for name in ("client_min_messages",)}
    conn.execute("load 'auto_explain'")
    conn.add_notice_handler(note)
    try:
        for name, value in SETTINGS.items():
            conn.execute("select set_config(%s, %s, false)", [name, value])
        yield collected
    finally:
        conn.execute("select set_config('auto_explain.log_min_duration', '-1', false)")
        for name, value in before.items():
            conn.execute("select set_config(%s, %s, false)", [name, value])
        conn.remove_notice_handler(note)


def current(conn: psycopg.Connection, name: str) -> str:
    """The value of a setting."""
    row = conn.execute("select current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])
