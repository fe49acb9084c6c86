{% macro is_moment(timestamp) -%}
    (
        {{ timestamp }} >= cast('0001-01-02 00:00:00+00' as timestamptz)
        and {{ timestamp }} < cast('9999-12-31 00:00:00+00' as timestamptz)
    )
{%- endmacro %}
