{% materialization sink, adapter='risingwave' %}
    {{ return(rw_deploy_attached('sink', rw_sink_statement(sql))) }}
{% endmaterialization %}
