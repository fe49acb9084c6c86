{#
  A one-off snapshot of a query, as in RisingWave: PostgreSQL runs the query once, and its rows become a source relation,
  which materialized views may read. It is taken again when the model changes, when it is empty, and under
  --full-refresh.
#}
{% materialization table, adapter='millstream' %}
  {%- set target_relation = this.incorporate(type='table') -%}
  {%- set query_relation = make_temp_relation(this).incorporate(type='view') -%}

  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {% do millstream__assert_contract(sql) %}
  {% do adapter.flush() %}
  {% do millstream__create_query(query_relation, sql) %}
  {% do adapter.make_way(target_relation, should_full_refresh()) %}
  {% set ddl = millstream__stored_ddl(target_relation, query_relation, local_md5(sql)) %}
  {% set deployed = adapter.deploy_table(target_relation, ddl, model, graph.nodes) %}

  {% if deployed.action != 'unchanged' or should_full_refresh() or millstream__is_empty(target_relation) %}
    {% do millstream__fill(target_relation, query_relation, keep='none') %}
  {% else %}
    {% do store_result('main', response=deployed) %}
  {% endif %}
  {% do millstream__drop_query(query_relation) %}

  {{ return(millstream__finish(target_relation)) }}
{% endmaterialization %}
