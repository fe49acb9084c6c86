{% materialization table_with_connector, adapter='risingwave' %}
    {{ return(rw_deploy_table('table')) }}
{% endmaterialization %}
