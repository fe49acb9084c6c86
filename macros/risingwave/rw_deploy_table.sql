{% macro rw_deploy_table(kind) -%}
    {% set relation = this.incorporate(type=kind) %}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% do rw_warn_of_indexes('RisingWave reads a ' ~ kind ~ ' by its key; index a materialized_view of it') %}
    {% set deployed = rw_deployed() %}
    {% set current = deployed.get(relation.schema ~ '.' ~ relation.identifier) %}
    {% set shape = rw_table_shape(sql) %}
    {% set stamp = {
        'version': 1, 'definition': rw_definition(kind, sql, {}), 'columns': shape.columns, 'rest': shape.rest
    } %}
    {% if current is none %}
        {% do rw_execute(sql) %}
        {% do rw_mark(relation, kind, stamp, sql) %}
        {% do rw_result('created') %}
    {% elif current.kind == kind and current.stamp and current.stamp.definition == stamp.definition %}
        {% do rw_result('unchanged') %}
    {% else %}
        {% set added = rw_added_columns(relation, kind, current, shape) %}
        {% if added is not none %}
            {% for column in added %}
                {% do rw_execute('alter table ' ~ relation ~ ' add column ' ~ column) %}
            {% endfor %}
            {% do stamp.update({'version': current.stamp.version if current.stamp else 1}) %}
            {% do rw_mark(relation, kind, stamp, sql) %}
            {% do rw_result('altered: ' ~ added | length ~ ' columns added' if added else 'unchanged: adopted') %}
        {% elif should_full_refresh() %}
            {% do rw_execute('drop ' ~ current.kind | replace('_', ' ') ~ ' ' ~ relation ~ ' cascade') %}
            {% do rw_execute(sql) %}
            {% do rw_mark(relation, kind, stamp, sql) %}
            {% do rw_result('replaced: full refresh') %}
        {% else %}
            {% do exceptions.raise_compiler_error(
                relation ~ ' holds rows that came from outside, and its declaration changed by more than new nullable '
                ~ 'columns at the end. Load into a table of a new name, or drop it with its rows and its readers: '
                ~ 'dbt run --full-refresh --select ' ~ model.name ~ '+'
            ) %}
        {% endif %}
    {% endif %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ return({'relations': [relation]}) }}
{%- endmacro %}
