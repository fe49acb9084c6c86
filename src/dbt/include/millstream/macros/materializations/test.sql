{# Read your write: a test sees every row that was written before it started. #}
{% materialization test, adapter='millstream' %}
  {% do adapter.flush() %}
  {{ return(materialization_test_default()) }}
{% endmaterialization %}
