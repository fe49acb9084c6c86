"""A plugin of dbt, found by its name: how dbt puts a model's SQL together, corrected for both targets of the project.

dbt loads every module whose name begins with `dbt_` and starts the plugins in it. dbt-core looks for the word WITH anywhere
in a model to put ephemeral models there, also in WITH ORDINALITY, and drops what follows a semicolon; `statement.py` says
what is right. The functions that are replaced are those of dbt-core 1.11, the version that pyproject.toml asks for.
"""

from __future__ import annotations

import functools
from typing import Any

from dbt.plugins import dbtPlugin
from dbt_common.exceptions import CompilationError

from dbt import compilation
from dbt_millstream.statement import NotAQuery, with_queries, without_end

TARGETS = ("millstream", "risingwave")


class MillstreamPlugin(dbtPlugin):
    """Corrects dbt's compiler, once in a process."""

    def initialize(self) -> None:
        if compilation.inject_ctes_into_sql is not inject:
            compilation.inject_ctes_into_sql = inject
            compilation.Compiler._compile_code = end_removed(compilation.Compiler._compile_code)


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
