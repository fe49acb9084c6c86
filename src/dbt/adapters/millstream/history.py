"""What ran before a command of dbt changed something: where `millstream deploy --rollback` goes back to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dbt_common.invocation import get_invocation_id

if TYPE_CHECKING:
    import psycopg

    from millstream.rollout.project.definition import Definition


class History:
    """Keeps the definitions of the moment before a command's first deployment, and writes them at its first change."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.invocation = ""
        self.before: list[Definition] | None = None  # none where they are written, or the caller keeps them

    def look(self, conn: psycopg.Connection[Any]) -> None:
        """See what runs, if nothing was deployed in this invocation yet."""
        from millstream.engine.catalog import store
        from millstream.rollout.embedded import records
        from millstream.rollout.embedded.deployed import definitions

        if self.invocation != get_invocation_id():
            self.invocation = get_invocation_id()
            self.before = None if records.KEPT in os.environ else definitions(store.load(conn))

    def changed(self, conn: psycopg.Connection[Any]) -> None:
        """Write down what ran before, once in an invocation."""
        from millstream.rollout.embedded import records

        if self.before is not None:
            records.remember(conn, f"dbt {self.command}", self.before)
            self.before = None
