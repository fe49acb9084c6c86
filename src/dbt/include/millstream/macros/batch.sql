{#
  The query as PostgreSQL can run it once, for `dbt show`, unit tests and contracts: a process-time join reads its right
  side as it is now. Columns and types are the same.
#}
{% macro millstream__batch_sql(sql) %}
  {{ return(modules.re.sub('(?i)\\bfor\\s+system_time\\s+as\\s+of\\s+proctime\\s*\\(\\s*\\)', '', sql)) }}
{% endmacro %}


{#
  `dbt show` of a model that is a declaration, or calls a Python function, which only the worker can, shows the rows of what
  is deployed; all others run their query.
#}
{% macro millstream__get_limit_sql(sql, limit) %}
  {%- set shown = adapter.shown_instead(model, sql, graph.nodes, graph.functions or {}) -%}
  {{ default__get_limit_sql(millstream__batch_sql(shown or sql), limit) }}
{% endmacro %}


{% macro millstream__get_empty_subquery_sql(select_sql, select_sql_header=none) %}
  {{ default__get_empty_subquery_sql(millstream__batch_sql(select_sql), select_sql_header) }}
{% endmacro %}


{% macro millstream__get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) %}
  {{ default__get_unit_test_sql(millstream__batch_sql(main_sql), expected_fixture_sql, expected_column_names) }}
{% endmacro %}
