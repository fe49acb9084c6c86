{#
  A function resource. Python: the engine calls the function in udfs/ in process. SQL: a PostgreSQL function, which the
  compiler puts in place of its calls.
#}
{% materialization function, adapter='millstream', supported_languages=['sql', 'python'] %}
  {%- set target_relation = this.incorporate(type=this.Function) -%}
  {%- set function = this.get_function_config(model) -%}
  {% if function.type != 'scalar' %}
    {{ exceptions.raise_compiler_error("only scalar functions can be deployed; " ~ model.name ~ " is " ~ function.type) }}
  {% endif %}

  {{ run_hooks(pre_hooks) }}

  {% if function.language == 'python' %}
    {% do store_result('main', response=adapter.deploy_python_function(target_relation, model)) %}
  {% elif function.language == 'sql' %}
    {% set declaration = millstream__scalar_function_sql(target_relation) %}
    {% set deployed = adapter.deploy_sql_function(target_relation, model, declaration) %}
    {% call statement() %}{{ declaration }}{% endcall %}
    {% do adapter.end_transaction() %}
    {% do store_result('main', response=deployed) %}
  {% else %}
    {{ exceptions.raise_compiler_error("functions are written in sql or python; " ~ model.name ~ " is in " ~ function.language) }}
  {% endif %}

  {{ run_hooks(post_hooks) }}
  {% do adapter.end_transaction() %}

  {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{% macro millstream__scalar_function_sql(target_relation) %}
  {{ default__scalar_function_sql(target_relation) }}
{% endmacro %}
