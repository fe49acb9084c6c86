"""dbt's public adapter suite: hooks of models, seeds, snapshots and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dbt.tests.adapter.hooks.test_model_hooks import (
    BaseDuplicateHooksInConfigs,
    BaseHookRefs,
    BaseHooksRefsOnSeeds,
    BasePrePostModelHooks,
    BasePrePostModelHooksInConfig,
    BasePrePostModelHooksInConfigKwargs,
    BasePrePostModelHooksInConfigWithCount,
    BasePrePostModelHooksOnSnapshots,
    BasePrePostSnapshotHooksInConfigKwargs,
)
from dbt.tests.adapter.hooks.test_run_hooks import BaseAfterRunHooks, BasePrePostRunHooks

# The table that the hooks write to, with a column for every value that they record.
HOOK_TABLE = """
drop table if exists {schema}.{table};
create table {schema}.{table} (
    test_state text,
    target_dbname text,
    target_host text,
    target_name text,
    target_schema text,
    target_type text,
    target_user text,
    target_pass text,
    target_threads integer,
    run_started_at text,
    invocation_id text,
    thread_id text
)
"""


class RecordedContext:
    """What a hook sees of the target: ours, where the suite expects its own PostgreSQL."""

    def check_hooks(self, state: str, project: Any, host: str, count: int = 1) -> None:
        del host
        found = (
            self.get_ctx_vars(state, count=count, project=project)  # type: ignore[attr-defined]
            if "count" in self.get_ctx_vars.__code__.co_varnames  # type: ignore[attr-defined]
            else [self.get_ctx_vars(state, project)]  # type: ignore[attr-defined]
        )
        assert len(found) == count
        for row in found:
            assert row["test_state"] == state
            assert row["target_dbname"] == "millstream"
            assert row["target_name"] == "default"
            assert row["target_schema"] == project.test_schema
            assert row["target_threads"] == 4
            assert row["target_type"] == "millstream"
            assert row["target_user"] == "millstream"
            assert row["target_pass"] in ("", "None")
            assert row["run_started_at"]
            assert row["invocation_id"]
            assert row["thread_id"].startswith("Thread-") or row["thread_id"] == "MainThread"


class ModelHooks(RecordedContext):
    @pytest.fixture(scope="class", autouse=True)
    def setUp(self, project: Any) -> None:
        project.run_sql(HOOK_TABLE.format(schema=project.test_schema, table="on_model_hook"))


class RunHooks(RecordedContext):
    @pytest.fixture(scope="class")
    def test_data_dir(self, tmp_path_factory: pytest.TempPathFactory, unique_schema: str) -> Path:
        directory = tmp_path_factory.mktemp("data")
        script = HOOK_TABLE.format(schema=unique_schema, table="on_run_hook")
        (directory / "seed_run.sql").write_text(script.strip())
        return directory


class TestHookRefs(ModelHooks, BaseHookRefs):
    pass


class TestPrePostModelHooks(ModelHooks, BasePrePostModelHooks):
    pass


class TestPrePostModelHooksInConfig(ModelHooks, BasePrePostModelHooksInConfig):
    pass


class TestPrePostModelHooksInConfigKwargs(ModelHooks, BasePrePostModelHooksInConfigKwargs):
    pass


class TestPrePostModelHooksInConfigWithCount(ModelHooks, BasePrePostModelHooksInConfigWithCount):
    pass


class TestDuplicateHooksInConfigs(BaseDuplicateHooksInConfigs):
    pass


class TestHooksRefsOnSeeds(BaseHooksRefsOnSeeds):
    pass


class TestPrePostModelHooksOnSnapshots(BasePrePostModelHooksOnSnapshots):
    pass


class TestPrePostSnapshotHooksInConfigKwargs(BasePrePostSnapshotHooksInConfigKwargs):
    pass


class TestPrePostRunHooks(RunHooks, BasePrePostRunHooks):
    pass


class TestAfterRunHooks(BaseAfterRunHooks):
    pass
