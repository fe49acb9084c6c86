{# Whatever the engine deploys is a view in PostgreSQL's catalogue. #}
{% macro millstream__alter_relation_comment(relation, comment) %}
  {%- set kind = 'view' if adapter.deployed_kind(relation) else relation.type -%}
  comment on {{ kind }} {{ relation }} is {{ postgres_escape_comment(comment) }};
{% endmacro %}
