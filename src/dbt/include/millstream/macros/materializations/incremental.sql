{#
  A source relation to which every run adds the rows of a query, by dbt's own strategies (append, delete+insert, merge,
  microbatch). Prefer materialized_view, which is incremental by itself; this one changes only when dbt runs.
#}
{% materialization incremental, adapter='millstream' %}
  {%- set target_relation = this.incorporate(type='table') -%}
  {%- set staged_relation = make_temp_relation(this) -%}
  {%- set on_schema_change = incremental_validate_on_schema_change(config.get('on_schema_change'), default='ignore') -%}
  {%- set strategy_sql = adapter.get_incremental_strategy_macro(context, config.get('incremental_strategy') or 'default') -%}
  {%- set adds = is_incremental() -%}

  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {% do millstream__assert_contract(sql) %}
  {% do millstream__stage_query(staged_relation, sql) %}
  {% if adds %}
    {% set columns = process_schema_changes(on_schema_change, staged_relation, target_relation)
         or adapter.get_columns_in_relation(target_relation) %}
    {% call statement('main') %}
      {{ strategy_sql({
        'target_relation': target_relation,
        'temp_relation': staged_relation,
        'unique_key': config.get('unique_key'),
        'dest_columns': columns,
        'incremental_predicates': config.get('predicates', none) or config.get('incremental_predicates', none),
      }) }}
    {% endcall %}
    {% do adapter.end_transaction() %}
    {% do adapter.flush() %}
  {% else %}
    {% do millstream__deploy_stored(target_relation, staged_relation) %}
    {% do millstream__replace_rows(target_relation, staged_relation) %}
  {% endif %}
  {% do millstream__drop_staged(staged_relation) %}

  {% do millstream__index_stored(target_relation) %}
  {{ return(millstream__finish(target_relation)) }}
{% endmaterialization %}


{# New columns go to the end of the declaration; the engine neither removes columns nor changes their types. #}
{% macro millstream__alter_relation_add_remove_columns(relation, add_columns, remove_columns) %}
  {% if not adapter.deployed_kind(relation) %}
    {{ return(default__alter_relation_add_remove_columns(relation, add_columns, remove_columns)) }}
  {% endif %}
  {% if remove_columns %}
    {{ exceptions.raise_compiler_error(
      "columns of " ~ relation ~ " cannot be removed (" ~ remove_columns | map(attribute='name') | join(', ')
      ~ "), because views may read them: run with --full-refresh, or use on_schema_change='append_new_columns'"
    ) }}
  {% endif %}
  {% set columns = adapter.get_columns_in_relation(relation) + (add_columns or []) %}
  {% do adapter.deploy_table(relation, millstream__stored_ddl(relation, columns), model, graph.nodes) %}
{% endmacro %}


{% macro millstream__alter_column_type(relation, column_name, new_column_type) %}
  {% if not adapter.deployed_kind(relation) %}
    {{ return(default__alter_column_type(relation, column_name, new_column_type)) }}
  {% endif %}
  {{ exceptions.raise_compiler_error(
    "the type of " ~ relation ~ "." ~ column_name ~ " cannot be changed to " ~ new_column_type
    ~ ", because views may read it: run with --full-refresh"
  ) }}
{% endmacro %}
