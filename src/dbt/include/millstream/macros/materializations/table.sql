{#
  A snapshot of a query: PostgreSQL runs it once per `dbt run`, and its rows become a source relation, which materialized
  views may read. It does not follow its inputs between runs; that is what materialized_view does.
#}
{% materialization table, adapter='millstream' %}
  {%- set target_relation = this.incorporate(type='table') -%}
  {%- set staged_relation = make_temp_relation(this) -%}

  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {% do millstream__assert_contract(sql) %}
  {% do millstream__stage_query(staged_relation, sql) %}
  {% do millstream__deploy_stored(target_relation, staged_relation) %}
  {% do millstream__replace_rows(target_relation, staged_relation) %}
  {% do millstream__drop_staged(staged_relation) %}

  {% do millstream__index_stored(target_relation) %}
  {{ return(millstream__finish(target_relation)) }}
{% endmaterialization %}


{# The rows can be computed again, so a declaration that cannot be extended is dropped with its readers and made anew. #}
{% macro millstream__deploy_stored(target_relation, staged_relation) %}
  {% do adapter.make_way(target_relation, should_full_refresh()) %}
  {% set ddl = millstream__stored_ddl(target_relation, adapter.get_columns_in_relation(staged_relation)) %}
  {% set deployed = adapter.deploy_table(target_relation, ddl, model, graph.nodes, may_drop=true) %}
  {% do millstream__warn_of_dropped(target_relation, deployed) %}
{% endmacro %}


{% macro millstream__warn_of_dropped(relation, deployed) %}
  {% if deployed.dropped %}
    {% do exceptions.warn(
      relation ~ " has other columns now, so what read it was dropped and must be deployed again: "
      ~ deployed.dropped | join(', ')
    ) %}
  {% endif %}
{% endmacro %}
