{% materialization function, adapter='millstream_risingwave', supported_languages=['python'] %}
  {{ run_hooks(pre_hooks) }}
  {% do store_result('main', response=adapter.deploy_function(model)) %}
  {{ run_hooks(post_hooks) }}
  {{ return({'relations': [this.incorporate(type='function')]}) }}
{% endmaterialization %}
