{% macro rw_table_shape(ddl) -%}
    {% set code = modules.re.sub("('(?:[^']|'')*')|--[^\n]*", '\\1', ddl).split() | join(' ') %}
    {% set at = namespace(depth=0, item='', opened=false, closed=false, rest='') %}
    {% set columns = [] %}
    {% for token in modules.re.findall("'(?:[^']|'')*'|[(<\\[]|[)>\\]]|,|[^'(<\\[)>\\],]+", code) %}
        {% if at.closed %}
            {% set at.rest = at.rest ~ token %}
        {% elif not at.opened %}
            {% set at.opened = token == '(' %}
        {% elif at.depth == 0 and token in (',', ')') %}
            {% if at.item | trim %}{% do columns.append(at.item | trim) %}{% endif %}
            {% set at.item = '' %}
            {% set at.closed = token == ')' %}
        {% else %}
            {% set at.depth = at.depth + (1 if token in '(<[' else -1 if token in ')>]' else 0) %}
            {% set at.item = at.item ~ token %}
        {% endif %}
    {% endfor %}
    {{ return({'columns': columns, 'rest': local_md5(at.rest | trim)}) }}
{%- endmacro %}
