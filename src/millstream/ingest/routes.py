"""Which topic goes into which source relation, and what fills its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from millstream.engine.catalog.project_settings import read_project_settings
from millstream.errors import MillstreamError
from millstream.ingest import messages
from millstream.ingest.messages import Value

# What fills a column of this name, beside that of the arrival, which the project names; sql/sources/kafka has the same
# names for RisingWave. Others keep their defaults.
FILLED: dict[str, Value] = {
    "payload": messages.payload,
    "message_key": messages.key,
    "source_partition": messages.partition,
    "source_offset": messages.offset,
}
AS_BYTES: dict[str, Value] = {"payload": messages.payload_bytes, "message_key": messages.key_bytes}


@dataclass(frozen=True)
class Route:
    """One topic and the relation that its messages are appended to; `columns` are filled by `values`."""

    topic: str
    schema: str
    relation: str
    queue: str
    columns: tuple[str, ...]
    values: tuple[Value, ...]

    @property
    def copy(self) -> sql.Composed:
        """The statement that appends rows."""
        return sql.SQL("copy {} ({}) from stdin").format(
            sql.Identifier(self.schema, self.relation),
            sql.SQL(", ").join(sql.Identifier(column) for column in self.columns),
        )


def find_routes(conn: psycopg.Connection, given: Sequence[str]) -> list[Route]:
    """Return a route for each TOPIC=RELATION; the relation may have its schema before it.

    Raises MillstreamError for a relation that is not there or cannot take messages, and for a topic given twice.
    """
    found: dict[str, Route] = {}
    filled = {**FILLED, read_project_settings(conn).arrival_column: messages.arrival}
    for text in given:
        topic, _, relation = text.partition("=")
        schema, _, name = relation.rpartition(".")
        if not topic or not name:
            raise MillstreamError(
                f"{text!r} is not TOPIC=RELATION\n  hint: such as --topic events=events_raw"
            )
        if topic in found:
            raise MillstreamError(
                f"topic {topic} is given twice\n  hint: one topic feeds one relation, which many views may read"
            )
        row = conn.execute(
            "select r.schema_name, s.detail from millstream.relation as r join millstream.state as s on s.name = r.state"
            " where r.kind = 'table' and r.name = %s and (r.schema_name = %s or %s = '') order by s.ordinal limit 1",
            [name, schema, schema],
        ).fetchone()
        if row is None:
            raise MillstreamError(
                f"topic {topic} has nowhere to go: no source relation {name} is deployed\n"
                "  hint: deploy it with `dbt run`, or name another one: --topic TOPIC=RELATION"
            )
        found[topic] = _route(topic, row[0], name, row[1], filled)
    return list(found.values())


def _route(
    topic: str, schema: str, relation: str, detail: Mapping[str, Any], filled: Mapping[str, Value]
) -> Route:
    types = {str(column[0]): str(column[1]).lower() for column in detail["columns"]}
    values = {
        name: AS_BYTES[name] if types[name] == "bytea" and name in AS_BYTES else value
        for name, value in filled.items()
        if name in types
    }
    if "payload" not in values:
        raise MillstreamError(
            f"{relation} cannot take messages of topic {topic}: it has no column payload\n"
            "  hint: feed a relation of raw messages, such as events_raw, and parse them in a staging model"
        )
    return Route(topic, schema, relation, str(detail["queue"]), tuple(values), tuple(values.values()))
