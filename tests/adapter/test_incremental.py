"""dbt's public adapter suite: incremental models, which are source relations that dbt fills."""

from __future__ import annotations

from typing import Any

from dbt.tests.adapter.basic.test_incremental import (
    BaseIncremental,
    BaseIncrementalBadStrategy,
    BaseIncrementalNotSchemaChange,
)
from dbt.tests.adapter.incremental.test_incremental_on_schema_change import BaseIncrementalOnSchemaChange
from dbt.tests.adapter.incremental.test_incremental_predicates import BaseIncrementalPredicates
from dbt.tests.adapter.incremental.test_incremental_unique_id import BaseIncrementalUniqueKey
from dbt.tests.util import run_dbt


class TestIncremental(BaseIncremental):
    pass


class TestIncrementalBadStrategy(BaseIncrementalBadStrategy):
    pass


class TestIncrementalNotSchemaChange(BaseIncrementalNotSchemaChange):
    pass


class TestIncrementalPredicates(BaseIncrementalPredicates):
    pass


class TestIncrementalUniqueKey(BaseIncrementalUniqueKey):
    pass


class TestIncrementalOnSchemaChange(BaseIncrementalOnSchemaChange):
    def test_run_incremental_append_new_columns(self, project: Any) -> None:
        self.run_incremental_append_new_columns(project)

    def test_run_incremental_sync_all_columns(self, project: Any) -> None:
        """Columns are never removed under views that may read them: refused with the remedy."""
        select = ["--select", "model_a", "incremental_sync_remove_only"]
        run_dbt(["run", *select])
        results = run_dbt(["run", *select], expect_pass=False)
        message = next(r.message for r in results if r.node.name == "incremental_sync_remove_only")
        assert "cannot be removed (field2)" in message
        assert "--full-refresh" in message
