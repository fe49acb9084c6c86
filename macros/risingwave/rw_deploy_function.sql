{% macro rw_deploy_function(node, deployed) -%}
    {% set key = 'function:' ~ node.schema ~ '.' ~ (node.alias or node.name) %}
    {% set name = '"' ~ node.schema ~ '"."' ~ (node.alias or node.name) ~ '"' %}
    {% set arguments = [] %}
    {% for argument in node.arguments %}{% do arguments.append(argument.name ~ ' ' ~ argument.data_type) %}{% endfor %}
    {% set remote = node.config.get('remote_name') or node.name %}
    {% set link = node.config.get('link') %}
    {% set statement %}create function {{ name }} ({{ arguments | join(', ') }})
returns {{ node.returns.data_type }}
as {{ rw_literal(remote) }} using link {{ rw_literal(link) }}{% endset %}
    {% set definition = rw_definition('function', statement, {}) %}
    {% set exists = run_query(
        'select f.link from rw_catalog.rw_functions as f join rw_catalog.rw_schemas as s on s.id = f.schema_id where s.name = '
        ~ rw_literal(node.schema) ~ ' and f.name = ' ~ rw_literal(node.alias or node.name)
    ).rows | length > 0 %}
    {% set stamp = deployed[key].stamp if key in deployed else none %}
    {% if exists and stamp and stamp.definition == definition %}{{ return('unchanged') }}{% endif %}
    {% if exists %}
        {% do exceptions.raise_compiler_error(
            'the function ' ~ node.name ~ ' is there with another signature or link, and RisingWave never replaces one. '
            ~ 'Give the changed one a new name with a higher version and let the models call that; '
            ~ 'or keep the link ' ~ link ~ ' as a name that moves to the new server'
        ) %}
    {% endif %}
    {% do rw_execute(
        'insert into ' ~ rw_registry() ~ ' (name, stamp, statement) values (' ~ rw_literal(key) ~ ', '
        ~ rw_literal('millstream ' ~ tojson({'version': 1, 'definition': definition}, sort_keys=true)) ~ ', '
        ~ rw_literal(statement) ~ ')'
    ) %}
    {% do rw_execute(statement) %}
    {{ return('created') }}
{%- endmacro %}
