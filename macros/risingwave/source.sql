{% materialization source, adapter='risingwave' %}
    {{ return(rw_deploy_table('source')) }}
{% endmaterialization %}
