{# The common course of `view` and `materialized_view`: hooks, contract, deployment, grants, comments. #}
{% macro millstream__deploy_query(target_relation, materialized) %}
  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {% do millstream__assert_contract(sql) %}
  {% do millstream__deploy_functions_of(model) %}
  {% do adapter.make_way(target_relation, should_full_refresh()) %}
  {% do write(sql) %}
  {% set deployed = adapter.deploy_view(
    target_relation, sql, model, graph.nodes, materialized=materialized, force=should_full_refresh(),
    selected=selected_resources
  ) %}
  {% do store_result('main', response=deployed) %}

  {{ return(millstream__finish(target_relation)) }}
{% endmacro %}


{# `dbt run` leaves functions out, which only `dbt build` deploys; a view that calls one deploys it first. #}
{% macro millstream__deploy_functions_of(model) %}
  {% for node in adapter.python_functions_of(model, graph.nodes, graph.functions or {}) %}
    {% set relation = api.Relation.create(
      database=node.database, schema=node.schema, identifier=node.alias or node.name, type='function'
    ) %}
    {% set deployed = adapter.deploy_python_function(relation, node) %}
    {% if deployed.action != 'unchanged' %}
      {% do log(deployed.action ~ ' python function ' ~ relation.schema ~ '.' ~ relation.identifier, info=true) %}
    {% endif %}
  {% endfor %}
{% endmacro %}


{% macro millstream__assert_contract(sql) %}
  {% if config.get('contract').enforced %}
    {% do get_assert_columns_equivalent(sql) %}
  {% endif %}
{% endmacro %}


{# What every materialization does after its deployment. Returns the relations for dbt's cache. #}
{% macro millstream__finish(target_relation) %}
  {% do apply_grants(target_relation, config.get('grants'), should_revoke=True) %}
  {% do persist_docs(target_relation, model) %}

  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {% do adapter.end_transaction() %}
  {{ run_hooks(post_hooks, inside_transaction=False) }}

  {{ return({'relations': [target_relation]}) }}
{% endmacro %}
