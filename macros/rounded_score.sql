{% macro rounded_score(expression) -%}
    cast(round(cast({{ expression }} as numeric), 6) as double precision)
{%- endmacro %}
