{% materialization source, adapter='millstream_risingwave' %}
  {% do millstream_risingwave__warn_of_indexes('RisingWave reads a source by its key; index a materialized_view of it') %}
  {{ return(millstream_risingwave__deploy(this.incorporate(type='source'), adapter.deploy_table)) }}
{% endmaterialization %}
