"""On RisingWave everything served is read by key: no branch of a read scans a stored relation.

The rule (compiler/portable/keyed.py) is held to the planner's tests in tests/compiler/binder/reads.golden. Here it looks at each
served view, read by what it says in `meta: read_by`, and at the statement for applications as each driver sends it.
"""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
import yaml

from millstream.compiler.portable.keyed import refuse_scans
from millstream.compiler.portable.reaching import Reach
from millstream.engine import deploy
from millstream.engine.catalog.resolver import Resolver, load_names
from millstream.errors import Refused
from millstream.recommend.statement import DRIVERS, statement
from tests.compiler.golden import Case, each_case, read
from tests.conformance.reading_rules import refused_reads
from tests.conformance.runs import ROOT
from tests.databases import Databases

GOLDEN = Path(__file__).parent / "reads.golden"
PARAMETER = re.compile(r"%\(\w+\)s|(?<!:):(?=[a-z])\w+|@\w+|%s|\?")
COUNTED = {"psycopg-positional", "jdbc"}
SCANNING = """
select p.user_id, p.item_id, p.last_purchased_at
from feat_user_purchases as p
left join items as i on i.item_id = p.item_id
left join category_rules as c on c.category = i.category
where not coalesce(c.is_repeatable, false) or p.last_purchased_at > now() - c.repeat_after_days * interval '1 day'
"""


@pytest.fixture(scope="module")
def names(databases: Databases, shipped_database: str) -> Resolver:
    """What the names of the whole project mean."""
    with psycopg.connect(databases.dsn(shipped_database)) as connection:
        return load_names(connection)


def described() -> dict[str, tuple[str, ...]]:
    """The views that say what they are read by."""
    files = [yaml.safe_load(path.read_text()) for path in (ROOT / "sql").rglob("*.yml")]
    models = [model for file in files for model in file.get("models") or ()]
    found = {m["name"]: (m.get("config") or {}).get("meta", {}).get("read_by") for m in models}
    return {name: tuple(by) for name, by in found.items() if by}


def reached(names: Resolver, sql: str, path: str, read_by: tuple[str, ...] = ()) -> list[tuple[str, Reach]]:
    return refuse_scans(sql, names, path, names.catalogue.indexes, read_by)


def as_planned(driver: str, *, filters: bool) -> str:
    """The statement as RisingWave plans it, whose drivers' parameters are values by then."""
    text = statement(driver, filters=filters)
    if driver == "psql":
        text = text.partition(" as\n")[2].rstrip().removesuffix(";")
    return PARAMETER.sub("$1", text.replace("%%", "%"))


def test_every_served_view_says_what_it_is_read_by() -> None:
    assert set(described()) == {path.stem for path in (ROOT / "sql/serving").glob("*.sql")}
    assert {case.title for case in read(GOLDEN)} == set(described())


@each_case(GOLDEN)
def test_a_served_view_is_read_by_key(case: Case, names: Resolver) -> None:
    entry = names.catalogue.named(None, case.title)
    assert entry is not None
    by = described()[case.title]
    assert case.given == f"by {', '.join(by)}"
    found = reached(names, entry.text, case.title, by)
    case.check("\n".join(f"{name}: {reach.how} by {', '.join(reach.path)}" for name, reach in found))


@pytest.mark.parametrize("filters", [False, True])
@pytest.mark.parametrize("driver", DRIVERS)
def test_the_statement_is_one_that_risingwave_reads_by_key(
    names: Resolver, driver: str, filters: bool
) -> None:
    text = as_planned(driver, filters=filters)
    assert list(refused_reads(text)) == []
    if driver in COUNTED:  # docs/howto/clients.md says so
        with pytest.raises(Refused, match="a read that scans" if not filters else "MS010"):
            reached(names, text, "recommend.sql")
    else:
        assert {reach.how for _, reach in reached(names, text, "recommend.sql")} == {"range", "lookup"}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("select item_id from popular order by place limit $2", "LIMIT or OFFSET that is no constant"),
        ("select a, b from t cross join unnest(t.x, t.y) as u (a, b)", "several lists in one unnest"),
        ("select a from t left join unnest(t.x) as u (a) on true", "an outer join with unnest"),
        ("select a from t join r for system_time as of proctime() on r.a = t.a", "a process-time join"),
        ("select a from t for update", "rows are not locked"),
        ("select a from t limit 3", "LIMIT without ORDER BY"),
    ],
)
def test_each_rule_of_a_read_bites(text: str, rule: str) -> None:
    assert [wrong for wrong in refused_reads(text) if wrong.startswith(rule)]


def test_no_part_of_the_statement_is_planned_more_than_four_times(names: Resolver) -> None:
    """RisingWave plans a common table anew wherever it is read."""
    found = [name for name, _ in reached(names, as_planned("asyncpg", filters=False), "recommend.sql")]
    assert max(map(found.count, set(found) - {"rank_available_items", "items"})) <= 8
    assert found.count("feat_trending") == 2


def test_a_view_of_joins_in_not_exists_is_refused_when_it_is_deployed(
    databases: Databases, shipped_database: str
) -> None:
    """As it was served before what a person may not be offered was stored."""
    name = databases.create(template=shipped_database)
    with deploy.connect(databases.dsn(name)) as connection:
        deploy.deploy_view(connection, "bought_by_joins", SCANNING, materialized=False)
        reading = (
            "select l.user_id, l.item_id from rank_user_items as l where not exists ("
            "select 1 from bought_by_joins as b where b.user_id = l.user_id and b.item_id = l.item_id)"
        )
        options = {"materialized": False, "portable": True}
        with pytest.raises(Refused, match=r"error\[MS083\].*scans feat_user_items"):
            deploy.deploy_view(connection, "serve_unbought", reading, read_by=["user_id"], **options)
        assert deploy.deploy_view(connection, "serve_unbought", reading, **options).action == "created"
    databases.drop(name)
