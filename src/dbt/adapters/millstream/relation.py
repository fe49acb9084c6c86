"""Relations as dbt names them, and what a model's function configuration means here."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, replace
from typing import Any

from dbt.adapters.base.relation import FunctionConfig
from dbt.adapters.postgres.relation import PostgresRelation
from dbt.adapters.utils import classproperty
from dbt_common.dataclass_schema import StrEnum
from dbt_common.exceptions import DbtRuntimeError

from millstream.compiler.algebra.quoting import MOST_BYTES, too_long


class MillstreamRelationType(StrEnum):
    """What a relation is to its users; all but `function` and `sink` are views in PostgreSQL's catalogue."""

    Table = "table"
    View = "view"
    CTE = "cte"
    MaterializedView = "materialized_view"
    External = "external"
    Function = "function"
    Sink = "sink"


@dataclass(frozen=True, eq=False, repr=False)
class MillstreamRelation(PostgresRelation):
    """A relation that the engine deploys, or a plain PostgreSQL one (stored test failures, snapshots)."""

    type: MillstreamRelationType | None = None  # type: ignore[assignment]
    # PostgreSQL 16 and later want no alias for a subquery; under --empty the model's own alias then follows.
    require_alias: bool = False

    def __post_init__(self) -> None:
        # PostgreSQL cuts names at 63 bytes; dbt-postgres counts characters, of which some take up to four.
        name = self.identifier
        if name is not None and self.type is not None and too_long(name):
            raise DbtRuntimeError(
                f"Relation name '{name}' is longer than {MOST_BYTES} bytes, where PostgreSQL would cut it"
            )

    @classproperty
    def get_relation_type(cls) -> builtins.type[MillstreamRelationType]:
        return MillstreamRelationType

    def get_function_config(self, model: dict[str, Any]) -> FunctionConfig | None:
        """The language of a function comes from `config.language` first, as in dbt-risingwave.

        A Python function is declared in an .sql file whose body is ignored, with `language: python`; dbt would call
        it SQL by its file name.
        """
        config = model.get("config", {})
        if model.get("resource_type") != "function":
            return None
        language = str(config.get("language") or model.get("language") or "").lower()
        if language == "python":
            return FunctionConfig(
                language="python",
                type=config.get("type", ""),
                runtime_version=config.get("runtime_version", "embedded"),
                entry_point=config.get("entry_point") or config.get("remote_name") or model.get("name"),
            )
        function = super().get_function_config(model)
        return function if function is None else replace(function, language=language)
