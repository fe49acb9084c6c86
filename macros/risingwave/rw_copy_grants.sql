{% macro rw_copy_grants(current, built, kind) -%}
    {% set superusers = [] %}
    {% for row in run_query('select name from rw_catalog.rw_users where is_super').rows %}
        {% do superusers.append(row[0]) %}
    {% endfor %}
    {% set entries = run_query(
        'select unnest(r.acl) as entry from rw_catalog.rw_relations as r '
        ~ 'join rw_catalog.rw_schemas as s on s.id = r.schema_id where s.name = ' ~ rw_literal(current.schema)
        ~ ' and r.name = ' ~ rw_literal(current.identifier)
    ) %}
    {% for row in entries.rows %}
        {% set user, rights = row[0].split('=') %}
        {% if user and user not in superusers and 'r' in rights.split('/')[0] %}
            {% do rw_execute('grant select on ' ~ kind | replace('_', ' ') ~ ' ' ~ built ~ ' to "' ~ user ~ '"') %}
        {% endif %}
    {% endfor %}
{%- endmacro %}
