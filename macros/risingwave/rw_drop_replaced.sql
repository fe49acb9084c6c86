{% macro rw_drop_replaced(keep_previous=env_var('MILLSTREAM_KEEP_PREVIOUS', '')) -%}
    {% if not execute or target.type != 'risingwave' or flags.WHICH not in ('run', 'build', 'run-operation') %}
        {{ return('') }}
    {% endif %}
    {% set deployed = rw_deployed() %}
    {% set versions = {} %}
    {% for key, found in deployed.items() if found.id is defined and found.kind != 'index' %}
        {% set parts = modules.re.match('^(.+?)__\\d+(?:_old)?$', found.name) %}
        {% set base = found.schema ~ '.' ~ parts.group(1) if parts else none %}
        {% if base in deployed and deployed[base].stamp %}
            {% do versions.setdefault(base, []).append((found.stamp.version if found.stamp else 0, key)) %}
        {% endif %}
    {% endfor %}
    {% set replaced = [] %}
    {% for base, found in versions.items() %}
        {% set older = [] %}
        {% for version, key in found if 0 < version < deployed[base].stamp.version %}
            {% do older.append([version, key]) %}
        {% endfor %}
        {% set kept = (older | sort | last)[1] if keep_previous and older else none %}
        {% for _, key in found if key != kept %}{% do replaced.append(key) %}{% endfor %}
    {% endfor %}
    {% set dropped = rw_drop_unread(replaced, deployed) %}
    {% if dropped %}{% do log('dropped replaced versions: ' ~ dropped | join(', '), info=true) %}{% endif %}
    {{ return('') }}
{%- endmacro %}
