{# The common course of a materialization: hooks, deployment by one of the adapter's verbs, comments. #}
{% macro millstream_risingwave__deploy(relation, verb) %}
  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {% if config.get('contract').enforced and relation.type in ('view', 'materialized_view') %}
    {% do millstream_risingwave__assert_contract() %}
  {% endif %}
  {% do store_result('main', response=verb(model, graph, should_full_refresh())) %}

  {% do persist_docs(relation, model, for_relation=relation.type in ('table', 'materialized_view')) %}
  {{ run_hooks(post_hooks, inside_transaction=False) }}
  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {{ return({'relations': [relation]}) }}
{% endmacro %}


{# Asks the server for the columns of the query only where it is built; it may call functions, so those come first. #}
{% macro millstream_risingwave__assert_contract() %}
  {% do adapter.declare_functions(model, graph) %}
  {% if adapter.reason_to_build(model, graph, should_full_refresh()) %}
    {% do get_assert_columns_equivalent(sql) %}
  {% endif %}
{% endmacro %}
