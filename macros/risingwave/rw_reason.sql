{% macro rw_reason(current, kind, definition, reads) -%}
    {% if current is none %}
        {{ return('new') }}
    {% elif current.kind != kind %}
        {{ return('was a ' ~ current.kind) }}
    {% elif not current.stamp %}
        {{ return('it was deployed by something else, or its deployment was cut off') }}
    {% elif should_full_refresh() %}
        {{ return('full refresh') }}
    {% elif current.stamp.definition != definition %}
        {{ return('its definition changed') }}
    {% endif %}
    {% for name, version in reads.items() if current.stamp.reads.get(name) != version %}
        {{ return('it read an older ' ~ name) }}
    {% endfor %}
    {{ return('') }}
{%- endmacro %}
