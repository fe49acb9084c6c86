{#
  dbt-postgres's columns, with the names of array and composite types, which information_schema leaves out, and for
  temporary views too.
#}
{% macro millstream__get_columns_in_relation(relation) %}
  {%- set quoted = relation.quote_policy -%}
  {%- set identifier = relation.identifier if quoted.identifier else relation.identifier | lower -%}
  {%- if relation.schema -%}
    {%- set schema = "'" ~ (relation.schema if quoted.schema else relation.schema | lower) ~ "'" -%}
  {%- else -%}
    {%- set schema = 'pg_my_temp_schema()::regnamespace::text' -%}
  {%- endif -%}
  {% call statement('get_columns_in_relation', fetch_result=True) %}
    select
        columns.column_name,
        case
            when columns.data_type in ('ARRAY', 'USER-DEFINED') then format_type(attribute.atttypid, attribute.atttypmod)
            else columns.data_type
        end as data_type,
        columns.character_maximum_length,
        columns.numeric_precision,
        columns.numeric_scale
    from information_schema.columns as columns
    inner join pg_attribute as attribute
        on
            attribute.attrelid = to_regclass(quote_ident(columns.table_schema) || '.' || quote_ident(columns.table_name))
            and attribute.attname = columns.column_name
    where
        columns.table_name = '{{ identifier }}'
        and columns.table_schema = {{ schema }}
    order by columns.ordinal_position
  {% endcall %}
  {{ return(sql_convert_columns_in_relation(load_result('get_columns_in_relation').table)) }}
{% endmacro %}
