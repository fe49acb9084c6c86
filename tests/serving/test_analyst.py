"""What an analyst does with dbt to a deployed shop: test it, and add a strategy with two files and one `dbt run`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

import millstream.server
from millstream.engine.rerank import rerank
from tests.databases import Databases
from tests.engine.running import running
from tests.project.compiled import dbt
from tests.project.copies import add_strategy, copy_project
from tests.serving.shop import DAY, Shop, stock

pytestmark = pytest.mark.timeout(900)  # whole runs of dbt

SAME_BRAND = """-- Popular items of the brand and category of a recent item.
select
    r.user_id,
    r.variant,
    r.acted_at,
    r.item_id as reason_item_id,
    r.weight as factor,
    array_agg(x.item_id order by x.slot) as item_ids,
    cast(null as double precision[]) as scores
from {{ ref('cand_recent_items') }} as r
inner join {{ ref('items') }} for system_time as of proctime() as i
    on i.item_id = r.item_id
inner join {{ ref('feat_category_popular') }} for system_time as of proctime() as p
    on p.category = i.category
cross join unnest(p.item_ids) with ordinality as x (item_id, slot)
inner join {{ ref('items') }} for system_time as of proctime() as o
    on o.item_id = x.item_id
where o.brand = i.brand
group by r.user_id, r.variant, r.acted_at, r.item_id, r.weight
"""
ROW = '{name: same_brand, weight: 9.0, enabled: true, words: "More from the maker of {item}"}'
FILE = "sql/candidates/cand_same_brand.sql"


@dataclass(frozen=True)
class Analyst:
    """A copy of the project, and the shop that it is deployed to."""

    project: Path
    shop: Shop

    def dbt(self, command: str) -> tuple[bool, str, dict[str, Any]]:
        """Run a command of dbt: whether it went well, what it said, and the adapter's response by node."""
        path = self.project / "target/run_results.json"
        path.unlink(missing_ok=True)
        done = dbt(
            [command, "--target", "embedded"],
            self.project / "target",
            project=self.project,
            MILLSTREAM_DSN=self.shop.dsns["owner"],
        )
        results = json.loads(path.read_text())["results"] if path.exists() else []
        return (
            done.returncode == 0,
            done.stdout,
            {result["unique_id"].split(".")[-1]: result["adapter_response"] for result in results},
        )


@pytest.fixture(scope="module")
def analyst(
    shop_databases: Databases, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Analyst]:
    """A shop of its own, as the other tests have it, in which i1 and i3 are of one brand."""
    name = shop_databases.create()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLSTREAM_DSN", shop_databases.dsn(name))
        server = millstream.server.open(home)
        dsns = {role: server.dsn(role) for role in ("owner", "writer", "reader")}
    project = copy_project(tmp_path_factory.mktemp("analyst") / "project")
    shop = Shop(name, dsns)
    made = Analyst(project, shop)
    done, said, _ = made.dbt("run")
    assert done, said
    with running(dsns["owner"]):
        stock(shop)
        for item in ("i1", "i3"):
            shop.item(item, brand="mill")
        shop.event("crowd", "view_item", "i3", 4 * DAY)
        shop.flush()
        yield made
    shop.close()


def test_the_tests_of_the_models_hold_on_the_shop(analyst: Analyst) -> None:
    """Those of the data, and those of what a model computes, in unit_tests.yml beside it."""
    done, said, responses = analyst.dbt("test")
    assert done, said
    assert len(responses) > 150


def test_a_file_without_a_row_stops_the_run_before_anything_is_deployed(analyst: Analyst) -> None:
    (analyst.project / FILE).write_text(SAME_BRAND)
    done, said, responses = analyst.dbt("run")
    (analyst.project / FILE).unlink()
    assert not done
    text = " ".join(said.split())
    assert f"{FILE}: nothing reads cand_same_brand, and var strategies in dbt_project.yml has no row" in text
    assert "same_brand; add one (name, weight, words, enabled), or remove the file" in text
    assert not [name for name, found in responses.items() if found.get("action")]


def test_a_file_and_a_row_add_a_strategy_and_build_the_lists_once(analyst: Analyst) -> None:
    shop = analyst.shop
    add_strategy(analyst.project, ROW)
    (analyst.project / FILE).write_text(SAME_BRAND)
    done, said, responses = analyst.dbt("run")
    assert done, said
    built = {
        name: found for name, found in responses.items() if found.get("action") not in (None, "unchanged")
    }
    assert [name for name in built if not name.startswith("serve_")] == ["rank_user_list"]
    rebuilt = [name for found in built.values() for name in found.get("rebuilt", ())]
    assert not [name for name in rebuilt if "rank_user_list" in name], "once, for its own change"

    shop.event("ann", "view_item", "i1", DAY / 2)
    shop.flush()
    reasons = {row["item_id"]: row["reason_text"] for row in shop.recommend("ann", 9)}
    assert reasons["i3"] == "More from the maker of I1"

    shop.put("ranking_weights", variant="control", strategy="same_brand", weight=0.0)
    shop.flush()
    with psycopg.connect(shop.dsns["owner"], autocommit=True) as owner:
        (result,) = rerank(owner)
    assert (result.name, result.failed) == ("rank_user_list", 0)
    assert "same_brand" not in {row["strategy"] for row in shop.recommend("ann", 9)}
