{# Grants of the engine's own roles are the engine's: dbt neither sees nor revokes them. #}
{% macro millstream__get_show_grant_sql(relation) %}
  select
      grantee,
      privilege_type
  from ({{ postgres__get_show_grant_sql(relation) }}) as granted
  where grantee not in ('millstream_reader', 'millstream_writer')
{% endmacro %}
