"""A plugin of dbt, found by its name: how dbt puts a model's SQL together, corrected for both targets of the project.

dbt loads every module whose name begins with `dbt_` and starts the plugins in it. dbt-core looks for the word WITH anywhere
in a model to put ephemeral models there, also in WITH ORDINALITY, and drops what follows a semicolon; `statement.py` says
what is right. It also refuses dbt-risingwave's own adapter for the project. The functions that are replaced are those of dbt-core 1.11, the version that pyproject.toml asks for.
"""

from __future__ import annotations

import functools
from typing import Any

from dbt.adapters.factory import FACTORY
from dbt.plugins import dbtPlugin
from dbt.plugins.manifest import PluginNodes
from dbt_common.exceptions import CompilationError, DbtRuntimeError

from dbt import compilation
from dbt_millstream.statement import NotAQuery, with_queries, without_end

PROJECT = "millstream"  # the name in dbt_project.yml; other projects may use dbt-risingwave as it is
TARGETS = ("millstream", "millstream_risingwave")


class MillstreamPlugin(dbtPlugin):
    """Corrects dbt's compiler, once in a process."""

    def initialize(self) -> None:
        if compilation.inject_ctes_into_sql is not inject:
            compilation.inject_ctes_into_sql = inject
            compilation.Compiler._compile_code = end_removed(  # type: ignore[method-assign]
                compilation.Compiler._compile_code
            )

    def get_nodes(self) -> PluginNodes:
        """Add no models. dbt asks before it does anything else with a project: a wrong adapter is refused here."""
        if self.project_name == PROJECT:
            refuse_plain_risingwave()
        return PluginNodes()

    # dbt's decorator would put the method's name before the refusal.
    get_nodes.is_dbt_hook = True  # type: ignore[attr-defined]


def refuse_plain_risingwave() -> None:
    """Raises DbtRuntimeError where the profile has dbt-risingwave's own adapter, which would deploy in another way."""
    from millstream.rollout.risingwave.refusals import diagnose

    adapter: Any = FACTORY.adapters.get("risingwave")
    if adapter is not None:
        target = getattr(adapter.config, "target_name", "risingwave")
        raise DbtRuntimeError(str(diagnose("MS106", path="profiles.yml", target=target)))


def inject(sql: str, ctes: list[Any]) -> str:
    """Put ephemeral models before a query; `ctes` are dbt's, each with `name as (…)` as its text."""
    try:
        return with_queries(sql, [cte.sql for cte in ctes])
    except NotAQuery as error:
        raise CompilationError(str(error)) from error


def end_removed(compile_code: Any) -> Any:
    """Let the compiled SQL of a node stop before the semicolon that ends it."""

    @functools.wraps(compile_code)
    def compiled(compiler: Any, node: Any, *rest: Any, **options: Any) -> Any:
        node = compile_code(compiler, node, *rest, **options)
        if compiler.config.credentials.type in TARGETS and node.language == "sql" and node.compiled_code:
            node.compiled_code = without_end(node.compiled_code)
        return node

    return compiled


plugins = [MillstreamPlugin]
