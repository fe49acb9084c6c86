{% macro rw_next_version(relation, deployed) -%}
    {% set taken = [0] %}
    {% set mine = modules.re.compile('^' ~ modules.re.escape(relation.identifier) ~ '(?:__(\\d+)(?:_old)?)?$') %}
    {% for found in deployed.values() if found.schema == relation.schema and mine.match(found.name) %}
        {% do taken.append((mine.match(found.name).group(1) or 0) | int) %}
        {% do taken.append(found.stamp.version if found.stamp else 0) %}
    {% endfor %}
    {{ return((taken | max) + 1) }}
{%- endmacro %}
