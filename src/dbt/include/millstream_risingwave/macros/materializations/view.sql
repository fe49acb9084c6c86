{% materialization view, adapter='millstream_risingwave' %}
  {% do millstream_risingwave__warn_of_indexes('a view is computed when it is read; make it a materialized_view, or index what it reads') %}
  {{ return(millstream_risingwave__deploy(this.incorporate(type='view'), adapter.deploy_view)) }}
{% endmaterialization %}
