{% macro rw_drop_removed(dry_run=true, tables=false) -%}
    {% if not execute %}{{ return('') }}{% endif %}
    {% set kept = [] %}
    {% for node in graph.nodes.values() if node.resource_type in ['model', 'seed', 'snapshot'] %}
        {% do kept.append(node.schema ~ '.' ~ node.alias) %}
        {% if node.config.get('change_feed') %}{% do kept.append(node.schema ~ '.' ~ node.alias ~ '_feed') %}{% endif %}
    {% endfor %}
    {% set deployed = rw_deployed() %}
    {% set removed = [] %}
    {% for key, found in deployed.items() if found.id is defined and found.stamp and key not in kept %}
        {% set parts = modules.re.match('^(.+?)__\\d+(?:_old)?$', found.name) %}
        {% set version = parts and (found.schema ~ '.' ~ parts.group(1)) in kept %}
        {% if not version and (tables or found.kind not in ('table', 'source')) %}{% do removed.append(key) %}{% endif %}
    {% endfor %}
    {% if dry_run %}
        {% for key in removed %}{% do print('would drop ' ~ deployed[key].kind ~ ' ' ~ key) %}{% endfor %}
        {% do print("drop with: dbt run-operation rw_drop_removed --args '{dry_run: false}'" if removed else 'nothing to drop') %}
    {% else %}
        {% for key in rw_drop_unread(removed, deployed) %}{% do print('dropped ' ~ key) %}{% endfor %}
    {% endif %}
{%- endmacro %}
