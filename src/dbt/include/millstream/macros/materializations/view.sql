{# A stored query: PostgreSQL computes it when it is read, and the compiler expands it in the views that read it. #}
{% materialization view, adapter='millstream' %}
  {% do millstream__warn_of_indexes('a view is computed when it is read; make it a materialized_view, or index what it reads') %}
  {{ return(millstream__deploy_query(this.incorporate(type='view'), materialized=false)) }}
{% endmaterialization %}
