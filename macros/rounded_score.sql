{% macro rounded_score(expression) -%}
    round(cast({{ expression }} as numeric), 6)::double precision
{%- endmacro %}
