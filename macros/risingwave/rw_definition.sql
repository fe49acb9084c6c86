{% macro rw_definition(kind, text, options) -%}
    {% set code = modules.re.sub("('(?:[^']|'')*')|--[^\n]*", '\\1', text) %}
    {{ return(local_md5(kind ~ '\n' ~ (code.split() | join(' ')) ~ '\n' ~ tojson(options, sort_keys=true))) }}
{%- endmacro %}
