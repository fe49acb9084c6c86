{% macro id_or_null(column, placeholders=none) -%}
    {%- set words = var('missing_words') + var('nobody_ids') if placeholders is none else placeholders -%}
    case
        when
            lower(btrim({{ column }}, ' ''"' || chr(9) || chr(10) || chr(13)))
            not in ('', '{{ words | join("', '") }}')
            then {{ column }}
    end
{%- endmacro %}
