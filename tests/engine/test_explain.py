"""What `explain` says of what is deployed."""

from __future__ import annotations

from pathlib import Path

import pytest

from millstream.engine.inspect.explain import explain
from millstream.engine.inspect.operators import Operator
from millstream.errors import MillstreamError
from tests.engine.engine import Engine

CLICKS = "create table clicks (id integer primary key, item varchar, person varchar)"
COUNTS = (
    "create materialized view counts as select item, count(*) as n from clicks where id > 0 group by item"
)
TOP = (
    "create materialized view top as select item, rn from (select item, row_number() over"
    " (order by n desc, item) as rn from counts) as r where rn <= 3"
)


def names(operator: Operator) -> list[str]:
    """The operators from the top down, and what the leaves read."""
    here = f"scan {operator.detail}" if operator.name == "scan" else operator.name
    return [here, *(name for below in operator.inputs for name in names(below))]


def test_a_view_names_its_operators_tables_indexes_and_readers(engine: Engine) -> None:
    engine.deploy_all(CLICKS, COUNTS, TOP)
    found = explain(engine.owner, "counts")
    (node,) = found.nodes
    assert (found.kind, found.reads, found.read_by) == ("materialized_view", ("clicks",), ("top",))
    assert names(node.plan) == ["aggregate", "filter", "scan clicks"]
    assert node.plan.inputs[0].detail == "id > 0"
    assert node.keys == ("item",)
    assert node.rule.startswith("invertible: ")
    assert node.stored.table == 'millstream_data."counts@1"'
    assert node.stored.indexes == (
        'btree ("kh$")',  # an item may be NULL, so groups are found by a hash
        "btree (n DESC, item)",  # the order in which a reader takes the first rows
    )
    assert node.stored.bytes > 0


def test_rows_are_counted_as_they_are_now(engine: Engine) -> None:
    engine.deploy_all(CLICKS, COUNTS)
    engine.write("insert into clicks values (1, 'a', 'ann'), (2, 'b', 'ann'), (3, 'b', 'bob')")
    found = explain(engine.owner, "counts")
    assert found.stored is not None
    assert found.stored.rows == 2


def test_costs_are_what_the_worker_noted(engine: Engine) -> None:
    engine.deploy_all(CLICKS, COUNTS)
    assert explain(engine.owner, "counts").nodes[0].cost.per_tick is None
    engine.write("insert into clicks values (1, 'a', 'ann')")
    engine.write("insert into clicks values (2, 'a', 'ann')")
    engine.worker.housekeep()
    cost = explain(engine.owner, "counts").nodes[0].cost
    assert cost.ticks == 2
    assert cost.changes == 3  # one row added, then one replaced by another
    assert cost.per_tick is not None
    assert cost.per_tick > 0


def test_an_on_act_node_names_its_driver_what_it_looks_up_and_its_python(
    engine: Engine, tmp_path: Path
) -> None:
    engine.deploy_all(CLICKS, "create table prices (item varchar primary key, price integer)")
    code = "def double(price):\n    return price * 2\n"
    engine.deploy_python(tmp_path / "udfs" / "double.py", "double", "price integer", "integer", code)
    engine.deploy(
        "create materialized view priced as select c.id, double(p.price) as price from clicks as c"
        " left join prices for system_time as of proctime() as p on p.item = c.item"
    )
    (node,) = explain(engine.owner, "priced").nodes
    assert (node.driver, node.looked_up, node.python) == ("clicks", ("prices",), ("double",))
    assert node.rule.startswith("on act: ")
    assert "process-time left join" in names(node.plan)


def test_a_source_says_its_key_and_what_waits(engine: Engine) -> None:
    engine.deploy_all(CLICKS, COUNTS)
    engine.write("insert into clicks values (1, 'a', 'ann')")
    engine.execute("insert into clicks values (2, 'a', 'ann')")
    found = explain(engine.owner, "clicks")
    assert (found.kind, found.kept, found.queued, found.read_by) == ("source table", "key id", 1, ("counts",))
    assert found.stored is not None
    assert found.stored.rows == 1


def test_a_plain_view_is_not_stored(engine: Engine) -> None:
    engine.deploy_all(CLICKS, COUNTS, "create view often as select item from counts where n > 1")
    found = explain(engine.owner, "often")
    assert (found.kind, found.reads, found.stored) == ("view", ("counts",), None)
    assert "not stored" in found.kept


def test_an_unknown_name_suggests_what_was_meant(engine: Engine) -> None:
    engine.deploy_all(CLICKS, COUNTS)
    with pytest.raises(MillstreamError, match=r"nothing is deployed as count\n.*did you mean counts"):
        explain(engine.owner, "count")
