{#
  A seed is a source relation, so that views can read it. Every `dbt seed` makes it hold the file's rows, and waits until
  the views show them.
#}
{% materialization seed, adapter='millstream' %}
  {%- set target_relation = this.incorporate(type='table') -%}
  {%- set staged_relation = make_temp_relation(this) -%}
  {%- set agate_table = load_agate_table() -%}
  {%- set row_count = agate_table.rows | length -%}
  {%- do store_result('agate_table', response='OK', agate_table=agate_table) -%}

  {% if adapter.deployed_kind(target_relation) in ['view', 'materialized_view'] %}
    {{ exceptions.raise_compiler_error("Cannot seed to '" ~ target_relation.render() ~ "', it is a view") }}
  {% endif %}

  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {% call statement('stage') %}
    {{ millstream__seed_ddl(staged_relation, agate_table) }}
  {% endcall %}
  {% do adapter.copy_rows(staged_relation, agate_table) %}
  {% do adapter.end_transaction() %}

  {% do adapter.make_way(target_relation, should_full_refresh(), 'build') %}
  {% set ddl = millstream__stored_ddl(target_relation, adapter.get_columns_in_relation(staged_relation)) %}
  {% set deployed = adapter.deploy_table(target_relation, ddl, model, graph.nodes, may_drop=should_full_refresh()) %}
  {% do millstream__warn_of_dropped(target_relation, deployed) %}
  {% do millstream__replace_rows(target_relation, staged_relation) %}
  {% do millstream__drop_staged(staged_relation) %}

  {% call noop_statement('main', 'INSERT ' ~ row_count, 'INSERT', row_count) %}
    {{ ddl }};
    -- {{ row_count }} rows of {{ model.original_file_path }}
  {% endcall %}

  {% do millstream__index_stored(target_relation) %}
  {{ return(millstream__finish(target_relation)) }}
{% endmaterialization %}


{% macro millstream__seed_ddl(relation, agate_table) %}
  {%- set types = model['config'].get('column_types') or {} -%}
  {%- set quoting = model['config'].get('quote_columns', None) -%}
  create temporary table {{ relation }} (
  {%- for name in agate_table.column_names %}
    {{ adapter.quote_seed_column(name | string, quoting) }}
    {{- ' ' ~ types.get(name, adapter.convert_type(agate_table, loop.index0)) }}{{ ',' if not loop.last }}
  {%- endfor %}
  )
{% endmacro %}
