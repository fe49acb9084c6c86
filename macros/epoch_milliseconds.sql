{% macro epoch_milliseconds(timestamp) -%}
    cast(cast(floor(extract(epoch from {{ timestamp }}) * 1000) as bigint) as varchar)
{%- endmacro %}
