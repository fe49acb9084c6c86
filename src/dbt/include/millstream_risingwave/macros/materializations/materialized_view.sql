{% materialization materialized_view, adapter='millstream_risingwave' %}
  {{ return(millstream_risingwave__deploy(this.incorporate(type='materialized_view'), adapter.deploy_view)) }}
{% endmaterialization %}
