{# Models that only a cluster needs: the status line says so, and nothing is deployed. #}
{% macro millstream__skip(reason) %}
  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}
  {% do store_raw_result('main', message='skipped: ' ~ reason, code='SKIPPED', rows_affected=0) %}
  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {% do adapter.end_transaction() %}
  {{ run_hooks(post_hooks, inside_transaction=False) }}
  {{ return({'relations': []}) }}
{% endmacro %}
