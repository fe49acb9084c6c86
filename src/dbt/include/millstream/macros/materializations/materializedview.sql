{# dbt-risingwave's older spelling of materialized_view. #}
{% materialization materializedview, adapter='millstream' %}
  {{ return(millstream__deploy_query(this.incorporate(type='materialized_view'), materialized=true)) }}
{% endmaterialization %}
