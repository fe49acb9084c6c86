{% macro rw_registry() -%}
    {{ return('"' ~ target.dbname ~ '"."' ~ target.schema ~ '"."millstream_registry"') }}
{%- endmacro %}
