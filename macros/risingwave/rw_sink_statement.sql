{% macro rw_sink_statement(text) -%}
    {% if not config.get('connector') %}{{ return(text | trim) }}{% endif %}
    {% set options = {'connector': config.get('connector')} %}
    {% do options.update(config.get('connector_parameters') or {}) %}
    {% set lines = [] %}
    {% for name, value in options.items() %}{% do lines.append('    ' ~ name ~ ' = ' ~ rw_literal(value)) %}{% endfor %}
    {% set parts = [
        'create sink ' ~ this ~ (' as\n' if 'select' in text | lower else ' from ') ~ text | trim,
        'with (\n' ~ lines | join(',\n') ~ '\n)'
    ] %}
    {% if config.get('data_format') and config.get('data_encode') %}
        {% set extra = [] %}
        {% for name, value in (config.get('format_parameters') or {}).items() %}
            {% do extra.append(name ~ ' = ' ~ rw_literal(value)) %}
        {% endfor %}
        {% do parts.append(
            'format ' ~ config.get('data_format') ~ ' encode ' ~ config.get('data_encode')
            ~ (' (' ~ extra | join(', ') ~ ')' if extra else '')
        ) %}
    {% endif %}
    {{ return(parts | join('\n')) }}
{%- endmacro %}
