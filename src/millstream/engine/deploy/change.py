"""Carry a change of definitions out: at once where little is read, else beside what runs (beside.py), while ticks go on.

A change that is carried out is a generator: between two of its steps no transaction is open, and anything may happen there.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from millstream.engine.deploy import change_log
from millstream.engine.deploy.amounts import reads_little
from millstream.engine.deploy.beside import Beside, Done, Steps
from millstream.engine.deploy.draft import Draft
from millstream.engine.deploy.garbage import drop_unused
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.deploy.transaction import begin_change
from millstream.engine.state.fill import fill
from millstream.engine.state.indexes import make_index
from millstream.engine.state.locks import Tell, place_of_deployments

Prepare = Callable[[Draft], Deployed]  # says what is to be built, and what will have been done then


def carry_out(conn: psycopg.Connection, prepare: Prepare, tell: Tell | None = None) -> Deployed:
    """Carry a change out, to its end."""
    steps = carrying_out(conn, prepare, tell)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            deployed: Deployed = end.value
            return deployed


def carrying_out(conn: psycopg.Connection, prepare: Prepare, tell: Tell | None = None) -> Steps:
    """Carry a change out step by step; yields what was done, each time when that is committed.

    `prepare` may be called twice. An error, or an end before the last step, leaves everything as it was.
    """
    with place_of_deployments(conn, tell):
        found = start(conn, prepare)
        if isinstance(found, Deployed):
            deployed = found
        else:
            beside = Beside(conn, *found, tell)
            try:
                yield Done("started", left=tuple(sql.node for sql in beside.draft.nodes))
                yield from beside.steps()
            except BaseException:
                beside.give_up()
                raise
            deployed = beside.deployed
        if deployed.action != "unchanged":
            drop_unused(conn)
    return deployed


def start(conn: psycopg.Connection, prepare: Prepare) -> Deployed | tuple[Draft, Deployed]:
    """Carry a small change out. Of a larger one, or where readers are in the way, begin the building beside."""
    at_once = True
    while True:
        try:
            with conn.transaction():
                draft = Draft(conn, begin_change(conn))
                deployed = prepare(draft)
                if deployed.action == "unchanged":
                    return deployed
                if not at_once or not reads_little(draft):
                    return begin_beside(draft), deployed
                for index in draft.indexes_outside():
                    make_index(conn, index)
                for sql in draft.nodes:
                    draft.prepare_inputs(sql)
                    draft.finish(sql, fill(conn, sql, draft.functions))
                conn.execute("select millstream.settle_evaluation_errors()")
                draft.publish()
                return draft.outcome(deployed)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if not at_once:
                raise
            at_once = False


def begin_beside(draft: Draft) -> Draft:
    """Let ticks log what the new versions read, and see early what PostgreSQL will refuse in the end."""
    draft.rehearse()
    change_log.start_logging(
        draft.conn,
        [f"{v.state.schema}.{v.state.relation}" for v in draft.versions],
        [v.state.name for v in draft.versions],
        [change_log.log_of(relation) for relation in draft.followed.values()],
        len(draft.nodes),
    )
    return draft
