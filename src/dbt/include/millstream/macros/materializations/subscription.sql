{% materialization subscription, adapter='millstream' %}
  {{ return(millstream__skip('the embedded engine has no change feed')) }}
{% endmaterialization %}
