{% macro sum_of_scores(expression, condition=none) -%}
    cast(
        sum({{ millionths(expression) }})
        {%- if condition %} filter (where {{ condition }}){% endif %} as double precision
    ) / 1000000
{%- endmacro %}
