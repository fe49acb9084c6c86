{% macro rw_deployed() -%}
    {% set found = {} %}
    {% set relations %}
select r.id, s.name as schema_name, r.name, r.relation_type, d.description
from rw_catalog.rw_relations as r
join rw_catalog.rw_schemas as s on s.id = r.schema_id
left join pg_catalog.pg_description as d on d.objoid = r.id and d.objsubid = 0
where s.name not in ('rw_catalog', 'pg_catalog', 'information_schema')
    {% endset %}
    {% for row in run_query(relations).rows %}
        {% do found.update({row[1] ~ '.' ~ row[2]: {
            'id': row[0] | int, 'schema': row[1], 'name': row[2], 'kind': row[3] | replace(' ', '_'),
            'stamp': rw_read_stamp(row[4])
        }}) %}
    {% endfor %}
    {% for row in run_query('select name, stamp, statement from ' ~ rw_registry()).rows %}
        {% if row[0] in found and found[row[0]].kind not in ('table', 'materialized_view') %}
            {% do found[row[0]].update({'stamp': rw_read_stamp(row[1]), 'statement': row[2]}) %}
        {% elif row[0].startswith('function:') %}
            {% do found.update({row[0]: {'kind': 'function', 'stamp': rw_read_stamp(row[1])}}) %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{%- endmacro %}
