{% materialization subscription, adapter='risingwave' %}
    {% set statement %}create subscription {{ this }} from {{ sql | trim }} with (retention = '{{ config.get('retention', '1D') }}'){% endset %}
    {{ return(rw_deploy_attached('subscription', statement)) }}
{% endmaterialization %}
