{# A stored query: PostgreSQL computes it when it is read, and the compiler expands it in the views that read it. #}
{% materialization view, adapter='millstream' %}
  {{ return(millstream__deploy_query(this.incorporate(type='view'), materialized=false)) }}
{% endmaterialization %}
