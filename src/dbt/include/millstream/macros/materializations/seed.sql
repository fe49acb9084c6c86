{#
  A seed is a source relation, so that views can read it. Every `dbt seed` replaces its rows in one transaction and waits
  until the views show them; equal rows cancel out and cost the views nothing.
#}
{% materialization seed, adapter='millstream' %}
  {%- set target_relation = this.incorporate(type='table') -%}
  {%- set agate_table = load_agate_table() -%}
  {%- set row_count = agate_table.rows | length -%}
  {%- do store_result('agate_table', response='OK', agate_table=agate_table) -%}

  {% if adapter.deployed_kind(target_relation) in ['view', 'materialized_view'] %}
    {{ exceptions.raise_compiler_error("Cannot seed to '" ~ target_relation.render() ~ "', it is a view") }}
  {% endif %}

  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {% do adapter.make_way(target_relation, should_full_refresh()) %}
  {% set ddl = millstream__seed_ddl(target_relation, agate_table) %}
  {% set deployed = adapter.deploy_table(target_relation, ddl, model, graph.nodes) %}

  {% call statement('clear') %}
    delete from {{ target_relation }}
  {% endcall %}
  {% set insert_sql = load_csv_rows(model, agate_table) if row_count > 0 else '' %}
  {% do adapter.end_transaction() %}
  {% do adapter.flush() %}

  {% call noop_statement('main', 'INSERT ' ~ row_count, 'INSERT', row_count) %}
    {{ ddl }};
    {{ insert_sql }}
  {% endcall %}

  {{ return(millstream__finish(target_relation)) }}
{% endmaterialization %}


{% macro millstream__seed_ddl(relation, agate_table) %}
  {%- set types = model['config'].get('column_types') or {} -%}
  {%- set quoting = model['config'].get('quote_columns', None) -%}
  create table {{ relation }} (
  {%- for name in agate_table.column_names %}
    {{ adapter.quote_seed_column(name | string, quoting) }} {{ types.get(name, adapter.convert_type(agate_table, loop.index0)) }}{{ ',' if not loop.last }}
  {%- endfor %}
  )
{% endmacro %}
