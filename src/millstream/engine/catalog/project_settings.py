"""What a project calls things that the engine knows by name; in the database, so that worker and deployments agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import psycopg

from millstream.diagnostics import refuse

SAVE = (
    "insert into millstream.setting values (%s, %s) on conflict (name) do update set value = excluded.value"
)


@dataclass(frozen=True)
class ProjectSettings:
    """The names that a project gives; the defaults are those of a project that says nothing."""

    event_time_column: str = "occurred_at"
    """Column of a source that says when an event was; the event clock goes by it."""
    arrival_column: str = "received_at"
    """Column of a source that says when the event came in; Kafka's consumer fills it."""
    future_minutes: float = 5.0
    """How far senders' clocks may be ahead: an event that is dated later after its arrival moves no clock."""
    reader_prefix: str = "serve_"
    """How the names of the views begin that the reader's role may read."""
    writer_prefix: str = "load_"
    """How the names of the views begin that the writer's role may read."""

    @classmethod
    def of(cls, given: Mapping[str, Any], path: str | None = None) -> Self:
        """Settings by their names, such as a project's vars; others are passed over. Raises Refused for what cannot be."""
        known: dict[str, Any] = {
            each.name: given[each.name] for each in fields(cls) if given.get(each.name) is not None
        }
        try:
            known["future_minutes"] = float(known.get("future_minutes", cls.future_minutes))
        except (TypeError, ValueError):
            raise refuse("MS039/minutes", None, str(known["future_minutes"]), path) from None
        settings = cls(**known)
        settings.check(path)
        return settings

    def check(self, path: str | None = None) -> None:
        """Refuse names that are none, and prefixes that do not tell views apart."""
        for name in ("event_time_column", "arrival_column"):
            if not is_name(getattr(self, name)):
                raise refuse("MS039/column", None, name, path)
        if not 0 <= self.future_minutes < float("inf"):
            raise refuse("MS039/minutes", None, str(self.future_minutes), path)
        reader, writer = self.reader_prefix, self.writer_prefix
        if (
            not (is_name(reader) and is_name(writer))
            or reader.startswith(writer)
            or writer.startswith(reader)
        ):
            raise refuse("MS039/prefixes", None, path=path, reader=str(reader), writer=str(writer))


def is_name(value: object) -> bool:
    """Tell whether a value can be a name, or how one begins."""
    return isinstance(value, str) and bool(value.strip())


def read_project_settings(conn: psycopg.Connection) -> ProjectSettings:
    """The settings of the project whose views are in the database."""
    rows = conn.execute("select name, value from millstream.setting").fetchall()
    return ProjectSettings.of(dict(rows))


def write_project_settings(conn: psycopg.Connection, settings: ProjectSettings) -> None:
    """Keep settings; what goes by them is the caller's to renew."""
    for name, value in asdict(settings).items():
        conn.execute(SAVE, [name, str(value)])
