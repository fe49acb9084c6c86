{#
  A view whose rows the engine keeps up to date. Unchanged is a no-op; changed is built beside the old one and swapped,
  readers with it, while applications go on reading.
#}
{% materialization materialized_view, adapter='millstream' %}
  {{ return(millstream__deploy_query(this.incorporate(type='materialized_view'), materialized=true)) }}
{% endmaterialization %}
