{% macro rw_deploy_attached(kind, statement) -%}
    {% set relation = this.incorporate(type=kind) %}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% do rw_warn_of_indexes('a ' ~ kind ~ ' has no rows of its own; index the relation that it reads') %}
    {% set deployed = rw_deployed() %}
    {% set action = rw_attach(kind, relation, statement, rw_reads(model, deployed), deployed) %}
    {% do rw_result(action) %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ return({'relations': [relation]}) }}
{%- endmacro %}
