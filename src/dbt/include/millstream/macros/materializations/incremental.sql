{#
  A source relation to which every run adds the rows of a query, as in dbt-risingwave. Prefer materialized_view, which is
  incremental by itself; this one changes only when dbt runs.

  With `unique_key` the rows of the same key are replaced, without it rows are added.
#}
{% materialization incremental, adapter='millstream' %}
  {%- set target_relation = this.incorporate(type='table') -%}
  {%- set query_relation = make_temp_relation(this).incorporate(type='view') -%}
  {%- set strategy = config.get('incremental_strategy') or 'default' -%}
  {%- set adds = is_incremental() -%}

  {% if strategy not in ['default', 'append', 'delete+insert'] %}
    {{ exceptions.raise_compiler_error(
      "incremental_strategy '" ~ strategy ~ "' is not supported: use 'append' or 'delete+insert', "
      ~ "or materialized='materialized_view', which keeps itself up to date"
    ) }}
  {% endif %}

  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {% do millstream__assert_contract(sql) %}
  {% do adapter.flush() %}
  {% do millstream__create_query(query_relation, sql) %}
  {% if adds %}
    {% set appends = strategy == 'append' or not config.get('unique_key') %}
    {% do millstream__fill(target_relation, query_relation, keep='all' if appends else 'other_keys') %}
  {% else %}
    {% do adapter.make_way(target_relation, should_full_refresh()) %}
    {% set ddl = millstream__stored_ddl(target_relation, query_relation, 'incremental') %}
    {% do adapter.deploy_table(target_relation, ddl, model, graph.nodes) %}
    {% do millstream__fill(target_relation, query_relation, keep='none') %}
  {% endif %}
  {% do millstream__drop_query(query_relation) %}

  {{ return(millstream__finish(target_relation)) }}
{% endmaterialization %}
