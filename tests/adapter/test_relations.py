"""dbt's public adapter suite: relations: names, kinds, cache, schemas, concurrency."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from dbt.tests.adapter.aliases.test_aliases import (
    BaseAliasErrors,
    BaseAliases,
    BaseSameAliasDifferentDatabases,
    BaseSameAliasDifferentSchemas,
)
from dbt.tests.adapter.caching.test_caching import (
    BaseCachingLowercaseModel,
    BaseCachingSelectedSchemaOnly,
    BaseCachingUppercaseModel,
    BaseNoPopulateCache,
)
from dbt.tests.adapter.column_types.test_column_types import BasePostgresColumnTypes
from dbt.tests.adapter.concurrency.test_concurrency import BaseConcurrency
from dbt.tests.adapter.dbt_clone.test_dbt_clone import (
    BaseCloneNotPossible,
    BaseCloneSameTargetAndState,
)
from dbt.tests.adapter.ephemeral.test_ephemeral import (
    BaseEphemeralErrorHandling,
    BaseEphemeralMulti,
    BaseEphemeralNested,
)
from dbt.tests.adapter.relations.test_changing_relation_type import BaseChangeRelationTypeValidator
from dbt.tests.adapter.relations.test_dropping_schema_named import BaseDropSchemaNamed
from dbt.tests.adapter.simple_copy.test_copy_uppercase import BaseSimpleCopyUppercase
from dbt.tests.adapter.simple_copy.test_simple_copy import EmptyModelsArentRunBase, SimpleCopyBase
from dbt.tests.util import check_relations_equal, run_dbt
from dbt_common.exceptions import DbtRuntimeError

from dbt.adapters.millstream.relation import MillstreamRelation, MillstreamRelationType


class TestAliasErrors(BaseAliasErrors):
    pass


class TestAliases(BaseAliases):
    pass


class TestSameAliasDifferentDatabases(BaseSameAliasDifferentDatabases):
    pass


class TestSameAliasDifferentSchemas(BaseSameAliasDifferentSchemas):
    pass


class TestCachingLowercaseModel(BaseCachingLowercaseModel):
    pass


class TestCachingSelectedSchemaOnly(BaseCachingSelectedSchemaOnly):
    pass


class TestCachingUppercaseModel(BaseCachingUppercaseModel):
    pass


class TestNoPopulateCache(BaseNoPopulateCache):
    pass


class TestPostgresColumnTypes(BasePostgresColumnTypes):
    pass


class TestConcurrency(BaseConcurrency):
    pass


class TestCloneNotPossible(BaseCloneNotPossible):
    pass


class TestCloneSameTargetAndState(BaseCloneSameTargetAndState):
    pass


class TestEphemeralErrorHandling(BaseEphemeralErrorHandling):
    pass


def inlined(name: str) -> list[str]:
    """The ephemeral models that a deployed model carries, in the order in which they are written."""
    text = Path("target", "run", "test", "models", f"{name}.sql").read_text()
    return re.findall(r"(__dbt__cte__\w+) as \(", text)


class TestEphemeralMulti(BaseEphemeralMulti):
    def test_ephemeral_multi(self, project: Any) -> None:
        """Each ephemeral model is inlined once, before its reader; the suite compares dbt-postgres's CREATE VIEW."""
        run_dbt(["seed"])
        assert len(run_dbt(["run"])) == 3
        for name in ("dependent", "double_dependent", "super_dependent"):
            check_relations_equal(project.adapter, ["seed", name])
        assert inlined("double_dependent") == ["__dbt__cte__base", "__dbt__cte__base_copy"]


class TestEphemeralNested(BaseEphemeralNested):
    def test_ephemeral_nested(self, project: Any) -> None:
        """The inner model comes before the outer one."""
        assert len(run_dbt(["run"])) == 2
        assert inlined("root_view") == ["__dbt__cte__ephemeral_level_two", "__dbt__cte__ephemeral"]


class TestChangeRelationTypeValidator(BaseChangeRelationTypeValidator):
    pass


class TestDropSchemaNamed(BaseDropSchemaNamed):
    pass


class TestSimpleCopyUppercase(BaseSimpleCopyUppercase):
    @pytest.fixture(scope="class")
    def dbt_profile_target(self, engine_home: Path) -> dict[str, Any]:
        """Our database, where the suite wants one with a name in mixed case."""
        return {"type": "millstream", "home": str(engine_home), "threads": 4}


class TestEmptyModelsArentRun(EmptyModelsArentRunBase):
    pass


class TestSimpleCopy(SimpleCopyBase):
    pass


def test_the_length_of_a_name_is_that_of_its_bytes() -> None:
    made = MillstreamRelation.create(schema="s", identifier="ö" * 31, type=MillstreamRelationType.View)
    assert made.identifier == "ö" * 31
    with pytest.raises(DbtRuntimeError, match="longer than 63 bytes"):
        MillstreamRelation.create(schema="s", identifier="ö" * 32, type=MillstreamRelationType.View)
