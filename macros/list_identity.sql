{% macro list_identity(parts) -%}
    md5({% for part in parts %}coalesce({{ part }}, ''){% if not loop.last %} || '|' || {% endif %}{% endfor %})
{%- endmacro %}
