{# What the engine deploys is a view in PostgreSQL's catalogue, but for sources, which are tables. #}
{% macro millstream__alter_relation_comment(relation, comment) %}
  {%- set deployed = adapter.deployed_kind(relation) -%}
  {%- set kind = relation.type if deployed is none else 'table' if deployed == 'table' else 'view' -%}
  comment on {{ kind }} {{ relation }} is {{ postgres_escape_comment(comment) }};
{% endmacro %}
