{# A source relation is a view, which TRUNCATE refuses; DELETE goes through its queue. #}
{% macro millstream__truncate_relation(relation) %}
  {% call statement('truncate_relation') %}
    {% if adapter.deployed_kind(relation) %}delete from{% else %}truncate table{% endif %} {{ relation }}
  {% endcall %}
{% endmacro %}
