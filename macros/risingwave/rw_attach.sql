{% macro rw_attach(kind, relation, statement, reads, deployed) -%}
    {% set current = deployed.get(relation.schema ~ '.' ~ relation.identifier) %}
    {% if current is not none and current.kind != kind %}
        {% do exceptions.raise_compiler_error(
            relation ~ ' is a ' ~ current.kind ~ ': remove it from the project and run '
            ~ 'dbt run-operation rw_drop_removed, or give the ' ~ kind ~ ' another name'
        ) %}
    {% endif %}
    {% set definition = rw_definition(kind, statement, {}) %}
    {% set reason = rw_reason(current, kind, definition, reads) %}
    {% if not reason %}{{ return('unchanged') }}{% endif %}
    {% set version = rw_next_version(relation, deployed) %}
    {% set stamp = {'version': version, 'definition': definition, 'reads': reads} %}
    {% if current is none %}
        {% do rw_execute(statement) %}
    {% else %}
        {% set beside = relation.incorporate(path={'identifier': relation.identifier ~ '__' ~ version}) %}
        {% do rw_execute(statement | replace(relation | string, beside | string)) %}
        {% do rw_execute('alter ' ~ kind ~ ' ' ~ relation ~ ' swap with ' ~ beside) %}
        {% do rw_execute('drop ' ~ kind ~ ' ' ~ beside) %}
        {% if current.stamp %}{% do rw_mark(beside, kind, current.stamp, current.statement) %}{% endif %}
    {% endif %}
    {% do rw_mark(relation, kind, stamp, statement) %}
    {{ return(('created' if current is none else 'replaced') ~ ': version ' ~ version ~ ', ' ~ reason) }}
{%- endmacro %}
