{# dbt-postgres's catalogue with the engine's kinds: source relations are tables, kept views are materialized. #}
{% macro millstream__get_catalog_relations(information_schema, relations) %}
  {%- set kinds = {'table': 'BASE TABLE', 'materialized_view': 'MATERIALIZED VIEW', 'view': 'VIEW'} -%}
  {%- set catalog = postgres__get_catalog_relations(information_schema, relations) -%}
  {{ return(adapter.catalog_with_kinds(catalog, kinds)) }}
{% endmacro %}


{% macro millstream__get_catalog(information_schema, schemas) %}
  {%- set relations = [] -%}
  {% for schema in schemas %}
    {%- do relations.append({'schema': schema}) -%}
  {% endfor %}
  {{ return(millstream__get_catalog_relations(information_schema, relations)) }}
{% endmacro %}
