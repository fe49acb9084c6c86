{% macro rw_read_stamp(text) -%}
    {% set mark = 'millstream ' %}
    {% if text and (mark ~ '{') in text %}
        {{ return(fromjson(text[(text.rindex(mark ~ '{') + mark | length):])) }}
    {% endif %}
    {{ return(none) }}
{%- endmacro %}
