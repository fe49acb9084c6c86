{% materialization table_with_connector, adapter='millstream_risingwave' %}
  {% do millstream_risingwave__warn_of_indexes('RisingWave reads a table by its key; index a materialized_view of it') %}
  {{ return(millstream_risingwave__deploy(this.incorporate(type='table'), adapter.deploy_table)) }}
{% endmaterialization %}
