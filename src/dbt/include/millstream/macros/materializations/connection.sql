{% materialization connection, adapter='millstream' %}
  {{ return(millstream__skip('the embedded engine holds no connections, loaders do')) }}
{% endmaterialization %}
