{#
  A source relation. The model is RisingWave's whole CREATE TABLE statement. Its rows came from outside and cannot be
  computed again: only under --full-refresh, and only if the changed declaration does not fit them, are they dropped.
#}
{% materialization table_with_connector, adapter='millstream' %}
  {%- set target_relation = this.incorporate(type='table') -%}

  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {% do adapter.make_way(target_relation, should_full_refresh()) %}
  {% do write(sql) %}
  {% set deployed = adapter.deploy_table(target_relation, sql, model, graph.nodes, may_drop=should_full_refresh()) %}
  {% do store_result('main', response=deployed) %}

  {% do millstream__index_stored(target_relation) %}
  {{ return(millstream__finish(target_relation)) }}
{% endmaterialization %}
