{% macro rw_deploy_view(kind) -%}
    {% set relation = this.incorporate(type=kind) %}
    {% set keyword = kind | replace('_', ' ') %}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% do rw_deploy_functions_of(model) %}
    {% if kind == 'view' %}
        {% do rw_warn_of_indexes('a view is computed when it is read; make it a materialized_view, or index what it reads') %}
    {% endif %}
    {% set deployed = rw_deployed() %}
    {% set current = deployed.get(relation.schema ~ '.' ~ relation.identifier) %}
    {% if current is not none and current.kind not in ('view', 'materialized_view') %}
        {% do exceptions.raise_compiler_error(
            relation ~ ' is a ' ~ current.kind ~ ': remove it from the project and run '
            ~ 'dbt run-operation rw_drop_removed, or give the model another name'
        ) %}
    {% endif %}
    {% set options = {'indexes': config.get('indexes') or [], 'change_feed': config.get('change_feed') or ''} %}
    {% set definition = rw_definition(kind, sql, options) %}
    {% set reads = rw_reads(model, deployed) %}
    {% set reason = rw_reason(current, kind, definition, reads) %}
    {% if not reason %}
        {% do rw_result('unchanged') %}
    {% else %}
        {% if config.get('contract').enforced %}{% do get_assert_columns_equivalent(sql) %}{% endif %}
        {% set version = rw_next_version(relation, deployed) %}
        {% set stamp = {'version': version, 'definition': definition, 'reads': reads} %}
        {% set beside = relation.incorporate(path={'identifier': relation.identifier ~ '__' ~ version}) %}
        {% set built = relation if current is none else beside %}
        {% do rw_execute('create ' ~ keyword ~ ' ' ~ built ~ ' as\n' ~ sql) %}
        {% if kind == 'materialized_view' %}{% do rw_create_indexes(built, version) %}{% endif %}
        {% if current is not none %}{% do rw_copy_grants(relation, built, kind) %}{% endif %}
        {% do apply_grants(built, config.get('grants'), should_revoke=False) %}
        {% if current is none %}
            {% do rw_mark(relation, kind, stamp) %}
        {% else %}
            {% if kind == 'materialized_view' %}
                {% do rw_mark(built, kind, stamp) %}
                {% do rw_guard_swap(relation, built) %}
            {% endif %}
            {% if current.kind == kind %}
                {% do rw_execute('alter ' ~ keyword ~ ' ' ~ relation ~ ' swap with ' ~ built) %}
            {% else %}
                {% set before = current.kind | replace('_', ' ') %}
                {% do rw_execute('alter ' ~ before ~ ' ' ~ relation ~ ' rename to "' ~ beside.identifier ~ '_old"') %}
                {% do rw_execute('alter ' ~ keyword ~ ' ' ~ built ~ ' rename to "' ~ relation.identifier ~ '"') %}
            {% endif %}
            {% if kind == 'view' %}
                {% do rw_mark(relation, kind, stamp) %}
                {% if current.kind == kind and current.stamp %}{% do rw_mark(beside, kind, current.stamp) %}{% endif %}
            {% endif %}
        {% endif %}
        {% do rw_result(('created' if current is none else 'replaced') ~ ': version ' ~ version ~ ', ' ~ reason) %}
    {% endif %}
    {% if kind == 'materialized_view' and config.get('change_feed') %}
        {% do rw_deploy_change_feed(relation, rw_deployed()) %}
    {% endif %}
    {% do persist_docs(relation, model, for_relation=false) %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ return({'relations': [relation]}) }}
{%- endmacro %}
