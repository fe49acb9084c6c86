{% macro rw_create_indexes(relation, version) -%}
    {% for index in config.get('indexes') or [] %}
        {% set parts = [
            'create index "' ~ model.alias ~ '_' ~ version ~ '_' ~ index.columns | join('_') ~ '_ix" on '
            ~ relation ~ ' (' ~ index.columns | join(', ') ~ ')'
        ] %}
        {% if index.include %}{% do parts.append('include (' ~ index.include | join(', ') ~ ')') %}{% endif %}
        {% if index.distributed_by %}
            {% do parts.append('distributed by (' ~ index.distributed_by | join(', ') ~ ')') %}
        {% endif %}
        {% do rw_execute(parts | join(' ')) %}
    {% endfor %}
{%- endmacro %}
