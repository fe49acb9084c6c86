{% macro keyed_hash(text) -%}
    {%- set key = "'" ~ (env_var('MILLSTREAM_TOMBSTONE_KEY', '') | replace("'", "''")) ~ ":'" -%}
    encode(
        sha256(convert_to(
            {{ key }} || encode(sha256(convert_to({{ key }} || {{ text }}, 'UTF8')), 'hex'), 'UTF8'
        )),
        'hex'
    )
{%- endmacro %}
