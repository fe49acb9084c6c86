"""Every statement that a deploy to RisingWave sends, checked by the rules of that engine without a server.

The whole project is deployed to a recorder: new, with a change near the source, and with a sink turned off. Each
statement passes tests/conformance/rules.py. In test_shipped.py each query that a streaming job would keep also passes the
embedded compiler, which refuses what RisingWave refuses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.conformance.conftest import EVERYTHING_ON
from tests.conformance.recorder import RisingWave
from tests.conformance.rules import violations
from tests.conformance.runs import ROOT, Project


@dataclass
class Deployed:
    """The statements of each run, and the server after them."""

    first: list[str]
    changed: list[str]
    dropped: list[str]
    server: RisingWave

    @property
    def statements(self) -> list[str]:
        return [*self.first, *self.changed, *self.dropped]


@pytest.fixture(scope="module")
def deployed(whole_project: tuple[Project, list[str]]) -> Deployed:
    """The whole project on a recorder."""
    project, first = whole_project
    root = project.root
    staged = root / "sql/staging/stg_events.sql"
    staged.write_text(staged.read_text() + "    and j.event_type <> 'crawl'\n")
    changed = project.run(**EVERYTHING_ON)
    without = EVERYTHING_ON | {"MILLSTREAM_SINK_REDIS": ""}
    gone = project.dbt("run-operation", "rw_drop_removed", "--args", "{dry_run: false}", **without)
    assert gone.success, gone.error
    return Deployed(first, changed, gone.sent, project.server)


def test_every_statement_keeps_the_rules(deployed: Deployed) -> None:
    wrong = {text[:120]: found for text in deployed.statements if (found := violations(text))}
    assert wrong == {}


def test_every_model_is_among_them(deployed: Deployed) -> None:
    files = {path.stem for path in (ROOT / "sql").rglob("*.sql")}
    created = {
        match[1]
        for text in deployed.first
        if (match := re.match(r'create [a-z ]+ "dev"\."public"\."(\w+)"', text))
    }
    ephemeral = {path.stem for path in (ROOT / "sql/candidates").glob("cand_*.sql")} | {
        "rank_fallback",
        "rank_list_arrays",
        "stg_events_judged",
        "stg_events_raw_decoded",
    }
    assert created == (files - ephemeral) | {"rank_user_list_feed"}


def test_a_change_near_the_source_moves_every_reader(deployed: Deployed) -> None:
    """Afterwards nothing served reads, directly or not, what was replaced, and nothing replaced is left."""
    relations = deployed.server.relations
    ids = {relation.id for relation in relations.values()}
    assert [r.name for r in relations.values() if set(r.reads) - ids] == []
    assert [name for name in relations if re.search(r"__\d+$", name)] == []
    rebuilt = {match[1] for text in deployed.changed if (match := re.match(r'create .*"(\w+)__2"', text))}
    readers, found = {"stg_events"}, True
    by_id = {relation.id: relation.name for relation in relations.values()}
    while found:
        more = {
            relation.name
            for relation in relations.values()
            if relation.kind not in ("index", "table") and {by_id[each] for each in relation.reads} & readers
        }
        found = not more <= readers
        readers |= more
    assert rebuilt - {"recommendations_to_redis"} == readers  # which was dropped since


def test_a_sink_that_is_turned_off_is_dropped(deployed: Deployed) -> None:
    assert deployed.dropped == [
        'drop sink "public"."recommendations_to_redis"',
        """delete from "dev"."public"."millstream_registry" where name = 'public.recommendations_to_redis'""",
    ]


def test_what_a_list_is_read_by_is_indexed_or_the_key(deployed: Deployed) -> None:
    """Serving views look rows up by key in these; each has an index that starts with it, or is grouped by it."""
    looked_up = {
        "rank_user_list": "user_id",
        "rank_available_items": "item_id",
        "feat_user_items": "user_id",
        "i2i_covisitation": "item_id",
        "i2i_bought_together": "item_id",
        "feat_trending": "scope",
        "feat_segment_popular": "segment",
    }
    texts = {name: relation.statement for name, relation in deployed.server.relations.items()}
    for name, column in looked_up.items():
        indexed = [t for t in deployed.first if t.startswith("create index") and f'"{name}" ({column}' in t]
        grouped = re.search(rf"group by\s+(\w+\.)?{column}\b", texts[name])
        assert indexed or grouped, f"{name} is looked up by {column}"


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("create table t (id varchar primary key)", "a key without a rule for conflicts"),
        ("create table t (id uuid primary key) on conflict do nothing", "a type that RisingWave has not: uuid"),
        ("create table t (id varchar(10) primary key) on conflict do nothing", "a length"),
        ("create table t (at timestamp) append only", "a time without a zone"),
        ("create table t (user varchar) append only", "reserved word as column: user"),
        ("create table t (id varchar) on conflict do nothing", "ON CONFLICT without PRIMARY KEY"),
        ("create table t (id varchar primary key) on conflict do nothing with (retention_seconds = 60)", "not APPEND ONLY"),
        ("create table t (p bytea) append only with (retention_second = 60)", "table has no option retention_second"),
        ("create table t (p varchar) append only with (connector = 'kafka', topic = 't') format plain encode bytes", "one column of type bytea"),
        ("create table t (p bytea) append only with (connector = 'kafka', topic = 't') format plain encode bytes", "lacks the option properties.bootstrap.server"),
        ("create table t (p bytea) append only include offsets as o with (connector = 'kafka') format plain encode bytes", "INCLUDE has no offsets"),
        ("create table t (p varchar, watermark for at as at) append only", "TTL"),
        ("create materialized view m as\nselect a, now() as b from t", "now() outside WHERE"),
        ("create materialized view m as\nselect a from t where at > now() or a = 1", "now() under OR"),
        ("create materialized view m as\nselect count(*) filter (where at > now()) as n from t", "now() under OR, CASE or FILTER"),
        ("create materialized view m as\nselect a from t limit 5", "LIMIT without ORDER BY"),
        ("create materialized view m as\nselect * from t", "SELECT *"),
        ("create materialized view m as\nselect a::json as b from t", "a type that RisingWave has not: json"),
        ("create materialized view m as\nselect percentile_cont(0.5) as b from t", "nobody has looked up: percentile_cont"),
        ("create materialized view m as\nselect top.a from t as top", "reserved word as alias: top"),
        ("create view v as\nselect a.x from a join b for system_time as of proctime() on b.x = a.x", "process-time join in a plain view"),
        ("create sink s from m with (connector = 'kafka', properties.bootstrap.servers = 'k', topic = 't', primary_key = 'a') format upsert encode json", "lacks the option properties.bootstrap.server"),
        ("create sink s from m with (connector = 'kafka', properties.bootstrap.server = 'k', topic = 't', primary_key = 'a')", "wants format upsert encode json"),
        ("create sink s into t from m with (append_only = 'true')", "sink into has no option append_only"),
        ("create sink s from m with (connector = 'jdbc')", "a connector that nobody has looked up"),
        ("create subscription s from m with (retention_seconds = 5)", "lacks the option retention"),
        ('create index "i" on m (lower(a))', "no CREATE INDEX"),
        ("create function f (a varchar)\nreturns varchar\nas 'f' using link 'http://u:1'", "no version"),
        ("create function \"f_v1\" (a timestamptz)\nreturns varchar\nas 'f' using link 'http://u:1'", "the SDK of Python functions has no timestamptz"),
        ("alter table t drop column a", "not a statement that a deploy sends"),
        ("drop materialized view m cascade", "not a statement that a deploy sends"),
        ("drop view v; drop view w", "two statements in one"),
        ("create sink s from m with (connector = 'postgres', password = 'it's', type = 'upsert')", "a string that nothing closes"),
    ],
)  # fmt: skip
def test_each_rule_bites(statement: str, rule: str) -> None:
    assert any(rule in found for found in violations(statement)), violations(statement)
