{% materialization materialized_view, adapter='risingwave' %}
    {{ return(rw_deploy_view('materialized_view')) }}
{% endmaterialization %}
