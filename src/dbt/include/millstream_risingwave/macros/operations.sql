{#
  Drop the builds that were replaced and that nothing reads; it runs at the end of every run. With `keep_previous`, or
  MILLSTREAM_KEEP_PREVIOUS set, the last of each stays, for going back.
#}
{% macro rw_drop_replaced(keep_previous=env_var('MILLSTREAM_KEEP_PREVIOUS', '')) %}
  {% if execute and flags.WHICH in ('run', 'build', 'run-operation') %}
    {% do adapter.drop_replaced(true if keep_previous else false) %}
  {% endif %}
{% endmacro %}


{#
  List, or with `dry_run: false` drop, what was deployed and left the project; tables, with their rows, only with
  `tables: true`.

      dbt run-operation rw_drop_removed
      dbt run-operation rw_drop_removed --args '{dry_run: false}'
#}
{% macro rw_drop_removed(dry_run=true, tables=false) %}
  {% if not execute %}{{ return('') }}{% endif %}
  {% if not dry_run %}
    {% for key in adapter.drop_removed(graph, tables) %}{% do print('dropped ' ~ key) %}{% endfor %}
    {{ return('') }}
  {% endif %}
  {% set found = adapter.removed(graph, tables) %}
  {% for what in found %}{% do print('would drop ' ~ what) %}{% endfor %}
  {% do print("drop with: dbt run-operation rw_drop_removed --args '{dry_run: false}'" if found else 'nothing to drop') %}
{% endmacro %}
