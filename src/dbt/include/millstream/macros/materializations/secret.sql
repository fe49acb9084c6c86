{% materialization secret, adapter='millstream' %}
  {{ return(millstream__skip('the embedded engine keeps no secrets')) }}
{% endmaterialization %}
