{% materialization view, adapter='risingwave' %}
    {{ return(rw_deploy_view('view')) }}
{% endmaterialization %}
