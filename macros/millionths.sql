{% macro millionths(expression) -%}
    cast(floor(cast({{ expression }} as double precision) * 1000000 + 0.5) as bigint)
{%- endmacro %}
