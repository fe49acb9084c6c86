"""`millstream deploy --target risingwave`: plan, deploy with dbt, check, and the way back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from millstream.rollout.project import dbt
from millstream.rollout.project.definition import read_manifest
from millstream.rollout.project.plan import Plan, PlannedStep, Say
from millstream.rollout.project.rows import compare_rows
from millstream.rollout.risingwave import plan as planning
from millstream.rollout.risingwave import rollback
from millstream.rollout.risingwave.drop import drop_unread, keys_of, removed, replaced_builds
from millstream.rollout.risingwave.inventory import Inventory
from millstream.rollout.risingwave.naming import quoted, split_key
from millstream.rollout.risingwave.profile import TARGET, profile
from millstream.rollout.risingwave.refusals import refused
from millstream.rollout.risingwave.statements import DriverStatements

KEEP_PREVIOUS = "MILLSTREAM_KEEP_PREVIOUS"


@contextmanager
def connect(root: Path, home: Path) -> Iterator[RisingWaveSession]:
    """Connect as profiles.yml says. Raises MillstreamError, with the remedy, where that does not work."""
    from dbt.adapters.contracts.connection import Connection, ConnectionState, Identifier
    from dbt.adapters.exceptions.connection import FailedToConnectError
    from dbt.adapters.risingwave.connections import RisingWaveConnectionManager

    manifest = dbt.compile_project(root, home, TARGET)
    credentials = profile(root)
    new = Connection(
        type=Identifier(TARGET), name="deploy", state=ConnectionState("init"), credentials=credentials
    )
    try:
        handle = RisingWaveConnectionManager.open(new).handle
    except FailedToConnectError as error:
        place = f"{credentials.host}:{credentials.port}"
        raise refused("MS107", place=place, message=str(error).strip()) from error
    try:
        there = Inventory(DriverStatements(handle), credentials.database, credentials.schema)
        yield RisingWaveSession(there, root, home, manifest)
    finally:
        handle.close()


class RisingWaveSession:
    """Deploys to RisingWave."""

    def __init__(self, there: Inventory, root: Path, home: Path, manifest: Mapping[str, Any]) -> None:
        self.there = there
        self.root = root
        self.home = home
        self.wanted = read_manifest(manifest)

    def plan(self) -> Plan:
        """What a deploy of the project would do."""
        return planning.plan(self.there, self.wanted)

    def plan_rollback(self) -> Plan:
        """The builds that would be exchanged for the ones that they replaced."""
        return rollback.plan_rollback(self.there)

    def deploy(self, plan: Plan, say: Say) -> dict[str, Any]:
        """Drop what an earlier deploy kept, then let dbt build and swap, and keep what it replaces."""
        before = self.counts(plan.of("change", "rebuild"))
        drop_unread(self.there, replaced_builds(self.there, keep_previous=False))

        def heard(event: Any) -> None:
            if event.info.name == "NodeFinished" and event.data.node_info.node_status == "success":
                say(f"done {event.data.node_info.node_name}")

        os.environ[KEEP_PREVIOUS] = "1"
        try:
            result = dbt.invoke(self.root, self.home, TARGET, "run", heard=heard)
        finally:
            del os.environ[KEEP_PREVIOUS]
        self.there.forget_all()
        if plan.of("drop"):
            gone = drop_unread(self.there, removed(self.there, keys_of(self.wanted), tables=False))
            for key in gone.dropped:
                say(f"dropped {key}")
        after = self.counts(plan.of("create", "change", "rebuild"))
        return {"results": dbt.results(result), **compare_rows(before, after)}

    def roll_back(self, plan: Plan, say: Say) -> dict[str, Any]:
        """Exchange names with the builds before these."""
        before = self.counts(plan.of("change"))
        rollback.roll_back(self.there, plan, say)
        return {**compare_rows(before, self.counts(plan.of("change"))), "suspicious": []}

    def counts(self, steps: Sequence[PlannedStep]) -> dict[str, int]:
        """Rows of the materialized views among some steps, where they are there."""
        return {
            step.name: int(
                self.there.statements.ask(f"select count(*) from {quoted(*split_key(step.name))}")[0][0]
            )
            for step in steps
            if step.kind == "materialized_view" and step.name in self.there.objects
        }
