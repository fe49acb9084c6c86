{% macro rounded_score(expression) -%}
    floor(cast({{ expression }} as double precision) * 1000000 + 0.5) / 1000000
{%- endmacro %}
