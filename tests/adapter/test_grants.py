"""dbt's public adapter suite: grants on views and source relations."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from dbt.tests.adapter.grants.base_grants import TEST_USER_ENV_VARS
from dbt.tests.adapter.grants.test_incremental_grants import BaseIncrementalGrants
from dbt.tests.adapter.grants.test_invalid_grants import BaseInvalidGrants
from dbt.tests.adapter.grants.test_model_grants import BaseModelGrants
from dbt.tests.adapter.grants.test_seed_grants import BaseSeedGrants
from dbt.tests.adapter.grants.test_snapshot_grants import BaseSnapshotGrants


@pytest.fixture(scope="module", autouse=True)
def grantees(dsn: str) -> Iterator[None]:
    """Three roles under the names that the suite reads from the environment."""
    with psycopg.connect(dsn, autocommit=True) as conn, pytest.MonkeyPatch.context() as patch:
        for number, variable in enumerate(TEST_USER_ENV_VARS, 1):
            conn.execute(f"create role dbt_test_user_{number}".encode())
            patch.setenv(variable, f"dbt_test_user_{number}")
        yield
        for number in range(1, len(TEST_USER_ENV_VARS) + 1):
            conn.execute(f"drop owned by dbt_test_user_{number}".encode())
            conn.execute(f"drop role dbt_test_user_{number}".encode())


class TestModelGrants(BaseModelGrants):
    pass


class TestSeedGrants(BaseSeedGrants):
    pass


class TestIncrementalGrants(BaseIncrementalGrants):
    pass


class TestSnapshotGrants(BaseSnapshotGrants):
    pass


class TestInvalidGrants(BaseInvalidGrants):
    def grantee_does_not_exist_error(self) -> str:
        return 'role "invalid_user" does not exist'

    def privilege_does_not_exist_error(self) -> str:
        return 'unrecognized privilege type "fake_privilege"'
