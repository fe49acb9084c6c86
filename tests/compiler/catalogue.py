"""A catalogue without a database: what the models of the golden files read."""

from __future__ import annotations

from millstream.compiler.algebra.operators import Plan, Relation
from millstream.compiler.binder.model import bind_model
from millstream.compiler.binder.scope import Columns, Context, SqlFunction, ViewText
from millstream.compiler.binder.sql_functions import parse_function
from millstream.compiler.incremental.cut import cut_into_nodes
from millstream.compiler.incremental.node import HASH, KEY_HASH, Node

RELATIONS = {
    "events": Relation(
        "events",
        (
            ("event_id", "character varying", False),
            ("user_id", "character varying", True),
            ("item_id", "character varying", True),
            ("price", "double precision", True),
            ("occurred_at", "timestamp with time zone", True),
        ),
        ("event_id",),
    ),
    "items": Relation(
        "items",
        (
            ("item_id", "character varying", False),
            ("category", "character varying", True),
            ("price", "double precision", True),
        ),
        ("item_id",),
    ),
    "users": Relation(
        "users",
        (("user_id", "character varying", False), ("recent", "character varying[]", True)),
        ("user_id",),
    ),
    "neighbours": Relation(
        "neighbours",
        (
            ("item_id", "character varying", False),
            ("ids", "character varying[]", True),
            ("scores", "double precision[]", True),
        ),
        ("item_id",),
    ),
    "clicks": Relation("clicks", (("user_id", "text", True), ("item_id", "text", True)), (HASH,)),
    "totals": Relation("totals", (("top", "double precision", True),), (KEY_HASH,), single=True),
}
ELSEWHERE = {
    ("club", "items"): Relation(
        "club.items",
        (("item_id", "character varying", False), ("price", "integer", True)),
        ("item_id",),
    ),
    ("club", "stock"): Relation("club.stock", (("item_id", "character varying", False),), ("item_id",)),
}
VIEWS = {
    "cheap_items": ViewText(
        "cheap_items", "select item_id, price from items where price < 10", "sql/cheap_items.sql"
    ),
    "broken_view": ViewText("broken_view", "select item_id, missing from items", "sql/broken_view.sql"),
}
PYTHON = {"blend", "rerank"}
FUNCTIONS = {
    declared.name: declared
    for declared in (
        parse_function(
            "create function dear(price float8) returns boolean language sql as $$ select price > 10 $$"
        ),
        parse_function("create function shout(varchar) returns varchar language sql as 'select upper($1)'"),
        parse_function(
            "create function twice(a varchar) returns varchar language sql return shout(a) || shout(a)"
        ),
        parse_function("create function endless(a int) returns int language sql as 'select endless(a)'"),
    )
}


class Static:
    """Resolves names to the relations, plain views and Python functions above."""

    def relation(self, schema: str | None, name: str) -> Relation | ViewText | None:
        if schema not in (None, "public"):
            return ELSEWHERE.get((schema, name))
        return RELATIONS.get(name) or VIEWS.get(name)

    def sql_function(self, schema: str | None, name: str) -> SqlFunction | None:
        return FUNCTIONS.get(name) if schema in (None, "public") else None

    def is_python(self, schema: str | None, name: str) -> bool:
        return schema in (None, "public") and name in PYTHON

    def known(self) -> list[tuple[str, str]]:
        return [*(("public", name) for name in (*RELATIONS, *VIEWS)), *ELSEWHERE]


def bound(sql: str, path: str | None = None) -> tuple[Plan, Columns, Context]:
    """Bind a query; return its plan, its outputs and the context that made the names."""
    context = Context(Static(), path=path)
    plan, outputs = bind_model(sql, context)
    return plan, outputs, context


def compiled(sql: str, name: str = "model", path: str | None = None) -> tuple[Node, ...]:
    """Compile a query to the nodes of a model."""
    plan, outputs, context = bound(sql, path)
    return cut_into_nodes(name, plan, outputs, context.names, path)
