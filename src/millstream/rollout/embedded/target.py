"""The embedded engine: what runs there, deploying to it with dbt, and going back."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from millstream.compiler.syntax.declarations.tables import parse_table
from millstream.engine import deploy
from millstream.engine.catalog import store
from millstream.engine.catalog.project_settings import ProjectSettings, read_project_settings
from millstream.engine.deploy import drop_all
from millstream.errors import MillstreamError, Refused
from millstream.rollout.embedded.deployed import QUERIES, definitions, with_reads
from millstream.rollout.project.definition import Definition, in_order
from millstream.rollout.project.plan import HELD, Plan, PlanDifference, PlannedStep, Running, Say, make_plan
from millstream.rollout.project.python_functions import python_entry

TARGET = "embedded"
REBUILT = ("materialized_view",)
TRANSPARENT = ("view", "table")  # a plain view is expanded where a materialized one reads it
IGNORED = ("subscription",)  # of which the adapter says that it skips them
DEPLOYING = 0x6D696C6D  # advisory lock: one deployment at a time


def lock(conn: psycopg.Connection) -> None:
    """Take the only place of a deployment; it is free again when the connection ends."""
    row = conn.execute("select pg_try_advisory_lock(%s)", [DEPLOYING]).fetchone()
    if row is None or not row[0]:
        raise MillstreamError(
            "another `millstream deploy` is at work\n  hint: wait for its end, then try again"
        )


def running(conn: psycopg.Connection, schemas: Collection[str]) -> dict[str, Running]:
    """Everything deployed in the project's schemas, each after what it reads."""
    found = [each for each in snapshot(conn) if each.schema in schemas]
    return {each.key: Running(each.key, each.kind, each) for each in in_order(found)}


def snapshot(conn: psycopg.Connection) -> list[Definition]:
    """The definitions of everything deployed, as they can be deployed again."""
    return with_reads(definitions(store.load(conn)))


def plan(wanted: Sequence[Definition], found: Mapping[str, Running], root: Path) -> Plan:
    """What a deploy of these definitions would do."""
    asked = [each for each in wanted if each.kind not in IGNORED]

    def compare_with_readers(definition: Definition, current: Running) -> PlanDifference:
        readers = [key for key, other in found.items() if current.key in other.detail.reads]
        return compare(definition, current, root, readers)

    return make_plan(TARGET, asked, found, compare_with_readers, REBUILT, TRANSPARENT)


def plan_settings(conn: psycopg.Connection, given: Mapping[str, Any]) -> list[PlannedStep]:
    """What the project's vars change of the names that the engine goes by; `dbt run` lets it. Raises Refused."""
    wanted, current = ProjectSettings.of(given, "dbt_project.yml"), read_project_settings(conn)
    before = asdict(current)
    changed = [f"{name}: {value}" for name, value in asdict(wanted).items() if value != before[name]]
    return [PlannedStep("millstream.setting", "settings", "change", ", ".join(changed))] if changed else []


def compare(
    wanted: Definition, current: Running, root: Path | None, readers: Sequence[str] = ()
) -> PlanDifference:
    """Why a definition is not what runs, which `readers` read. With no `root` both are definitions that ran."""
    before: Definition = current.detail
    if (wanted.kind, current.kind) == ("rows", "table"):
        return PlanDifference()
    if wanted.kind != current.kind:
        return _compare_kinds(wanted, current, readers, back=root is None)
    match wanted.kind:
        case "table":
            return _compare_tables(wanted, before)
        case "function":
            return _compare_functions(wanted, before, root)
    if wanted.text.split() != before.text.split():
        return PlanDifference("its definition changed")
    if wanted.kind == "materialized_view" and _columns(wanted) != _columns(before):
        return PlanDifference("its indexes changed")
    return PlanDifference()


def _compare_kinds(
    wanted: Definition, current: Running, readers: Sequence[str], *, back: bool
) -> PlanDifference:
    """What dbt does without --full-refresh is a change: to drop what nothing reads and holds no rows of its own."""
    if {wanted.kind, current.kind} <= set(QUERIES):
        return PlanDifference(f"was a {current.kind}")
    reason = f"is deployed as a {current.kind}"
    if "function" in (wanted.kind, current.kind):
        return PlanDifference(reason, remedy="drop it, or choose another name")
    again = (
        f"`dbt run --full-refresh --select {wanted.name}+` drops it and what reads it, and builds them again"
    )
    if back:
        return PlanDifference(reason, remedy=f"change the models back; then {again}")
    if current.kind == "table":
        return PlanDifference(f"{reason}, whose rows would be lost", remedy=again)
    if readers:
        return PlanDifference(f"{reason}, which {', '.join(readers)} reads", remedy=again)
    return PlanDifference(f"was a {current.kind}")


def _columns(definition: Definition) -> list[list[str]]:
    indexes: Sequence[Any] = definition.options.get("indexes") or []
    return [list(each["columns"] if isinstance(each, Mapping) else each) for each in indexes]


def _compare_tables(wanted: Definition, before: Definition) -> PlanDifference:
    new, old = parse_table(wanted.text, wanted.path), parse_table(before.text, before.path)
    if new == old:
        return PlanDifference()
    added = new.columns[len(old.columns) :]
    rules = (new.key, new.conflict, new.versions) == (old.key, old.conflict, old.versions)
    if not rules or new.columns[: len(old.columns)] != old.columns or not all(c.nullable for c in added):
        return PlanDifference(
            "its declaration changed by more than new nullable columns at the end",
            remedy="load into a table of a new name, or dbt run --full-refresh, which empties it",
        )
    return PlanDifference(
        f"gains {', '.join(column.name for column in added)}" if added else "its defaults changed"
    )


def _compare_functions(wanted: Definition, before: Definition, root: Path | None) -> PlanDifference:
    if root is None:
        return PlanDifference()  # the code is read from its file, which no deploy changes
    node = wanted.options["node"]
    if node.get("language") != "python":
        return PlanDifference()
    arguments = [[a["name"], a["data_type"]] for a in node["arguments"]]
    if (arguments, node["returns"]["data_type"]) != (before.options["arguments"], before.options["returns"]):
        return PlanDifference(
            "its signature changed, and RisingWave never replaces a function",
            remedy="give it a new name with a higher version, and let the models call that",
        )
    module, entry = python_entry(node, root)
    code = hashlib.sha256(module.read_bytes()).hexdigest()[:16]
    if (code, entry) != (before.options["code"], before.options["entry"]):
        return PlanDifference("its code changed; lists follow at their next action", readers=False)
    return PlanDifference()


def counts(conn: psycopg.Connection, steps: Sequence[PlannedStep]) -> dict[str, int]:
    """Rows of the materialized views among some steps, where they are there."""
    found = {}
    for step in steps:
        if step.kind == "materialized_view":
            name = sql.Identifier(*_split(step.name))
            try:
                row = conn.execute(sql.SQL("select count(*) from {}").format(name)).fetchone()
            except psycopg.errors.UndefinedTable:
                continue
            found[step.name] = int(row[0]) if row is not None else 0
    return found


def drop(conn: psycopg.Connection, steps: Sequence[PlannedStep], say: Say) -> None:
    """Drop what left the project. Raises MillstreamError where something still reads it."""
    for schema, name in drop_all(conn, [_split(step.name) for step in steps]) if steps else ():
        say(f"dropped {schema}.{name}")


def restore(conn: psycopg.Connection, wanted: Sequence[Definition], made: Plan, say: Say) -> None:
    """Deploy definitions that ran before, as the plan says, each beside what runs and swapped."""
    by_key = {each.key: each for each in wanted}
    waiting = [step for step in made.of("create", "change", "rebuild") if step.name in by_key]
    while waiting:
        step = waiting.pop(0)
        definition = by_key[step.name]
        try:
            _deploy(conn, definition, {_split(each.name) for each in waiting})
        except Refused as refused:
            raise MillstreamError(
                f"{step.name} cannot go back: {refused}\n"
                "  hint: what was restored before it stays; deploy the project of that time from its sources"
            ) from refused
        say(f"restored {step.name}")


def _deploy(conn: psycopg.Connection, each: Definition, later: set[tuple[str, str]]) -> None:
    place: dict[str, Any] = {"schema": each.schema, "path": each.path}
    match each.kind:
        case "table":
            deploy.deploy_table(conn, each.name, each.text, **place)
        case "sink":
            deploy.deploy_sink(conn, each.name, each.text, **place)
        case "function":
            if each.options.get("language") == "python":
                arguments = [(str(n), str(t)) for n, t in each.options["arguments"]]
                deploy.deploy_function(
                    conn,
                    each.name,
                    arguments,
                    each.options["returns"],
                    schema=each.schema,
                    module=each.options["module"],
                    entry=each.options["entry"],
                )
        case _:
            materialized = each.kind == "materialized_view"
            deploy.deploy_view(
                conn,
                each.name,
                each.text,
                **place,
                materialized=materialized,
                indexes=_columns(each),
                later=later,
            )


def plan_restore(wanted: Sequence[Definition], found: Mapping[str, Running]) -> Plan:
    """What going back to these definitions would do. Columns that a table gained stay: they hold what came since."""

    def compare_back(definition: Definition, current: Running) -> PlanDifference:
        if definition.kind in HELD and current.kind == definition.kind:
            return PlanDifference()
        return compare(definition, current, None)

    return make_plan(TARGET, in_order(wanted), found, compare_back, REBUILT, TRANSPARENT)


def _split(key: str) -> tuple[str, str]:
    schema, _, name = key.partition(".")
    return schema, name
