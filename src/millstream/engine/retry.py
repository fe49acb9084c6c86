"""Try again what was set aside: suspended views, keys that could not be computed, rows that were refused.

Nothing of it is tried by itself, because most of it would fail again; keys alone come back when they change.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from millstream.compiler.postgres.names import beside_values, quote
from millstream.engine import deploy
from millstream.engine.catalog import store
from millstream.engine.catalog.records import State, StoredTable, StoredView
from millstream.engine.state.locks import worker_connected
from millstream.errors import MillstreamError

WAIT_SECONDS = 60.0  # for the tick that tries keys
LOOK_SECONDS = 0.05
MESSAGE = {"topic", "partition", "offset", "key", "payload"}  # what is kept of a message of Kafka
CUT = {"cut"}  # what is kept of a row that JSON cannot hold


@dataclass(frozen=True)
class Retried:
    """What happened to one kind of thing of one relation: how much came back, how much did not, and why not."""

    what: str  # view, keys, rows
    name: str
    back: int
    left: int
    error: str = ""


def retry(
    conn: psycopg.Connection, name: str | None = None, *, schema: str = "public", wait: float = WAIT_SECONDS
) -> list[Retried]:
    """Try again what was set aside, of one relation or of all. `conn` is the owner's, in autocommit."""
    catalogue = store.load(conn)
    if name is not None and catalogue.named(schema, name) is None:
        raise MillstreamError(
            f"nothing is deployed as {schema}.{name}\n  hint: `millstream status` lists what is"
        )

    def chosen(state: State) -> bool:
        mine = name is None or (state.schema, state.relation) == (schema, name)
        return mine and catalogue.stands_for(state)

    states = [state for state in catalogue.states.values() if chosen(state)]
    return [*suspended_views(conn, states), *dead_keys(conn, states, wait), *dead_rows(conn, states)]


def suspended_views(conn: psycopg.Connection, states: list[State]) -> list[Retried]:
    """Build suspended views again, each after what it reads; their readers with them."""
    done = []
    waiting = {str(row[0]) for row in conn.execute("select state from millstream.suspended").fetchall()}
    for state in states:
        if not isinstance(state, StoredView) or state.name not in waiting:
            continue
        try:
            deploy.deploy_again(conn, state)
        except (MillstreamError, psycopg.Error) as error:
            done.append(Retried("view", state.relation, 0, 1, str(error)))
        else:
            done.append(Retried("view", state.relation, 1, 0))
    return done


def dead_keys(conn: psycopg.Connection, states: list[State], wait: float) -> list[Retried]:
    """Let the worker compute the keys that were set aside, and wait for it."""
    names = [state.name for state in states]
    before = keys_of(conn, names)
    if not before:
        return []
    with conn.transaction():
        conn.execute("update millstream.dead_key set again = true where state = any (%s)", [names])
        store.raise_epoch(conn)
    waiting = "select count(*) from millstream.dead_key where again and state = any (%s)"
    deadline = time.monotonic() + (wait if worker_connected(conn) else 0)
    while (left := scalar(conn, waiting, [names])) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    reason = "the worker has not come to it: `millstream status` says whether it runs" if left else ""
    after = keys_of(conn, names)
    shown = {state.name: state.relation for state in states}
    return [
        Retried(
            "keys",
            shown[name],
            count - after.get(name, (0, ""))[0],
            after.get(name, (0, ""))[0],
            reason or after.get(name, (0, ""))[1],
        )
        for name, (count, _) in before.items()
    ]


def keys_of(conn: psycopg.Connection, names: list[str]) -> dict[str, tuple[int, str]]:
    """How many keys of each version are set aside, and the error of one."""
    rows = conn.execute(
        "select d.state, count(*), min(d.error) from millstream.dead_key as d"
        " where d.state = any (%s) and not exists (select 1 from millstream.suspended as s where s.state = d.state)"
        " group by d.state",
        [names],
    ).fetchall()
    return {row[0]: (int(row[1]), str(row[2])) for row in rows}


def dead_rows(conn: psycopg.Connection, states: list[State]) -> list[Retried]:
    """Write the rows of sources again that a tick of an earlier release could not take."""
    done = []
    for state in states:
        rows = conn.execute(
            "select ctid::text, payload from millstream.dead_row where relation = any (%s) order by at, ctid",
            [[state.name, state.relation]],
        ).fetchall()
        if not isinstance(state, StoredTable) or not rows:
            continue
        back, error = 0, ""
        for place, payload in rows:
            try:
                with conn.transaction():
                    write_again(conn, state, payload)
                    conn.execute("delete from millstream.dead_row where ctid = %s::tid", [place])
                back += 1
            except (MillstreamError, psycopg.Error) as failure:
                error = error or str(failure).splitlines()[0]
        done.append(Retried("rows", state.relation, back, len(rows) - back, error))
    return done


def write_again(conn: psycopg.Connection, state: State, payload: Any) -> None:
    """Do to a source relation what a dead row says: insert, update or delete."""
    if not isinstance(payload, dict) or set(payload) in (MESSAGE, CUT):
        raise MillstreamError("it is no row of the relation: who sent it has to send it again")
    target = beside_values(f"{quote(state.schema)}.{quote(state.relation)}")
    columns = [beside_values(quote(name)) for name in state.column_names if name in payload]
    key = [beside_values(quote(name)) for name in state.key if name in payload]
    row = f"(SELECT * FROM jsonb_populate_record(NULL::{target}, %s::jsonb)) AS d"
    values = [Jsonb(payload)]
    same = " AND ".join(f"t.{c} IS NOT DISTINCT FROM d.{c}" for c in key or columns)
    operation = payload.get("_op", "i")
    if operation == "d":
        conn.execute(f"DELETE FROM {target} AS t USING {row} WHERE {same}".encode(), values)
        return
    if operation == "u" and key:
        changed = ", ".join(f"{c} = d.{c}" for c in columns if c not in key)
        if changed:
            cursor = conn.execute(
                f"UPDATE {target} AS t SET {changed} FROM {row} WHERE {same}".encode(), values
            )
            if cursor.rowcount:
                return
    listed = ", ".join(columns)
    conn.execute(
        f"INSERT INTO {target} ({listed}) SELECT {', '.join(f'd.{c}' for c in columns)} FROM {row}".encode(),
        values,
    )


def scalar(conn: psycopg.Connection, query: str, values: list[Any]) -> Any:
    """The value of a query of one."""
    row = conn.execute(query.encode(), values).fetchone()
    return row[0] if row is not None else None
