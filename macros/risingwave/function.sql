{% materialization function, adapter='risingwave', supported_languages=['python'] %}
    {{ run_hooks(pre_hooks) }}
    {% set action = rw_deploy_function(model, rw_deployed()) %}
    {% do rw_result(action) %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [this.incorporate(type='function')]}) }}
{% endmaterialization %}
