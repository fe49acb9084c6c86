{% macro keyed_hash(text, key) -%}
    encode(
        sha256(convert_to(
            {{ key }} || ':' || encode(
                sha256(convert_to({{ key }} || ':' || {{ text }}, 'UTF8')), 'hex'
            ), 'UTF8'
        )),
        'hex'
    )
{%- endmacro %}
