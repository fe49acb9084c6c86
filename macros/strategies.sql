{% macro strategies() -%}
    {%- set names = [] -%}
    {%- for row in var('strategies') -%}
        {%- do check_strategy(row, names) -%}
        {%- do names.append(row.name) -%}
    {%- endfor -%}
    {%- do return(var('strategies')) -%}
{%- endmacro %}
