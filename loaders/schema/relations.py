"""The source relations as a client sees them: names, keys, columns and what a column holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceRelation:
    """A source relation; `key` is None where rows are only ever appended."""

    name: str
    key: str | None
    columns: dict[str, str]


EVENTS = SourceRelation(
    "events",
    "event_id",
    {
        "event_id": "text",
        "event_type": "text",
        "user_id": "text",
        "anonymous_id": "text",
        "session_id": "text",
        "item_id": "text",
        "quantity": "int4",
        "price": "float8",
        "currency": "text",
        "dwell_seconds": "float8",
        "search_query": "text",
        "list_id": "text",
        "position": "int4",
        "rec_id": "text",
        "country": "text",
        "device": "text",
        "referrer": "text",
        "consent": "bool",
        "occurred_at": "timestamptz",
        "received_at": "timestamptz",
    },
)

EVENTS_RAW = SourceRelation(
    "events_raw",
    None,
    {"payload": "text", "source_partition": "text", "source_offset": "text", "received_at": "timestamptz"},
)

ITEMS = SourceRelation(
    "items",
    "item_id",
    {
        "item_id": "text",
        "name": "text",
        "category": "text",
        "subcategory": "text",
        "brand": "text",
        "price": "float8",
        "is_active": "bool",
        "created_at": "timestamptz",
    },
)

INVENTORY = SourceRelation("inventory", "item_id", {"item_id": "text", "quantity": "int4"})

USERS = SourceRelation(
    "users",
    "user_id",
    {"user_id": "text", "segment": "text", "attributes": "jsonb", "updated_at": "timestamptz"},
)

IDENTITIES = SourceRelation("identities", "anonymous_id", {"anonymous_id": "text", "user_id": "text"})

ITEM_VECTORS = SourceRelation(
    "item_vectors",
    "item_id",
    {"item_id": "text", "model_version": "text", "vector": "float8[]"},
)

EMBEDDING_NEIGHBOURS = SourceRelation(
    "embedding_neighbours",
    "item_id",
    {"item_id": "text", "model_version": "text", "neighbour_ids": "text[]", "scores": "float8[]"},
)
