{% macro rw_guard_swap(current, built) -%}
    {% set served = run_query('select 1 from ' ~ current ~ ' limit 1').rows | length %}
    {% set new = run_query('select 1 from ' ~ built ~ ' limit 1').rows | length %}
    {% if served and not new and not env_var('MILLSTREAM_ALLOW_EMPTY', '') %}
        {% do exceptions.raise_compiler_error(
            current.identifier ~ ' was not replaced: its new version has no rows, the one that is served has some. '
            ~ 'Look at ' ~ built ~ '; if that is right, set MILLSTREAM_ALLOW_EMPTY=1 and deploy again'
        ) %}
    {% endif %}
{%- endmacro %}
