{% materialization subscription, adapter='millstream_risingwave' %}
  {% do millstream_risingwave__warn_of_indexes('a subscription has no rows of its own; index the relation that it reads') %}
  {{ return(millstream_risingwave__deploy(this.incorporate(type='subscription'), adapter.deploy_attached)) }}
{% endmaterialization %}
