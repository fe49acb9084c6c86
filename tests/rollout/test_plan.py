"""The plan: what is new, changed, rebuilt because of what, dropped, kept and refused."""

from __future__ import annotations

from typing import Any

from millstream.rollout.project.definition import Definition, in_order, read_manifest
from millstream.rollout.project.plan import Plan, PlanDifference, Running, make_plan
from millstream.rollout.risingwave.compare import difference
from millstream.rollout.risingwave.deployed import DeployedObject
from millstream.rollout.risingwave.inventory import Inventory
from millstream.rollout.risingwave.statements import DriverStatements
from tests.conformance.recorder import Handle, RisingWave


def wanted(*found: tuple[str, str, tuple[str, ...]]) -> list[Definition]:
    """Definitions from (name, kind, reads); an upper-case name is one that changed."""
    return [
        Definition("public", name.lower(), kind, name, None, tuple(f"public.{read}" for read in reads))
        for name, kind, reads in found
    ]


def plan(definitions: list[Definition], *running: tuple[str, str]) -> Plan:
    def compare(definition: Definition, _: Running) -> PlanDifference:
        return PlanDifference("its definition changed" if definition.text.isupper() else "")

    there = {f"public.{name}": Running(f"public.{name}", kind) for name, kind in running}
    return make_plan("embedded", definitions, there, compare, ("materialized_view",), ("view",))


def told(made: Plan) -> list[tuple[str, str, str]]:
    return [(step.name.removeprefix("public."), step.action, step.reason) for step in made.steps]


CHAIN = (
    ("CLICKS", "materialized_view", ()),
    ("recent", "view", ("clicks",)),
    ("popular", "materialized_view", ("recent",)),
    ("other", "materialized_view", ()),
)


def test_readers_are_rebuilt_also_through_plain_views() -> None:
    made = plan(wanted(*CHAIN), *((name.lower(), kind) for name, kind, _ in CHAIN))
    assert told(made) == [
        ("clicks", "change", "its definition changed"),
        ("recent", "unchanged", ""),
        ("popular", "rebuild", "reads public.recent, because public.clicks changes"),
        ("other", "unchanged", ""),
    ]
    assert made.changes


def test_what_left_is_dropped_readers_first_and_tables_are_kept() -> None:
    made = plan([], ("events", "table"), ("counts", "materialized_view"), ("serve", "view"))
    assert [(name, action) for name, action, _ in told(made)] == [
        ("serve", "drop"),
        ("counts", "drop"),
        ("events", "keep"),
    ]


def test_nothing_to_do_is_no_change() -> None:
    made = plan(wanted(("a", "materialized_view", ())), ("a", "materialized_view"))
    assert not made.changes
    assert made.as_json()["counts"] == {
        "create": 0,
        "change": 0,
        "rebuild": 0,
        "drop": 0,
        "refuse": 0,
        "keep": 0,
        "unchanged": 1,
    }


def test_functions_are_told_with_their_version_and_their_callers() -> None:
    definitions = wanted(("blend_v2", "function", ()), ("lists", "materialized_view", ("blend_v2",)))
    (called,) = plan(definitions).functions
    assert (called.name, called.version, called.called_by) == ("public.blend_v2", 2, ("public.lists",))


def node(name: str, materialized: str, *reads: str) -> dict[str, Any]:
    return {
        "resource_type": "model",
        "schema": "public",
        "name": name,
        "alias": name,
        "config": {"materialized": materialized},
        "depends_on": {"nodes": [f"model.{read}" for read in reads]},
        "compiled_code": "select 1",
        "original_file_path": f"{name}.sql",
    }


def test_a_manifest_is_read_in_dependency_order_through_ephemeral_models() -> None:
    nodes = {
        "model.a_list": node("a_list", "materialized_view", "between"),
        "model.between": node("between", "ephemeral", "events"),
        "model.events": node("events", "table_with_connector"),
        "model.seeds": node("seeds", "incremental"),
    }
    found = read_manifest({"nodes": nodes, "functions": {}})
    assert [(each.key, each.kind, each.reads) for each in found] == [
        ("public.events", "table", ()),
        ("public.seeds", "rows", ()),
        ("public.a_list", "materialized_view", ("public.events",)),
    ]


def test_a_cycle_ends() -> None:
    definitions = wanted(("a", "view", ("b",)), ("b", "view", ("a",)))
    assert [each.name for each in in_order(definitions)] == ["a", "b"]


def test_on_risingwave_too_a_view_does_not_silently_stay_where_rows_are_wanted() -> None:
    (table,) = wanted(("counts", "rows", ()))
    there = Inventory(DriverStatements(Handle(RisingWave())), "dev", "public")
    assert difference(table, DeployedObject(1, "public", "counts", "table"), there) == PlanDifference()
    view = DeployedObject(1, "public", "counts", "view")
    assert difference(table, view, there).remedy == "drop it, or choose another name"
