{% macro strategy_weight(name) -%}
    {%- for row in strategies() if row.name == name -%}
        cast({{ row.weight }} as double precision)
    {%- endfor -%}
{%- endmacro %}
