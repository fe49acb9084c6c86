{% macro rw_create_registry() -%}
    {%- if execute and target.type == 'risingwave' and flags.WHICH in ('run', 'build', 'run-operation') -%}
        create table if not exists {{ rw_registry() }} (
            name varchar primary key,
            stamp varchar,
            statement varchar
        ) on conflict do update full
    {%- endif -%}
{%- endmacro %}
