"""What the embedded engine's catalogue remembers of deployments: their plans, and what ran before the last one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg

from millstream.deployment.definition import Definition
from millstream.deployment.plan import Plan


@dataclass(frozen=True)
class Record:
    """One deployment; `previous` are the definitions that ran before it, none if nothing did."""

    number: int
    action: str
    started_at: datetime
    is_finished: bool
    previous: tuple[Definition, ...]


def newest(conn: psycopg.Connection) -> list[Record]:
    """The last two records, the newest first."""
    rows = conn.execute(
        "select number, action, started_at, finished_at is not null, previous"
        " from millstream.deployment order by number desc limit 2"
    ).fetchall()
    return [
        Record(number, action, started_at, is_finished, tuple(map(_definition, previous or ())))
        for number, action, started_at, is_finished, previous in rows
    ]


def way_back(conn: psycopg.Connection) -> tuple[Definition, ...]:
    """The definitions to go back to. A rollback that was cut off is gone on with, not undone."""
    found = newest(conn)
    if found and found[0].action == "rollback" and not found[0].is_finished:
        del found[0]
    return found[0].previous if found else ()


def start(conn: psycopg.Connection, action: str, plan: Plan, previous: Sequence[Definition]) -> int:
    """Remember what runs now before anything changes. Returns the record's number.

    Where the same action was cut off, this goes on with it: the way back leads to what ran before that.
    """
    found = newest(conn)
    if found and found[0].action == action and not found[0].is_finished:
        number = found[0].number
        conn.execute(
            "update millstream.deployment set started_at = clock_timestamp(), plan = %s where number = %s",
            [json.dumps(plan.as_json()), number],
        )
        return number
    row = conn.execute(
        "insert into millstream.deployment (action, plan, previous) values (%s, %s, %s) returning number",
        [action, json.dumps(plan.as_json()), json.dumps([asdict(each) for each in previous])],
    ).fetchone()
    assert row is not None
    return int(row[0])


def finish(conn: psycopg.Connection, number: int) -> None:
    """Remember that it came to its end, and forget what ran before the versions before it."""
    with conn.transaction():
        conn.execute(
            "update millstream.deployment set finished_at = clock_timestamp() where number = %s", [number]
        )
        conn.execute("update millstream.deployment set previous = null where number < %s", [number])


def _definition(fields: dict[str, Any]) -> Definition:
    return Definition(**{**fields, "reads": tuple(fields["reads"])})
