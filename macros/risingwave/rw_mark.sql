{% macro rw_mark(relation, kind, stamp, statement='') -%}
    {% set text = 'millstream ' ~ tojson(stamp, sort_keys=true) %}
    {% if kind in ('table', 'materialized_view') %}
        {% set described = config.get('persist_docs', {}).get('relation', false) and model.description %}
        {% do rw_execute(
            'comment on table ' ~ relation ~ ' is '
            ~ rw_literal((model.description ~ '\n' if described else '') ~ text)
        ) %}
    {% else %}
        {% set name = relation.schema ~ '.' ~ relation.identifier %}
        {% do rw_execute(
            'insert into ' ~ rw_registry() ~ ' (name, stamp, statement) values ('
            ~ rw_literal(name) ~ ', ' ~ rw_literal(text) ~ ', ' ~ rw_literal(statement) ~ ')'
        ) %}
    {% endif %}
{%- endmacro %}
