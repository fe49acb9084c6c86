{% macro reason_text(strategy, reason_name) -%}
    {%- set otherwise = text_literal(var('words_otherwise')) -%}
    case {{ strategy }}
        {%- for row in strategies() %}
        when '{{ row.name }}' then
            {%- if '{item}' in row.words %} coalesce(
                replace({{ text_literal(row.words) }}, '{item}', {{ reason_name }}), {{ otherwise }}
            )
            {%- else %} {{ text_literal(row.words) }}
            {%- endif %}
        {%- endfor %}
        else {{ otherwise }}
    end
{%- endmacro %}
