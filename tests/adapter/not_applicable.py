"""Classes of dbt's public adapter suite that do not apply, each with its reason."""

from __future__ import annotations

CONSTRAINTS = "constraints are not enforced: rows come from the stream, and a key is declared in CREATE TABLE"
SOURCE_IS_A_VIEW = "it alters a seed with ALTER TABLE, and a source relation is a view"
JAVASCRIPT = "functions are written in SQL or Python"
AGGREGATES = "RisingWave has no external aggregate functions, so the adapter refuses them"
PYTHON_FUNCTIONS = (
    "it calls the function from an ad-hoc query; Python functions run in the worker, for materialized views "
    "(test_function_resources.py tests them)"
)
PYTHON_MODELS = "there are no Python models: a model is a streaming SQL view"
MATERIALIZED_VIEWS = "it expects a view that stands still until it is refreshed, and ours follow every change (test_deploy.py tests them)"
DATESTYLE = "it writes dates as month/day/year; the server reads ISO dates only (DateStyle ISO, YMD)"
NEWER_DBT = "it needs the option --empty of `dbt seed`, which dbt 1.11 does not have"

NOT_APPLICABLE = {
    "basic.test_get_catalog_for_single_relation.BaseGetCatalogForSingleRelation": (
        "dbt-postgres does not implement get_catalog_for_single_relation"
    ),
    "constraints.test_constraints.BaseConstraintQuotedColumn": CONSTRAINTS,
    "constraints.test_constraints.BaseConstraintsRollback": CONSTRAINTS,
    "constraints.test_constraints.BaseConstraintsRuntimeDdlEnforcement": CONSTRAINTS,
    "constraints.test_constraints.BaseIncrementalConstraintsRollback": CONSTRAINTS,
    "constraints.test_constraints.BaseIncrementalConstraintsRuntimeDdlEnforcement": CONSTRAINTS,
    "constraints.test_constraints.BaseIncrementalForeignKeyConstraint": CONSTRAINTS,
    "constraints.test_constraints.BaseModelConstraintsRuntimeEnforcement": CONSTRAINTS,
    "dbt_clone.test_dbt_clone.BaseClonePossible": "relations cannot be cloned without copying their state",
    "dbt_clone.test_dbt_clone.BaseCloneSameSourceAndTarget": "relations cannot be cloned without copying their state",
    "empty.test_empty.BaseTestEmptySeedFlag": NEWER_DBT,
    "functions.test_js_udfs.BasicJSAggregateUDF": JAVASCRIPT,
    "functions.test_js_udfs.BasicJSUDF": JAVASCRIPT,
    "functions.test_js_udfs.JSAggregateUDFVolatilityIgnored": JAVASCRIPT,
    "functions.test_js_udfs.JSUDFDefaultArgSupport": JAVASCRIPT,
    "functions.test_js_udfs.JSUDFDeterministicVolatility": JAVASCRIPT,
    "functions.test_js_udfs.JSUDFMultiLineBody": JAVASCRIPT,
    "functions.test_js_udfs.JSUDFNonDeterministicVolatility": JAVASCRIPT,
    "functions.test_js_udfs.JSUDFStableVolatilityWarns": JAVASCRIPT,
    "functions.test_udafs.BasicPythonUDAF": AGGREGATES,
    "functions.test_udafs.BasicSQLUDAF": AGGREGATES,
    "functions.test_udafs.PythonUDAFDefaultArgSupport": AGGREGATES,
    "functions.test_udafs.UDAFBase": AGGREGATES,
    "functions.test_udfs.PythonUDFDefaultArgSupport": PYTHON_FUNCTIONS,
    "functions.test_udfs.PythonUDFEntryPointRequired": "the entry point defaults to the function's name",
    "functions.test_udfs.PythonUDFNotSupported": "Python functions are supported",
    "functions.test_udfs.PythonUDFRuntimeVersionRequired": "the Python version is that of the worker",
    "functions.test_udfs.PythonUDFSupported": PYTHON_FUNCTIONS,
    "functions.test_udfs.PythonUDFVolatilitySupport": PYTHON_FUNCTIONS,
    "functions.test_udfs.PythonUDFWithPackagesSupported": PYTHON_FUNCTIONS,
    "hooks.test_model_hooks.BasePrePostModelHooksOnSeeds": SOURCE_IS_A_VIEW,
    "hooks.test_model_hooks.BasePrePostModelHooksOnSeedsPlusPrefixed": SOURCE_IS_A_VIEW,
    "hooks.test_model_hooks.BasePrePostModelHooksOnSeedsPlusPrefixedWhitespace": SOURCE_IS_A_VIEW,
    "incremental.test_incremental_merge_exclude_columns.BaseMergeExcludeColumns": (
        "MERGE updates rows, which needs a declared key; the suite's model has none"
    ),
    "incremental.test_incremental_microbatch.BaseMicrobatch": (
        "a microbatch is a MERGE, which needs a declared key; the suite's model has none"
    ),
    "materialized_view.basic.MaterializedViewBasic": MATERIALIZED_VIEWS,
    "materialized_view.changes.MaterializedViewChanges": MATERIALIZED_VIEWS,
    "materialized_view.changes.MaterializedViewChangesApplyMixin": MATERIALIZED_VIEWS,
    "materialized_view.changes.MaterializedViewChangesContinueMixin": MATERIALIZED_VIEWS,
    "materialized_view.changes.MaterializedViewChangesFailMixin": MATERIALIZED_VIEWS,
    "python_model.test_python_model.BasePythonEmptyTests": PYTHON_MODELS,
    "python_model.test_python_model.BasePythonIncrementalTests": PYTHON_MODELS,
    "python_model.test_python_model.BasePythonMetaGetTests": PYTHON_MODELS,
    "python_model.test_python_model.BasePythonModelTests": PYTHON_MODELS,
    "python_model.test_python_model.BasePythonSampleTests": PYTHON_MODELS,
    "python_model.test_spark.BasePySparkTests": PYTHON_MODELS,
    "sample_mode.test_sample_mode.BaseSampleModeTest": "a sample of a stream would be deployed as the view",
    "utils.test_current_timestamp.BaseCurrentTimestampNaive": "current_timestamp has a time zone here",
    "utils.test_date_spine.BaseDateSpine": DATESTYLE,
    "utils.test_escape_single_quotes.BaseEscapeSingleQuotesBackslash": "quotes are escaped by doubling them",
    "utils.test_get_intervals_between.BaseGetIntervalsBetween": DATESTYLE,
    "utils.test_timestamps.BaseCurrentTimestamps": (
        "now() in a plain view is the engine's clock, and the suite names a column like that function"
    ),
}
