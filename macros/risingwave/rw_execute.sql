{% macro rw_execute(text) -%}
    {% call statement('rw_execute') %}{{ text }}{% endcall %}
{%- endmacro %}
