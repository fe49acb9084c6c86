"""One deployment session: what a target can plan and do, the same for both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import psycopg

from millstream import server
from millstream.engine import deploy
from millstream.errors import MillstreamError
from millstream.rollout.embedded import records
from millstream.rollout.embedded import target as embedded
from millstream.rollout.project import dbt
from millstream.rollout.project.definition import read_manifest
from millstream.rollout.project.plan import Plan, Running, Say
from millstream.rollout.project.rows import compare_rows
from millstream.server import Home

Done = dict[str, Any]  # rows: name → [before, after]; suspicious: names; results: dbt's words by node


class RolloutSession(Protocol):
    """What `millstream deploy` asks of a target."""

    def plan(self) -> Plan:
        """What a deploy of the project would do."""
        ...

    def plan_rollback(self) -> Plan:
        """What going back to the version before would do. Raises MillstreamError where there is none."""
        ...

    def deploy(self, plan: Plan, say: Say) -> Done:
        """Do what was planned."""
        ...

    def roll_back(self, plan: Plan, say: Say) -> Done:
        """Do what was planned."""
        ...


@contextmanager
def open_session(target: str, home: Home, root: Path) -> Iterator[RolloutSession]:
    """Connect to a target. Raises MillstreamError, whose text names the remedy, where it cannot be reached."""
    home.prepare()
    if target == "risingwave":
        from millstream.rollout.risingwave import session as risingwave

        with risingwave.connect(root, home.path) as opened:
            yield opened
        return
    with deploy.connect(server.connect(home.path).dsn("owner")) as conn:
        yield EmbeddedSession(conn, home, root)


class EmbeddedSession:
    """Deploys to the embedded engine."""

    def __init__(self, conn: psycopg.Connection, home: Home, root: Path) -> None:
        self.conn = conn
        self.home = home
        self.root = root
        self._schemas: set[str] = set()
        self._seen: dict[str, Running] = {}

    def plan(self) -> Plan:
        wanted = read_manifest(dbt.compile_project(self.root, self.home.path, embedded.TARGET))
        self._schemas = {each.schema for each in wanted}
        self._seen = embedded.running(self.conn, self._schemas)
        settings = embedded.plan_settings(self.conn, dbt.compiled_vars("millstream"))
        plan = embedded.plan(wanted, self._seen, self.root)
        return replace(plan, steps=(*settings, *plan.steps))

    def plan_rollback(self) -> Plan:
        last = records.way_back(self.conn)
        if last is None:
            raise MillstreamError(
                "there is no earlier version to go back to: nothing ran before the last deployment\n"
                "  hint: change the models back and deploy them"
            )
        self._schemas = {each.schema for each in last.previous}
        self._seen = embedded.running(self.conn, self._schemas)
        what = "the rollback" if last.action == "rollback" else f"the `{last.by}`"
        undoes = f"{what} of {last.started_at.astimezone():%Y-%m-%d %H:%M:%S %Z}"
        return replace(embedded.plan_restore(last.previous, self._seen), undoes=undoes)

    def deploy(self, plan: Plan, say: Say) -> Done:
        def heard(event: Any) -> None:
            if event.info.name == "NodeFinished" and event.data.node_info.node_status == "success":
                say(f"done {event.data.node_info.node_name}")

        number, before = self._start("deploy", plan)
        with records.kept_by_caller():
            result = dbt.invoke(self.root, self.home.path, embedded.TARGET, "run", heard=heard)
        embedded.drop(self.conn, plan.of("drop"), say)
        return {"results": dbt.results(result), **self._finish(number, plan, before)}

    def roll_back(self, plan: Plan, say: Say) -> Done:
        last = records.way_back(self.conn)
        assert last is not None  # the plan was made of it
        number, before = self._start("rollback", plan)
        embedded.restore(self.conn, last.previous, plan, say)
        embedded.drop(self.conn, plan.of("drop"), say)
        return {**self._finish(number, plan, before), "suspicious": []}  # what it was before is right

    def _start(self, action: str, plan: Plan) -> tuple[int, dict[str, int]]:
        embedded.lock(self.conn)
        now = embedded.running(self.conn, self._schemas)
        if now != self._seen:
            raise MillstreamError(
                "something else deployed since the plan was made\n  hint: try again, for a new plan"
            )
        previous = [each.detail for each in now.values()]
        before = embedded.counts(self.conn, plan.of("change", "rebuild"))
        return records.start(self.conn, action, plan, previous), before

    def _finish(self, number: int, plan: Plan, before: dict[str, int]) -> Done:
        after = embedded.counts(self.conn, plan.of("create", "change", "rebuild"))
        records.finish(self.conn, number)
        return compare_rows(before, after)
