{#
  Rows that dbt brings into a source relation: what `seed`, `table` and `incremental` have in common. The rows are first
  staged in a temporary table of dbt's own session, so that nothing has changed if the query fails.
#}

{% macro millstream__stage_query(staged_relation, sql) %}
  {% do adapter.flush() %}
  {% call statement('stage') %}
    {{ config.get('sql_header') or '' }}
    create temporary table {{ staged_relation }} as (
      {{ sql }}
    )
  {% endcall %}
  {% do adapter.end_transaction() %}
{% endmacro %}


{% macro millstream__drop_staged(staged_relation) %}
  {% call statement('drop_staged') %}
    drop table if exists {{ staged_relation }}
  {% endcall %}
  {% do adapter.end_transaction() %}
{% endmacro %}


{#
  CREATE TABLE with the given columns, in their order. `primary_key` in the config names the key: with it rows are
  replaced by key, and clients may UPDATE them; without it equal rows are kept apart.
#}
{% macro millstream__stored_ddl(relation, columns) %}
  {%- set key = config.get('primary_key') or [] -%}
  {%- set key = [key] if key is string else key -%}
  {%- set names = columns | map(attribute='name') | list -%}
  create table {{ relation }} (
  {%- for column in columns %}
    {#- RisingWave has no json, and rows that are kept are compared, which json cannot be. #}
    {{ adapter.quote(column.name) }} {{ 'jsonb' if column.data_type == 'json' else column.data_type }}
    {{- ',' if not loop.last or key }}
  {%- endfor %}
  {%- if key %}
    primary key (
    {%- for name in key %}{{ adapter.quote(name) if name in names else name }}{{ ', ' if not loop.last }}{% endfor -%}
    )
  {%- endif %}
  )
{% endmacro %}


{#
  Make a source relation hold exactly the staged rows. Only rows that differ are deleted and inserted, in one transaction,
  so that the views that read the relation see no empty moment and do no needless work. Rows are compared as text.
  Sets the result `main` and waits until the views show the rows.
#}
{% macro millstream__replace_rows(target_relation, staged_relation) %}
  {%- set columns = adapter.get_columns_in_relation(staged_relation) | map(attribute='quoted') | join(', ') -%}
  {% call statement('compare') %}
    create temporary table dbt_changed_rows on commit drop as
    select
        stored.row_text,
        sum(stored.change) as change
    from (
        select row({{ columns }})::text as row_text, 1 as change from {{ staged_relation }}
        union all
        select row({{ columns }})::text, -1 from {{ target_relation }}
    ) as stored
    group by stored.row_text
    having sum(stored.change) <> 0
  {% endcall %}
  {% call statement('delete') %}
    delete from {{ target_relation }}
    where row({{ columns }})::text in (select row_text from dbt_changed_rows)
  {% endcall %}
  {% call statement('main') %}
    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }} from {{ staged_relation }}
    where row({{ columns }})::text in (select row_text from dbt_changed_rows)
  {% endcall %}
  {% do adapter.end_transaction() %}
  {% do adapter.flush() %}
{% endmacro %}
