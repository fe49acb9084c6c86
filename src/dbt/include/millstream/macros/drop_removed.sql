{#
  List, or with `dry_run: false` drop, what is deployed in the project's schemas and is no longer in the project.

      dbt run-operation drop_removed
      dbt run-operation drop_removed --args '{dry_run: false}'
#}
{% macro drop_removed(dry_run=true) %}
  {% if not execute %}{{ return('') }}{% endif %}
  {%- set kept = {target.schema: []} -%}
  {% for node in graph.nodes.values() if node.resource_type in ['model', 'seed', 'snapshot', 'test'] %}
    {%- do kept.setdefault(node.schema, []).append(node.alias) -%}
  {% endfor %}
  {% for node in (graph.functions or {}).values() %}
    {%- do kept.setdefault(node.schema, []).append(node.alias or node.name) -%}
  {% endfor %}

  {%- set found = [] -%}
  {% for schema, names in kept.items() %}
    {%- do found.extend(adapter.removed(schema, names)) -%}
  {% endfor %}
  {% if found and not dry_run %}
    {% for name in adapter.drop_removed(found) %}{% do print("dropped " ~ name) %}{% endfor %}
  {% endif %}
  {% for item in found if dry_run %}
    {% do print("would drop " ~ item.kind ~ " " ~ item.schema ~ "." ~ item.name) %}
  {% endfor %}
  {% if not found %}
    {% do print("nothing to drop: everything deployed is in the project") %}
  {% elif dry_run %}
    {% do print("drop with: dbt run-operation drop_removed --args '{dry_run: false}'") %}
  {% endif %}
{% endmacro %}
