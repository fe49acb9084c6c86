"""Where columns come from, and bringing a leaf's column up to the top."""

from __future__ import annotations

import pytest

from millstream.compiler.algebra.lineage import carry, copies, origins, source_of
from millstream.compiler.algebra.operators import Plan, UnionAll, scans
from millstream.compiler.incremental.node import HASH
from tests.compiler import show
from tests.compiler.catalogue import RELATIONS, bound


def origin(sql: str, name: str) -> set[str]:
    """The relation.column that an output copies on each branch; `computed` where it copies none."""
    plan, outputs, _ = bound(sql)
    leaves = {scan.instance: scan for scan in scans(plan)}
    found = origins(plan, dict(outputs)[name].name)
    return {"computed" if one is None else f"{leaves[one[0]].relation.name}.{one[1]}" for one in found}


@pytest.mark.parametrize(
    ("sql", "name", "expected"),
    [
        ("select item_id from items", "item_id", {"items.item_id"}),
        (
            "select item_id as id from (select item_id from items where price > 1) as i",
            "id",
            {"items.item_id"},
        ),
        ("select price * 2 as twice from items", "twice", {"computed"}),
        (
            "select i.category from events as e join items as i on i.item_id = e.item_id",
            "category",
            {"items.category"},
        ),
        ("select item_id, count(*) as n from events group by item_id", "item_id", {"events.item_id"}),
        ("select item_id, count(*) as n from events group by item_id", "n", {"computed"}),
        (
            "select item_id from items union all select item_id from events",
            "item_id",
            {"items.item_id", "events.item_id"},
        ),
        (
            "select item_id from items union all select 'x' as item_id from events",
            "item_id",
            {"items.item_id", "computed"},
        ),
        ("select r.x from users as u cross join unnest(u.recent) as r (x)", "x", {"computed"}),
        ("select row_number() over (order by item_id) as rn, item_id from items", "rn", {"computed"}),
        ("select user_id, blend(recent) as l from users", "l", {"computed"}),
        ("select user_id, blend(recent) as l from users", "user_id", {"users.user_id"}),
    ],
)
def test_what_a_column_copies(sql: str, name: str, expected: set[str]) -> None:
    assert origin(sql, name) == expected


def test_a_source_is_one_scan_of_a_self_join() -> None:
    plan, outputs, _ = bound(
        "select a.item_id as one, b.item_id as other from events as a join events as b on b.user_id = a.user_id"
    )
    one, other = (source_of(plan, attribute.name) for _, attribute in outputs)
    assert one is not None and other is not None
    assert (one[1], other[1]) == ("item_id", "item_id")
    assert one[0].instance != other[0].instance


def carried(sql: str, relation: str, stored: str) -> tuple[Plan, str]:
    plan, _, context = bound(sql)
    plan, attribute = carry(plan, RELATIONS[relation], stored, context.names)
    assert attribute.name in {a.name for a in plan.columns}
    assert copies(plan, attribute.name, RELATIONS[relation], stored)
    return plan, attribute.name


def test_a_column_that_is_passed_on_already_is_found() -> None:
    sql = "select item_id as id from items where price > 1"
    plan, attribute = carried(sql, "items", "item_id")
    assert plan == bound(sql)[0]
    assert attribute == dict(bound(sql)[1])["id"].name


def test_a_dropped_column_is_added_to_every_projection_above_it() -> None:
    plan, attribute = carried(
        "select n from (select price as n from items where price > 1) as i", "items", "item_id"
    )
    top, inner = show.tree(plan).splitlines()[:2]
    assert attribute in top
    assert "item_id_1" in inner


def test_a_column_is_carried_through_every_branch_of_a_union() -> None:
    plan, attribute = carried(
        "select category as x from items union all select cast(price as varchar) as x from items",
        "items",
        "item_id",
    )
    assert isinstance(plan, UnionAll)
    assert plan.columns[-1].name == attribute
    for branch in plan.inputs:
        assert len(branch.columns) == len(plan.columns)
        assert origins(branch, branch.columns[-1].name) == {(scans(branch)[0].instance, "item_id")}


def test_a_union_that_has_it_on_every_branch_stays_as_it_is() -> None:
    sql = "select item_id as x from items where price > 1 union all select item_id as x from items where price < 1"
    plan, attribute = carried(sql, "items", "item_id")
    assert plan == bound(sql)[0]
    assert attribute == plan.columns[0].name


def test_the_hash_of_a_row_without_a_key_is_exposed_by_its_scan() -> None:
    plan, attribute = carried("select item_id from clicks", "clicks", HASH)
    assert attribute.startswith("key_")
    (leaf,) = scans(plan)
    assert leaf.names[-1] == HASH
    assert origins(plan, attribute) == {(leaf.instance, HASH)}


def test_a_key_comes_through_a_group_by_of_it() -> None:
    plan, attribute = carried("select user_id, count(*) as n from users group by user_id", "users", "user_id")
    assert attribute == plan.columns[0].name


def test_no_column_comes_through_a_group_by_of_others() -> None:
    with pytest.raises(LookupError):
        carried("select category, count(*) as n from items group by category", "items", "item_id")


def test_no_column_comes_from_another_relation() -> None:
    with pytest.raises(LookupError):
        carried("select item_id from items", "users", "user_id")
