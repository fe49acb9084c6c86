{#
  Relations and SQL functions of a schema. A relation that the engine has deployed is what its catalogue says (a source
  relation is a table to its users); others are what PostgreSQL says.
#}
{% macro millstream__list_relations_without_caching(schema_relation) %}
  {% do millstream__set_up() %}
  {% call statement('list_relations_without_caching', fetch_result=True) %}
    select
        '{{ schema_relation.database }}' as database,
        found.name,
        found.schema,
        coalesce(deployed.kind, found.type) as type
    from (
        select
            class.relname::text as name,
            namespace.nspname::text as schema,
            case class.relkind
                when 'v' then 'view'
                when 'm' then 'materialized_view'
                else 'table'
            end as type
        from pg_class as class
        inner join pg_namespace as namespace on class.relnamespace = namespace.oid
        where class.relkind in ('r', 'p', 'v', 'm', 'f')
        union
        select
            proc.proname::text,
            namespace.nspname::text,
            'function'
        from pg_proc as proc
        inner join pg_namespace as namespace on proc.pronamespace = namespace.oid
        where proc.prokind = 'f'
        union
        select
            name,
            schema_name,
            kind
        from millstream.relation
        where kind = 'sink'
    ) as found
    left join millstream.relation as deployed
        on found.schema = deployed.schema_name and found.name = deployed.name
    where found.schema ilike '{{ schema_relation.schema }}'
  {% endcall %}
  {{ return(load_result('list_relations_without_caching').table) }}
{% endmacro %}


{# A database that no worker has worked in yet has no catalogue; dbt is the first to need it there. #}
{% macro millstream__set_up() %}
  {% call statement('is_set_up', fetch_result=True) %}
    select to_regclass('millstream.relation') is not null
  {% endcall %}
  {% if not load_result('is_set_up').data[0][0] %}
    {% do adapter.set_up() %}
  {% endif %}
{% endmacro %}
