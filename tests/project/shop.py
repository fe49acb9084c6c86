"""The models on a plain PostgreSQL, refreshed by hand: what the SQL means, without any incremental engine.

Each model becomes what its materialization says (a table, a materialized view, a view), so that what is read at read
time and what is computed when a user acts stay different things. A process-time join is an ordinary join there, a cast
that fails is NULL, and `blend_v2` is the real Python function: a first refresh records its calls, a second one reads
its answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.project.compiled import Model, Project
from udfs import blend_v2 as blend

NON_STRICT = re.compile(r"cast\((payload|body ->> '\w+') as ([a-z ]+)\)")
STRUCT = re.compile(r"struct<[^>]*>")
PREPARATION = """
create type candidate_list as (
    strategy varchar, reason_item_id varchar, weight double precision, factor double precision,
    item_ids varchar[], scores double precision[]
);
create type recommended as (
    item_id varchar, score double precision, strategy varchar, reason_item_id varchar,
    strategies varchar[], contributions double precision[]
);
create table udf_calls (id text primary key, arguments jsonb, failed boolean default false, answer jsonb);
create function blend_v2(
    lists candidate_list[], weighed varchar[], weights double precision[], candidates integer, list_length integer,
    repeat_decay double precision, repeat_floor double precision, model_version varchar
) returns recommended[] language plpgsql set search_path = public as $$
declare
    given jsonb := jsonb_build_array(
        lists, weighed, weights, candidates, list_length, repeat_decay, repeat_floor, model_version);
begin
    insert into udf_calls (id, arguments) values (md5(given::text), given) on conflict do nothing;
    return (
        select array_agg(r order by place)
        from udf_calls as c,
            jsonb_array_elements(c.answer) with ordinality as a(entry, place),
            jsonb_populate_record(null::recommended, a.entry) as r
        where c.id = md5(given::text));
end $$;
create function non_strict(given text, target text) returns text language plpgsql set search_path = public as $$
declare result text;
begin
    execute format('select cast(%L as %s)', given, target) into result;
    return result;
exception when others then
    return null;
end $$;
"""

FOLLOWED = {
    "items": ("rank_available_items", "rank_bought_items"),
    "inventory": ("rank_available_items",),
    "excluded_items": ("rank_available_items",),
    "category_rules": ("rank_bought_items",),
}
"""What follows a table at once; no list is computed for it."""


def deploy(dsn: str, project: Project) -> None:
    """Create every model as what its materialization says, in the order in which they read each other."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(PREPARATION)
        for model in project.models.values():
            for statement in statements(model):
                connection.execute(statement)


def statements(model: Model) -> list[str]:
    """What creates a model on PostgreSQL; nothing for ephemeral models and sinks."""
    text = re.sub(r'"\w+"\."public"\.', "", model.sql)
    text = text.replace("for system_time as of proctime()", "")
    text = STRUCT.sub("candidate_list", text)
    text = NON_STRICT.sub(r"cast(non_strict(\1, '\2') as \2)", text)
    match model.materialized:
        case "table_with_connector":
            return [re.sub(r"\)\s*(on conflict .*|append only)\s*$", ")", text)]
        case "view":
            return [f"create view {model.name} as {text}"]
        case "materialized_view":
            indexes = [f"create index on {model.name} ({', '.join(columns)})" for columns in model.indexes]
            return [f"create materialized view {model.name} as {text}", *indexes]
        case "ephemeral" | "sink":
            return []
        case other:
            raise AssertionError(f"{model.name}: unknown materialization {other}")


class Shop:
    """A shop's database with all models deployed. Times are given as ages: how long ago something happened."""

    def __init__(self, dsn: str, project: Project) -> None:
        self.now = datetime.now(UTC)
        self.materialized = [
            model.name for model in project.models.values() if model.materialized == "materialized_view"
        ]
        self._events = 0
        self.connection = psycopg.connect(dsn, autocommit=True, row_factory=dict_row)
        self.connection.execute("set timezone = 'UTC'")

    def close(self) -> None:
        self.connection.close()

    def put(self, table: str, **row: Any) -> None:
        """Insert or replace a row by the table's first column."""
        key = next(iter(row))
        given = [Jsonb(value) if isinstance(value, dict) else value for value in row.values()]
        self.connection.execute(
            sql.SQL("delete from {} where {} = %s").format(sql.Identifier(table), sql.Identifier(key)),
            given[:1],
        )
        self.connection.execute(
            sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            ),
            given,
        )
        for view in FOLLOWED.get(table, ()):
            self.connection.execute(sql.SQL("refresh materialized view {}").format(sql.Identifier(view)))

    def weigh(self, variant: str = "control", **weights: float) -> None:
        """Set the weights of these strategies in a variant."""
        for strategy, weight in weights.items():
            self.connection.execute(
                "insert into ranking_weights values (%s, %s, %s)"
                " on conflict (variant, strategy) do update set weight = excluded.weight",
                (variant, strategy, weight),
            )

    def item(self, item_id: str, category: str = "cake", stock: int = 9, **columns: Any) -> None:
        """An active item, named after its id in capitals, with stock."""
        self.put(
            "items",
            **{"item_id": item_id, "name": item_id.upper(), "category": category, "is_active": True}
            | columns,
        )
        self.put("inventory", item_id=item_id, quantity=stock)

    def event(
        self, user: str | None, event_type: str, item: str | None, ago: timedelta, **columns: Any
    ) -> str:
        """An event received when it occurred, in a session of the user's own unless one is given."""
        self._events += 1
        at = self.now - ago
        row = {
            "event_id": f"e{self._events:04}",
            "event_type": event_type,
            "user_id": user,
            "item_id": item,
            "session_id": f"s-{user}",
            "occurred_at": at,
            "received_at": at,
        }
        self.put("events", **row | columns)
        return str((row | columns)["event_id"])

    def message(self, received_ago: timedelta = timedelta(), **fields: Any) -> None:
        """A raw message with the fields of a good one, but for those given; None leaves a field out."""
        self._events += 1
        good = {
            "event_id": f"r{self._events:04}",
            "event_type": "view_item",
            "user_id": "ann",
            "item_id": "a",
            "occurred_at": self.now.isoformat(),
        }
        body = {name: value for name, value in (good | fields).items() if value is not None}
        self.raw(json.dumps(body), received_ago)

    def raw(self, payload: str, received_ago: timedelta = timedelta()) -> None:
        self.connection.execute(
            "insert into events_raw (payload, received_at) values (%s, %s)",
            (payload, self.now - received_ago),
        )

    def basket(
        self, session: str, *items: str, user: str | None = None, ago: timedelta = timedelta(days=2)
    ) -> None:
        """One user bought these items together."""
        for item in items:
            self.event(user or f"buyer-{session}", "purchase", item, ago, session_id=session)

    def refresh(self, blend_fails: bool = False) -> None:
        """Bring every materialized view up to date, in order; a blend that fails yields NULL."""
        for name in ("stg_known_ids", "stg_identities_hashed"):
            self.connection.execute(sql.SQL("refresh materialized view {}").format(sql.Identifier(name)))
        self.connection.execute(
            "insert into past_identities select * from stg_identities_hashed on conflict do nothing"
        )
        for name in self.materialized:
            self.connection.execute(sql.SQL("refresh materialized view {}").format(sql.Identifier(name)))
        if blend_fails:
            self.connection.execute("update udf_calls set answer = null, failed = true")
        calls = self.rows("select id, arguments from udf_calls where answer is null and not failed")
        blend.look_up = self.look_up
        for call in calls:
            answer = Jsonb(blend.blend_v2(*call["arguments"]))
            self.connection.execute("update udf_calls set answer = %s where id = %s", (answer, call["id"]))
        self.connection.execute("refresh materialized view rank_user_list")

    def look_up(self, relation: str, keys: Collection[str]) -> dict[str, blend.Facts]:
        """What the blend looks up."""
        key, columns = blend.LOOKED_UP[relation]
        query = f"select {key}, {', '.join(columns)} from {relation} where {key} = any(%s)"
        return {row[key]: tuple(row[name] for name in columns) for row in self.rows(query, list(keys))}

    def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        return self.connection.execute(query, parameters).fetchall()

    def values(self, query: str, *parameters: Any) -> list[Any]:
        """The first column of a query."""
        return [next(iter(row.values())) for row in self.rows(query, *parameters)]
