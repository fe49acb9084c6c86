{% materialization sink, adapter='millstream_risingwave' %}
  {% do millstream_risingwave__warn_of_indexes('a sink has no rows of its own; index the relation that it reads') %}
  {{ return(millstream_risingwave__deploy(this.incorporate(type='sink'), adapter.deploy_attached)) }}
{% endmaterialization %}
