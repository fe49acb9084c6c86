"""The deployer's statements over dbt's connection of the thread at hand, so that dbt logs them and can cancel them."""

from __future__ import annotations

from typing import Any

from dbt.adapters.sql import SQLConnectionManager
from dbt_common.exceptions import DbtDatabaseError

from millstream.rollout.risingwave.statements import StatementFailed


class DbtStatements:
    """Statements over dbt's connections."""

    def __init__(self, connections: SQLConnectionManager) -> None:
        self.connections = connections

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._run(text).fetchall()]

    def send(self, text: str) -> None:
        self._run(text)

    def _run(self, text: str) -> Any:
        try:
            _, cursor = self.connections.add_query(text, auto_begin=False)
        except DbtDatabaseError as error:
            raise StatementFailed(text, str(error.msg)) from error
        return cursor
