{% macro rw_result(message) -%}
    {% do store_raw_result(
        name='main', message=message, code=message.split(':')[0] | upper, rows_affected='-1'
    ) %}
{%- endmacro %}
