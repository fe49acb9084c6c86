{# Rows of a query into a source relation: what `table` and `incremental` have in common. #}

{# The query as a temporary view of dbt's own session, so that its columns are known before it runs. #}
{% macro millstream__create_query(query_relation, sql) %}
  {% call statement('create_query') %}
    {{ config.get('sql_header') or '' }}
    create or replace temporary view {{ query_relation }} as (
      {{ sql }}
    )
  {% endcall %}
  {% do adapter.end_transaction() %}
{% endmacro %}


{% macro millstream__drop_query(query_relation) %}
  {% call statement('drop_query') %}
    drop view if exists {{ query_relation }}
  {% endcall %}
  {% do adapter.end_transaction() %}
{% endmacro %}


{# CREATE TABLE with the columns of the query; `version` in the comment makes a changed query a changed definition. #}
{% macro millstream__stored_ddl(relation, query_relation, version) %}
  create table {{ relation }} (
  {%- for column in adapter.get_columns_in_relation(query_relation) %}
    {{ adapter.quote(column.name) }} {{ column.data_type }}{{ ',' if not loop.last }}
  {%- endfor %}
  ) /* rows of query {{ version }} */
{% endmacro %}


{% macro millstream__is_empty(relation) %}
  {{ return(run_query("select 1 from " ~ relation ~ " limit 1").rows | length == 0) }}
{% endmacro %}


{#
  Insert the rows of the query in one transaction, after deleting none of the old rows (keep='all'), all of them ('none')
  or those whose key comes again ('other_keys'); then wait until the views show it.
#}
{% macro millstream__fill(target_relation, query_relation, keep) %}
  {%- set columns = adapter.get_columns_in_relation(query_relation) | map(attribute='quoted') | join(', ') -%}
  {% if keep == 'none' %}
    {% call statement('delete') %}
      delete from {{ target_relation }}
    {% endcall %}
  {% elif keep == 'other_keys' %}
    {%- set keys = config.get('unique_key') -%}
    {%- set keys = [keys] if keys is string else keys -%}
    {% call statement('delete') %}
      delete from {{ target_relation }}
      where ({{ keys | join(', ') }}) in (select {{ keys | join(', ') }} from {{ query_relation }})
    {% endcall %}
  {% endif %}
  {% call statement('main') %}
    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }} from {{ query_relation }}
  {% endcall %}
  {% do adapter.end_transaction() %}
  {% do adapter.flush() %}
{% endmacro %}
