{#
  A sink into a source relation. With `connector` in the config the statement is written here, as dbt-risingwave does;
  without it the model is the whole CREATE SINK statement.
#}
{% materialization sink, adapter='millstream' %}
  {%- set target_relation = this.incorporate(type='sink') -%}

  {% do millstream__warn_of_indexes('a sink has no rows of its own; index the relation that it writes to') %}
  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {% set ddl = millstream__create_sink(target_relation, sql) if config.get('connector') else sql %}
  {% do adapter.make_way(target_relation, should_full_refresh()) %}
  {% do write(ddl) %}
  {% set deployed = adapter.deploy_sink(target_relation, ddl, model, graph.nodes) %}
  {% do store_result('main', response=deployed) %}

  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {% do adapter.end_transaction() %}
  {{ run_hooks(post_hooks, inside_transaction=False) }}

  {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{# CREATE SINK … WITH (connector = …), from the model's query or from the one relation that it names. #}
{% macro millstream__create_sink(relation, sql) %}
  {%- set options = {'connector': config.require('connector')} -%}
  {%- do options.update(config.get('connector_parameters') or {}) -%}
  create sink {{ relation }}
  {% if 'select' in sql | lower %}as {{ sql }}{% else %}from {{ sql }}{% endif %}
  with (
  {%- for name, value in options.items() %}
    {{ name }} = '{{ value | string | replace("'", "''") }}'{{ ',' if not loop.last }}
  {%- endfor %}
  )
  {%- if config.get('data_format') and config.get('data_encode') %}
  format {{ config.get('data_format') }} encode {{ config.get('data_encode') }}
  {%- endif -%}
{% endmacro %}
