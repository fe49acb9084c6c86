{% macro hash_bucket(unit_id, experiment) -%}
    mod(
        256 * get_byte(decode(md5('{{ experiment }}:' || {{ unit_id }}), 'hex'), 0)
        + get_byte(decode(md5('{{ experiment }}:' || {{ unit_id }}), 'hex'), 1),
        100
    )
{%- endmacro %}
