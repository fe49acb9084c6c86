{% macro rw_drop_unread(names, deployed) -%}
    {% set waiting = names | list %}
    {% set dropped = [] %}
    {% if waiting %}
        {% set kinds = {} %}
        {% for found in deployed.values() if found.id is defined %}{% do kinds.update({found.id: found.kind}) %}{% endfor %}
        {% set readers = {} %}
        {% for row in run_query('select objid, refobjid from rw_catalog.rw_depend').rows %}
            {% if kinds.get(row[0] | int) != 'index' %}
                {% do readers.setdefault(row[1] | int, []).append(row[0] | int) %}
            {% endif %}
        {% endfor %}
        {% set gone = [] %}
        {% for _ in names %}
            {% for name in waiting | list if not readers.get(deployed[name].id, []) | reject('in', gone) | list %}
                {% do rw_execute(
                    'drop ' ~ deployed[name].kind | replace('_', ' ') ~ ' "' ~ deployed[name].schema ~ '"."'
                    ~ deployed[name].name ~ '"'
                ) %}
                {% if deployed[name].kind not in ('table', 'materialized_view') %}
                    {% do rw_execute('delete from ' ~ rw_registry() ~ ' where name = ' ~ rw_literal(name)) %}
                {% endif %}
                {% do gone.append(deployed[name].id) %}
                {% do dropped.append(name) %}
                {% do waiting.remove(name) %}
            {% endfor %}
        {% endfor %}
    {% endif %}
    {% for name in waiting %}
        {% do log('kept ' ~ name ~ ': something still reads it; deploy its readers too', info=true) %}
    {% endfor %}
    {{ return(dropped) }}
{%- endmacro %}
