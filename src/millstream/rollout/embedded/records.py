"""What the embedded engine's catalogue remembers of deployments: their plans, and what ran before the last one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import psycopg

from millstream.rollout.embedded.deployed import with_reads
from millstream.rollout.project.definition import Definition
from millstream.rollout.project.plan import Plan

KEPT = "MILLSTREAM_DEPLOYMENT_KEPT"  # in the environment: dbt runs models in threads of its own


@contextmanager
def kept_by_caller() -> Iterator[None]:
    """Say to what deploys inside that the caller remembers the deployment."""
    os.environ[KEPT] = "1"
    try:
        yield
    finally:
        del os.environ[KEPT]


@dataclass(frozen=True)
class Record:
    """One deployment, by whom; `previous` are the definitions that ran before it, none if nothing did."""

    number: int
    action: str
    started_at: datetime
    is_finished: bool
    by: str
    previous: tuple[Definition, ...]


def newest(conn: psycopg.Connection) -> list[Record]:
    """The last two records, the newest first."""
    rows = conn.execute(
        "select number, action, started_at, finished_at is not null, coalesce(plan ->> 'by', 'millstream deploy'), previous"
        " from millstream.deployment order by number desc limit 2"
    ).fetchall()
    return [
        Record(number, action, started_at, is_finished, by, tuple(map(_definition, previous or ())))
        for number, action, started_at, is_finished, by, previous in rows
    ]


def way_back(conn: psycopg.Connection) -> Record | None:
    """The deployment before which there is something to go back to. A rollback that was cut off is gone on with."""
    found = newest(conn)
    if found and found[0].action == "rollback" and not found[0].is_finished:
        del found[0]
    if not found or not found[0].previous:
        return None
    return replace(found[0], previous=tuple(with_reads(found[0].previous)))


def remember(conn: psycopg.Connection, by: str, previous: Sequence[Definition]) -> int:
    """Remember what ran before somebody (`by`, such as `dbt run`) began to deploy. Returns the record's number."""
    row = conn.execute(
        "insert into millstream.deployment (action, finished_at, plan, previous)"
        " values ('deploy', clock_timestamp(), %s, %s) returning number",
        [json.dumps({"by": by}), json.dumps([asdict(each) for each in previous])],
    ).fetchone()
    assert row is not None
    conn.execute("update millstream.deployment set previous = null where number < %s", [row[0]])
    return int(row[0])


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
