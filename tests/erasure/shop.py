"""A shop in which a person can leave a mark everywhere."""

from __future__ import annotations

import json
import os
import secrets
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.cli.program import Program
from tests.engine.running import eventually

ITEMS = tuple(f"item-{number}" for number in range(8))
WATCHED = ("stg_events", "feat_user_items", "rank_user_list", "stg_events_rejected")


@dataclass
class Shop:
    """The home, the command line on it, and a connection of each role that writes."""

    home: Path
    program: Program
    owner: psycopg.Connection
    writer: psycopg.Connection

    def stock(self) -> None:
        """Items, and people who stay."""
        for item in ITEMS:
            self.writer.execute(
                "insert into items (item_id, name, category, is_active) values (%s, %s, 'cake', true)",
                [item, item.upper()],
            )
        for other in ("bob", "eve"):
            for item in ITEMS[:4]:
                self.event(f"{other}-{item}", other, item)
        self.flush()
        for model in WATCHED:
            self.owner.execute("select millstream.watch('public', %s)", [model])

    def kill_worker(self) -> None:
        """Kill it where it stands; the supervisor starts another one."""
        eventually(lambda: self.program.status()["worker"]["running"])
        os.kill(self.program.status()["worker"]["pid"], signal.SIGKILL)

    def flush(self) -> None:
        self.writer.execute("call millstream.flush()")

    def event(
        self, event_id: str, user: str | None, item: str, visitor: str | None = None, kind: str = "purchase"
    ) -> None:
        self.writer.execute(
            "insert into events (event_id, event_type, user_id, anonymous_id, session_id, item_id, quantity, occurred_at)"
            " values (%s, %s, %s, %s, %s, %s, 1, now())",
            [event_id, kind, user, visitor, f"visit-of-{user or visitor}", item],
        )

    def link(self, visitor: str, user: str) -> None:
        self.writer.execute("insert into identities (anonymous_id, user_id) values (%s, %s)", [visitor, user])

    def message(self, payload: str) -> None:
        self.writer.execute("insert into events_raw (payload) values (%s)", [payload])

    def raw(self, user: str, **fields: Any) -> None:
        body = {
            "event_id": f"raw-{secrets.token_hex(4)}-{user}",
            "event_type": "view_item",
            "user_id": user,
            "item_id": "item-1",
        }
        self.message(json.dumps(body | {"occurred_at": "2026-01-02T12:00:00Z"} | fields))

    def used(self, *ids: str) -> list[tuple[Any, ...]]:
        """The events of these ids that count."""
        return self.owner.execute(
            "select user_id, event_id from stg_events where user_id = any(%s) order by 2", [list(ids)]
        ).fetchall()

    def forget(self, *arguments: str) -> dict[str, Any]:
        """Run the command; returns its report."""
        answer = self.program("forget", "--json", *arguments)
        assert answer.returncode == 0, answer.stderr
        found: dict[str, Any] = json.loads(answer.stdout)
        return found

    def leave_marks(self, mark: str) -> None:
        """A person who is in every kind of place: sources, raw messages good and bad, what is set aside, feeds, logs."""
        self.writer.execute(
            "insert into users (user_id, segment, attributes) values (%s, 'family', %s)",
            [mark, json.dumps({"mail": f"{mark}@x"})],
        )
        self.link(f"phone-{mark}", mark)
        for item in ITEMS[:5]:
            self.event(f"{item}-{mark}", mark, item)
        self.event(f"before-{mark}", None, "item-6", f"phone-{mark}", "view_item")
        self.event(f"dead-{mark}", mark, secrets.token_hex(3000))  # longer than an index takes
        self.event(f"late-{mark}", None, "item-7", f"tablet-{mark}", "view_item")
        self.raw(mark)
        self.raw(mark, quantity="many")
        self.raw(mark, context={"userId": mark, "nested": [1, {"anonymous_id": f"phone-{mark}"}]})
        self.message(f'{{"event_id": "cut-{mark}", "user_id": "{mark}')
        self.message(
            json.dumps({"event_type": "view_item", "user_id": mark}).replace(
                mark[0], f"\\u{ord(mark[0]):04x}"
            )
        )
        self.flush()
        self.link(f"tablet-{mark}", mark)
        self.flush()
        for statement in (
            "insert into events (event_id, user_id, quantity) values (%s, %s, 99999999999)",
            "select %s::integer, %s",
        ):
            try:
                self.writer.execute(statement.encode(), [mark, mark])
            except psycopg.DataError:
                continue
        self.owner.execute(
            "insert into millstream.dead_row values ('events', 1, %s, %s)",
            [f"refused {mark}", json.dumps({"user_id": mark})],
        )
        self.owner.execute(
            "insert into millstream.dead_row values ('blend_v2', 1, 'failed', %s)", [json.dumps([[mark], 1])]
        )
        self.owner.execute(
            "insert into millstream.dead_key (state, node, key, error)"
            " select name, name, array[%s, 'item-1'], %s from millstream.state where relation_name = 'rank_user_list'",
            [mark, f"cannot compute {mark}"],
        )
        self.owner.execute("analyze")
